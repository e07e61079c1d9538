"""Floor 0: values and pure functions; numpy and the standard library only."""

"""What there is: files found and recognised, what their names and tables say, and what became of each."""

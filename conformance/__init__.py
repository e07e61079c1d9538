"""Tests that meet the outside world: real clients, viewers and rivals over a real socket."""

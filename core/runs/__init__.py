"""Runs over many sessions. `core` imports them when the first run begins."""

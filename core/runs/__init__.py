"""Runs over many sessions. Of the rest of core, only its `__init__` imports them."""

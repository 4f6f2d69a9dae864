"""Runs over many sessions. Nothing else in core knows them but its `__init__`."""

"""The open sessions of the processes of one machine, in a directory."""

from .journal import FileJournal

__all__ = ["FileJournal"]

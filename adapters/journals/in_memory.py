"""The open sessions of one process, in its memory: for tests."""

from collections.abc import Iterator
from typing import Self

from .base import BaseJournal


class InMemoryJournal(BaseJournal):
    """A `Journal` for tests, in the memory of one process. It cannot be pickled.

    Args:
        sharing: a journal whose storage this one shares, as two processes share a directory.
        service: a label, as in a `FileJournal`.
    """

    def __init__(self, sharing: Self | None = None, *, service: str | None = None) -> None:
        if not isinstance(sharing, InMemoryJournal | None):
            raise TypeError(f"sharing must be an InMemoryJournal, not {type(sharing).__name__}")
        super().__init__(None, "in memory", service)
        self._owners: dict[tuple[str | None, str], BaseJournal] = sharing._owners if sharing else {}

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("an InMemoryJournal cannot be pickled: nothing of it outlives its process")

    @property
    def sessions_left_open(self) -> list[str]:
        """The recorded ids that are not gone, in the order in which they were opened."""
        return [session_id for service, session_id in [*self._owners] if service == self._service]

    def _record(self, session_id: str) -> None:
        self._owners[self._service, session_id] = self

    def _forget(self, session_id: str) -> None:
        self._owners.pop((self._service, session_id), None)

    def _orphans(self) -> list[str]:
        closed = [key for key, owner in [*self._owners.items()] if owner._closed.is_set()]
        return [session_id for service, session_id in closed if service == self._service]

    def _adopt(self) -> Iterator[None]:
        with self._lock:
            for session_id in self._orphans():
                self._record(session_id)
                self._adopted.add(session_id)
        yield

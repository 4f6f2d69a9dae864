"""What the journals share: each owns the sessions that it recorded or adopted."""

import os
import threading
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import ClassVar, NamedTuple, Self

from firecrawl_interact.core.journal import JournalError
from firecrawl_interact.core.wire import checked_session_id, is_sendable

from ..api_url import without_version


class LeftAlone(NamedTuple):
    """What a sweep of a journal leaves alone, counted. Two numbers are of sessions."""

    living: int  #: what other, living owners have open at this service
    other_services: dict[str | None, int]  #: the orphans of each other label
    unreadable: list[str]  #: what is there and is no record, or cannot be read


class BaseJournal:
    """A `Journal` without its storage. Safe to share among threads; empty in a forked child."""

    _record: Callable[[str], None]
    _forget: Callable[[str], None]
    _orphans: Callable[[], list[str]]
    _adopt: Callable[[], Iterator[bool]]  # At each step, some orphans are durably ours.
    _lock: ClassVar = threading.RLock()  # of all journals. A fork waits for it.

    def __init__(self, name: str, place: object, service: str | None) -> None:
        if service is not None and not isinstance(service, str):
            raise TypeError(f"service must be a str or None, not {type(service).__name__}")
        self._name = name  # in errors
        self._place = place
        self._service = without_version(service or "") or None
        self._closed = False
        self._not_yielded: dict[str, None] = {}  # what was adopted
        _journals.add(self)

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), service=self._service), (self._place,)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the sessions that are still open: from now on they are orphans."""
        self._closed = True
        self._release()

    def _release(self) -> None:
        """Let the storage know."""

    def opened(self, session_id: str | uuid.UUID, /) -> None:
        """Record that a session is open. When this returns, the record outlives this process."""
        checked = checked_session_id(session_id)
        advice = "The session is still open, and no sweep knows of it: delete it."
        with self._errors("cannot record that it is open", advice, checked):
            self._record(checked)
            self._not_yielded.pop(checked, None)

    def gone(self, session_id: str | uuid.UUID, /) -> None:
        """Forget a session that is certainly destroyed. An unknown id changes nothing."""
        text, advice = str(session_id), "A sweep deletes it once more, which is safe."
        if not self._closed and is_sendable(text):
            with self._errors("cannot forget it", advice, text):
                self._not_yielded.pop(text, None)
                self._forget(text)

    def orphans(self) -> list[str]:
        """List what `adopt_orphans` would adopt now. Nothing is changed."""
        with self._errors("cannot list its orphans", "Nothing was changed."):
            return sorted({*self._not_yielded, *self._orphans()})

    def adopt_orphans(self) -> Iterator[str]:
        """Become the owner of what dead processes left open, and yield each session's id once.

        An id is this journal's alone, durably, before it is yielded.
        """
        steps, has_next = self._adopt(), True
        while has_next:
            with self._errors("cannot adopt its orphans", "None of them is lost."):
                has_next = next(steps, False)
            with suppress(KeyError):  # It is empty.
                while not self._closed:
                    yield self._not_yielded.popitem()[0]
                return

    def _reason(self, error: Exception) -> str:
        return str(error).strip() or type(error).__name__

    @contextmanager
    def _errors(self, problem: str, advice: str, session_id: str | None = None) -> Iterator[None]:
        """Turn any exception into a `JournalError`."""
        # No lock here: a stored exception would keep this frame, and with it the lock.
        try:
            if self._closed:
                raise OSError("it is closed")  # noqa: TRY301 - it gets the same message
            yield
        except Exception as error:
            subject = "The" if session_id is None else f"Session {session_id!r}: the"
            message = f"{subject} {self._name} {problem}: {self._reason(error)}. {advice}"
            # The frames below may contain a password.
            raise JournalError(message, session_id=session_id) from error.with_traceback(None)


_journals: "weakref.WeakSet[BaseJournal]" = weakref.WeakSet()


def _begin_anew_in_child() -> None:
    BaseJournal._lock.release()
    for journal in [one for one in _journals if not one._closed]:
        with suppress(JournalError):  # A later call says it.
            journal.__init__(journal._place, service=journal._service)  # type: ignore[misc]  # as a pickle does it


if hasattr(os, "register_at_fork"):
    _lock = BaseJournal._lock
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_begin_anew_in_child
    )

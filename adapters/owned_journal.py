"""What the journals share: each owns the sessions that it recorded or adopted."""

import os
import re
import threading
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import ClassVar, Self

from firecrawl_interact.core.journal import JournalError
from firecrawl_interact.core.logger import logger
from firecrawl_interact.core.wire import checked_session_id, is_sendable

_END_OF_AN_ADDRESS = re.compile(r"(?:/+v2)*/*\Z")  # Transports ignore it.


class OwnedJournal:
    """A `Journal` without its storage. Safe to share among threads; empty in a forked child."""

    close: Callable[[], None]
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
        self._service = _END_OF_AN_ADDRESS.sub("", service or "") or None
        self._closed = False
        self._start_anew()
        _journals.add(self)

    def _start_anew(self) -> None:
        """Own nothing, as in a forked child."""
        self._held: set[str] = set()
        self._not_yielded: set[str] = set()  # of what was adopted

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), service=self._service), (self._place,)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def opened(self, session_id: str | uuid.UUID, /) -> None:
        """Record that a session is open. When this returns, the record outlives this process."""
        checked = checked_session_id(session_id)
        advice = "The session is still open, and no sweep knows of it: delete it."
        with self._errors("cannot record that it is open", advice, checked):
            self._record(checked)
            self._not_yielded.discard(checked)

    def gone(self, session_id: str | uuid.UUID, /) -> None:
        """Forget a session that is certainly destroyed. An unknown id changes nothing."""
        text, advice = str(session_id), "A sweep deletes it once more, which is safe."
        if not self._closed and is_sendable(text):
            with self._errors("cannot forget it", advice, text):
                self._not_yielded.discard(text)
                self._held.discard(text)
                self._forget(text)

    def orphans(self) -> list[str]:
        """List what `adopt_orphans` would yield now. Nothing is changed."""
        with self._errors("cannot list its orphans", "Nothing was changed."):
            return sorted({*self._not_yielded, *self._orphans()})

    def adopt_orphans(self) -> Iterator[str]:
        """Become the owner of the sessions that dead processes left open, and yield each id once.

        The journal owns an id durably before it yields it, and no other journal gets it while this
        one lives. It forgets records older than a day with a warning, since no session lives that
        long.
        """
        steps, is_over = self._adopt(), False
        while not is_over:
            with self._errors("cannot adopt its orphans", "None of them is lost."):
                is_over = not next(steps, False)
            for session_id in sorted(self._not_yielded):
                if self._closed:
                    return
                try:
                    self._not_yielded.remove(session_id)
                except KeyError:  # Another thread yields it, or it is gone.
                    continue
                yield session_id
            is_over |= self._closed

    def _warn_of_age(self, session_id: str) -> None:
        text = "The journal forgets session %r: none lives longer than a day"
        logger.warning(text, session_id)

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


_journals: "weakref.WeakSet[OwnedJournal]" = weakref.WeakSet()


def _start_anew_in_child() -> None:
    OwnedJournal._lock = threading.RLock()  # A thread of the parent may hold the old one.
    for journal in _journals:
        journal._start_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=lambda: OwnedJournal._lock.acquire(),  # noqa: PLW0108 - the one of this process
        after_in_parent=lambda: OwnedJournal._lock.release(),  # noqa: PLW0108 - the same
        after_in_child=_start_anew_in_child,
    )

"""What the journals share: each owns the sessions that it recorded or adopted."""

import os
import threading
import uuid
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import ClassVar, NamedTuple, Self

from firecrawl_interact.core.journal import JournalError
from firecrawl_interact.core.log import printable
from firecrawl_interact.core.wire import checked_session_id, is_sendable

from ..api_url import parse_api_url


class LeftAlone(NamedTuple):
    """What a sweep of a journal leaves alone."""

    living: int  #: how many sessions other, living owners have open at this service
    other_services: dict[str | None, int]  #: how many orphans each other label has
    unreadable: list[str]  #: the paths of what is no record, or may not be read or moved


class BaseJournal:
    """A `Journal` without its storage. Safe to share among threads.

    A storage adds these functions. Each step of `_adopt`, of which there is at least one, puts
    orphans into `_adopted`. They are durably this journal's when the step ends; a storage that
    puts them there before they are durable holds `_lock` in between. `opened`, `gone` and a
    heartbeat that finds one taken remove it from there.
    """

    _record: Callable[[str], None]
    _forget: Callable[[str], None]
    _orphans: Callable[[], Iterable[str]]
    _adopt: Callable[[], Iterator[None]]
    _lock: ClassVar = threading.RLock()  # of all journals. A fork waits for it.

    def __init__(self, storage: object, shown: str, service: str | None) -> None:
        if not isinstance(service, str | None):
            raise TypeError(f"service must be a str, not {type(service).__name__}")
        self._storage = storage  # as the user named it
        self._shown = shown  # the same, without secrets
        self._service = service or None
        with suppress(ValueError):  # An address is one label, however it is written.
            self._service = str(parse_api_url(service or "", allow_plain_http=True))
        self._begin()
        _journals.add(self)

    def _begin(self) -> None:
        """Become an owner without sessions: each new journal, and each one in a forked child."""
        self._closed = threading.Event()
        self._adopted: set[str] = set()  # and not yielded yet

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._shown!r}, service={self._service!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), service=self._service), (self._storage,)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the sessions that are still open: from now on they are orphans."""
        self._closed.set()

    def opened(self, session_id: str | uuid.UUID, /) -> None:
        """Record that a session is open. When this returns, the record outlives this process."""
        checked = checked_session_id(session_id)
        advice = "Delete the session: no sweep may find it. A block does that by itself."
        with self._if_open("cannot record that it is open", advice, checked):
            self._record(checked)
            self._adopted.discard(checked)

    def gone(self, session_id: str | uuid.UUID, /) -> None:
        """Forget a session that is certainly destroyed, unless this journal is closed."""
        text = str(session_id)
        advice = "A sweep deletes it once more, which is safe."
        if is_sendable(text) and not self._closed.is_set():
            with self._if_open("cannot forget it", advice, text):
                self._adopted.discard(text)
                self._forget(text)

    def orphans(self) -> list[str]:
        """List what `adopt_orphans` would adopt now. Nothing is changed."""
        with self._if_open("cannot list its orphans", "Nothing was changed."):
            return sorted({*self._adopted, *self._orphans()})

    def adopt_orphans(self) -> Iterator[str]:
        """Yield each orphan once: it is durably this journal's, and no other's until `close`."""
        with self._if_open("cannot adopt its orphans", "None of them is lost."):
            for _ in self._adopt():
                for session_id in sorted(self._adopted):
                    # While another thread adopts, what is in `_adopted` may not be durable yet.
                    with self._lock:
                        is_here = session_id in self._adopted and not self._closed.is_set()
                        self._adopted.discard(session_id)
                    if is_here:
                        yield session_id
                if self._closed.is_set():
                    return  # It would adopt what it has just released.

    def _require_open(self) -> None:
        if self._closed.is_set():
            raise OSError("it is closed")

    @contextmanager
    def _if_open(self, problem: str, advice: str, session_id: str | None = None) -> Iterator[None]:
        """Refuse a closed journal, and turn any exception into a `JournalError` with its notes."""
        # Do not take `_lock` around the `yield`: `adopt_orphans` is suspended in it, and whoever
        # stores an exception of its caller's loop would keep the lock.
        try:
            self._require_open()
            yield
        except Exception as error:
            subject = "The" if session_id is None else f"Session {session_id!r}: the"
            journal, reason = printable(self._shown), reason_of(error)
            message = f"{subject} journal {journal} {problem}: {reason}. {advice}"
            message += "".join(getattr(error, "__notes__", []))
            # The frames below may contain a password.
            raise JournalError(message, session_id=session_id) from error.with_traceback(None)


def reason_of(error: Exception) -> str:
    """Say in one line why a call failed, without the statement that a database quotes."""
    words = str(error).partition("\nLINE ")[0].rstrip(".?\n").split()
    return " ".join(words) or type(error).__name__


_journals: "weakref.WeakSet[BaseJournal]" = weakref.WeakSet()
closed_in_child: set[int] = set()  # descriptors, of forgotten journals too


def _begin_in_child() -> None:
    """Let each open journal of a forked child hold nothing: its sessions are the parent's."""
    BaseJournal._lock.release()
    while closed_in_child:
        with suppress(OSError):  # Who makes a daemon of a process closes all descriptors.
            os.close(closed_in_child.pop())
    for journal in list(_journals):
        if not journal._closed.is_set():
            journal._begin()


if hasattr(os, "register_at_fork"):
    _lock = BaseJournal._lock
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_begin_in_child
    )

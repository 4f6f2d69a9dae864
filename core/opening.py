"""A session that ends with the block that used it. It was open before, or the block opens it.

A block is entered, has a session, has the outcome of its delete, tells it, and is over.

The first interruption (Ctrl-C, SIGTERM, a cancellation) is the block's or the delete's: a delete
that it ended is repeated, and then it is raised. The second one ends the delete.

An awaited use case that is closed destroys the sessions of its open blocks. The block's end and the
use case wait for the same delete, and whoever comes second finds the outcome.
"""

import os
import threading
import uuid
import warnings
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .arguments import check_function, checked_opened_id, refuse_awaitable
from .conversation import Send
from .errors import (
    DeleteSessionError,
    NothingOpenedError,
    Outcome,
    SessionNotFoundError,
    interrupted,
    note_on,
)
from .receipt import DeletionReceipt
from .retry import RetryPolicy
from .shielding import Task, in_thread, raise_last, shielded, start

if TYPE_CHECKING:
    from .delete_session import AsyncDeleteSession, DeleteSession

T = TypeVar("T")
UseCaseT = TypeVar("UseCaseT", "DeleteSession", "AsyncDeleteSession")


class _Opening(Generic[T, UseCaseT]):
    """What the two context managers share: all but how they wait."""

    session_id: str | None = None  #: None until a session is open
    outcome: Outcome | None = None  #: the receipt or the error of the delete; None before that
    _process: int | None = None  # which one entered the block; its children leave it alone
    _is_over = True  # until it is made
    _is_told = False  # whether the outcome is
    _deletes = 0  # how many were begun

    def __init__(  # noqa: PLR0913 - each is something that users say
        self,
        use_case: UseCaseT,
        open_session: Callable[[], Any] | None,  # Any: awaited or not. None: it is open already
        id_of: Callable[[Any], str | uuid.UUID],  # Any: of what the opener returned
        *,
        session_id: str | None = None,
        missing_ok: bool,
        retry: RetryPolicy,
    ) -> None:
        if session_id is None:
            check_function("open_session", open_session, "lambda: firecrawl.browser()")
            check_function("id_of", id_of, 'attrgetter("id")')
        self._use_case: UseCaseT = use_case
        self._open_session = open_session
        self._id_of = id_of
        self._given_id = self.session_id = session_id
        self._missing_ok = missing_ok
        self._retry = retry
        self._opened: list[Any] = []  # at most one; in no variable, which a traceback would show
        self._sent: list[Send] = []  # the requests of its deletes
        self._known: list[Outcome] = []  # The first is the outcome. The journal may not know it.
        self._tasks: list[Task] = []  # They open the session or destroy it. One at a time.
        self._entered = threading.Lock()  # It is held while the block is entered.
        self._is_over = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.session_id!r}, outcome={self.outcome!r})"

    def __del__(self) -> None:
        is_unknown = self._process is not None and self.session_id is None
        if self._is_over or is_unknown or self._is_forked():
            return
        what = "left" if self._process else "entered: write `with`, or `async with`"
        made_by = "opening" if self._open_session else "on_exit"
        text = f"{made_by}({self.session_id!r}) was never {what}."
        if self.session_id is not None:
            text += f" The session may still be running and billing. {DeleteSessionError.advice}"
        warnings.warn(text, RuntimeWarning, stacklevel=2, source=self)

    @property
    def receipt(self) -> DeletionReceipt | None:
        """None until the session is destroyed, and also if it was gone already."""
        return self.outcome if isinstance(self.outcome, DeletionReceipt) else None

    def _is_forked(self) -> bool:
        """Return whether another process entered the block: it destroys the session."""
        return self._process not in {None, os.getpid()}

    def _is_live(self) -> bool:
        """Return whether there is a session of this process, and nothing has come of a delete."""
        return self.session_id is not None and self.outcome is None and not self._is_forked()

    # How it begins

    def _begin(self) -> None:
        if not self._entered.acquire(blocking=False):
            raise RuntimeError("this block is open already: make another one for another session")
        self._process = os.getpid()
        self.session_id, self.outcome = self._given_id, None
        self._is_told = self._is_over = False
        self._deletes = 0
        self._sent.clear()
        self._known.clear()
        self._tasks.clear()

    def _refuse_closed(self) -> None:
        if self._use_case.is_closed:
            raise RuntimeError(f"this {type(self._use_case).__name__} is closed")

    def _find_session(self) -> None:
        mask = self._use_case.headers.mask
        self.session_id = checked_opened_id(self._opened, self._id_of, mask)

    def _given(self) -> T:
        given: T = self._opened[0] if self._opened else self  # type: ignore[assignment]  # of on_exit
        return given

    def _find_session_after_all(self) -> None:
        """Find out which session is to be destroyed, if an interruption came before that."""
        if self._opened and self.session_id is None:
            with suppress(NothingOpenedError):
                self._find_session()

    def _note_destroyed(self, error: BaseException) -> None:
        if self.receipt is not None:
            error.add_note(f"The block did not begin. Session {self.session_id!r} was destroyed.")

    # How it ends

    def _settle(self) -> None:
        # There is one if `__aexit__` was closed (GeneratorExit) while its delete went on.
        self.outcome = self.outcome or self._known[0]

    def _settle_if_final(
        self,
        error: BaseException,
        raised: BaseException | None,
        interruptions: list[BaseException],
    ) -> None:
        """Keep what ended a delete. The delete is made once more after an interruption.

        It is over after a failure, after a second interruption, and after the first one if the
        block itself was ended by an interruption. A program that cancels all its tasks interrupts
        the block and the delete: that counts once.
        """
        if error not in interruptions:
            interruptions.append(error)
        is_failure = isinstance(error, Exception | GeneratorExit)
        was_interrupted = not isinstance(raised, Exception | GeneratorExit | SystemExit | None)
        is_second = was_interrupted or len(interruptions) > 1 or self._deletes > 1
        if self._is_live() and (is_failure or is_second):
            self._known.append(interrupted(self.session_id or "", len(self._sent), error))
            self._settle()

    def _end(self, raised: BaseException | None) -> None:
        """Tell the outcome, and end the block. Raise the delete's error, or note it on `raised`."""
        error = self.outcome if isinstance(self.outcome, DeleteSessionError) else None
        if self._missing_ok and isinstance(error, SessionNotFoundError):
            error = None
        self._tell(is_seen=raised is None)
        if error is not None and raised is not None:
            raised.add_note(note_on(error))
        self._opened.clear()
        self._use_case.blocks.discard(self)
        self._is_over = True
        with suppress(RuntimeError):  # An interruption may bring it here again.
            self._entered.release()
        if error is not None and raised is None:
            raise error

    def _tell(self, *, is_seen: bool) -> None:
        """Tell the outcome, once: to the log as well, unless somebody sees it raised."""
        if self.outcome is not None and not self._is_told:
            self._is_told = True
            self._use_case.notify(self.outcome, is_seen=is_seen)


class Opening(_Opening[T, "DeleteSession"]):
    """Destroys a session when a `with` block ends, however it ends. `opening` opens it first.

    If the block raised, its exception is the one that propagates, with a note (PEP 678) if the
    delete failed too; the log has that at ERROR. If only the delete failed, that error is raised.
    """

    def __enter__(self) -> T:
        """Open the session, if it is not open, and record it in the journal, if there is one.

        Returns:
            What was opened. A block whose session was open before gives itself.

        Raises:
            NothingOpenedError: `open_session` returned no usable id.
            JournalError: it could not be recorded. It was destroyed, or a note says why not.
            RuntimeError: the block is open already, and nothing was opened; or the use case is
                closed. The session is destroyed if the transport still sends; else a note says so.
            TypeError: `open_session` must be awaited. Nothing was opened.
        """
        self._begin()
        try:
            self._refuse_closed()
            self._open()
            self._refuse_closed()
            return self._given()
        except BaseException as error:
            self._find_session_after_all()
            self.__exit__(None, error, None)
            self._note_destroyed(error)
            raise

    def __exit__(self, kind: object, raised: BaseException | None, tb: object) -> None:
        interruptions: list[BaseException] = []
        while True:
            try:
                self._destroy()
                self._end(interruptions[-1] if interruptions else raised)
                break
            except DeleteSessionError:  # of `_end`
                raise
            except BaseException as error:
                self._settle_if_final(error, raised, interruptions)
        raise_last(interruptions, None)

    def _open(self) -> None:
        if self._open_session is not None:
            self._opened.append(self._open_session())
            instead = "AsyncDeleteSession.opening, or a function that blocks"
            refuse_awaitable(self._opened[0], "open_session", instead)
            self._find_session()
        if (journal := self._use_case.journal_of(self.session_id)) is not None:
            journal.opened(self.session_id or "")

    def _destroy(self) -> None:
        if self._is_live():
            self._deletes += 1
            self._use_case.destroy(str(self.session_id), self._retry, self._sent, self._known)
            self._settle()


class AsyncOpening(_Opening[T, "AsyncDeleteSession"]):
    """Destroys a session when an `async with` block ends, as `Opening` does.

    Under asyncio a task of its own opens the session, and one destroys it. However often the block
    is cancelled, it waits for that task: for the opener at most `attempt_timeout`, for the delete
    at most `deadline`. It is cancelled afterwards. Under trio the delete alone is shielded.
    """

    thread: int | None = None  #: whose event loop it was entered on
    _is_opening = False  # whether its only task opens the session, or records it

    async def __aenter__(self) -> T:
        """As `Opening` does it, and it raises what that raises. The journal is in a thread."""
        self._begin()
        try:
            self.thread = threading.get_ident()
            # First the use case knows of it, then it looks. Closing does so the other way round.
            self._use_case.blocks.add(self)
            self._refuse_closed()
            if self._open_session is not None or self._use_case.journal is not None:
                await self._open_uncancelled()
            return self._given()
        except BaseException as error:
            self._find_session_after_all()
            if not isinstance(error, GeneratorExit):  # which awaits nothing
                await self.__aexit__(None, error, None)
                self._note_destroyed(error)
            raise

    async def __aexit__(self, kind: object, raised: BaseException | None, tb: object) -> None:
        interruptions: list[BaseException] = []
        while True:
            try:
                await self._destroy_uncancelled(interruptions)
                self._end(interruptions[-1] if interruptions else raised)
                break
            except DeleteSessionError:  # of `_end`
                raise
            except BaseException as error:
                self._settle_if_final(error, raised, interruptions)
        raise_last(interruptions, None)

    async def _open_uncancelled(self) -> None:
        interruptions: list[BaseException] = []
        timeout = self._retry.attempt_timeout
        self._is_opening = True
        try:
            error = await shielded(self._open, interruptions, timeout=timeout, tasks=self._tasks)
        finally:
            self._is_opening = False
        # Closing may have cancelled it: see `start_to_end`.
        if not interruptions and not isinstance(error, Exception):
            self._refuse_closed()
        raise_last(interruptions, error)

    async def _open(self) -> None:
        if self._open_session is not None:
            result = self._open_session()
            # In one line: an interruption between two would lose the session.
            self._opened.append(await result if isinstance(result, Awaitable) else result)
            del result  # A traceback would show it.
            self._find_session()
        if (journal := self._use_case.journal_of(self.session_id)) is not None:
            # If this is cancelled, it waits for the record: one that comes late would stay there
            # after the session is gone.
            await in_thread(journal.opened, self.session_id, timeout_when_cancelled=5)

    async def _destroy_uncancelled(self, interruptions: list[BaseException]) -> None:
        while self._is_live():
            # An opener goes on, or the use case destroys it.
            waits_for_another = self._has_running_task()
            error = await shielded(self._destroy, interruptions, tasks=self._tasks)
            if error is not None and not waits_for_another:
                raise error

    async def _destroy(self) -> None:
        if self._is_live():
            self._deletes += 1
            await self._use_case.destroy(str(self.session_id), self._retry, self._sent, self._known)
            self._settle()

    # Its use case is being closed

    def start_to_end(self) -> None:
        """Let its delete begin, under asyncio, or its opener have at most `attempt_timeout`."""
        if self._is_opening:
            for opener in self._tasks:
                opener.get_loop().call_later(self._retry.attempt_timeout, opener.cancel)
        start(self._destroy, self._tasks)

    async def end_early(self, interruptions: list[BaseException]) -> None:
        """Wait for its opener and its delete, and tell the outcome before the block ends."""
        # A second delete is made if the first one was interrupted.
        while self._has_running_task() or (self._is_live() and self._deletes < 2):
            await shielded(self._destroy, interruptions, tasks=self._tasks)
        self._tell(is_seen=False)

    def _has_running_task(self) -> bool:
        return any(not task.done() for task in self._tasks[-1:])

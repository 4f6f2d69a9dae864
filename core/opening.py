"""A session that ends with the block that used it. It was open before, or the block opens it.

A block is entered, has a session, has the outcome of its delete, tells it, and is over.

The first interruption (Ctrl-C, a cancellation) is the block's or the delete's. A delete that was
interrupted is made once more, and then the interruption is raised. A second one ends the delete.
Under asyncio, no cancellation of the block reaches the delete: only the end of the event loop ends
the delete, after a second Ctrl-C, or if `main` returns meanwhile. A use case that `main` closes
waits for the delete instead.

An awaited use case that is closed destroys the sessions of its open blocks. The block's end and the
use case wait for the same delete, and whoever comes second finds the outcome.
"""

import logging
import operator
import os
import threading
import uuid
import warnings
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from .arguments import check_function, checked_opened_id, refuse_coroutine
from .errors import DeleteSessionError, NothingOpenedError, Outcome, SessionNotFoundError
from .log import log, shown
from .receipt import DeletionReceipt
from .retry import RetryPolicy
from .shielding import Shield, finish, in_thread, loop_or_thread, raise_last, running_asyncio_loop
from .use_case import JOURNAL_WAIT, Delete, UseCase

T = TypeVar("T")

_TURNS = 3
"""Of the event loop, from the end of a delete until who waits for it goes on."""
_ENDS_BY_ITSELF = (Exception, GeneratorExit, SystemExit)
"""What ends a block without an interruption. `sys.exit()` does, also in a handler of SIGTERM."""


class _Opening(Generic[T]):
    """What the two context managers share: all of it. One of them awaits this, and one does not."""

    _has_ended = True  # until it is made

    def __init__(  # noqa: PLR0913 - each is something that users say
        self,
        use_case: UseCase[Any, Any],  # Any: of either kind
        open_session: Callable[[], Any] | None = None,  # Any: awaited or not
        id_of: Callable[[Any], str | uuid.UUID] = str,  # Any: of what the opener returned
        *,
        session_id: str = "",  # if it is open already
        missing_ok: bool,
        retry: RetryPolicy | None,
    ) -> None:
        if not session_id:
            check_function("open_session", open_session, "lambda: firecrawl.browser()")
            check_function("id_of", id_of, 'attrgetter("id")')
        self._use_case = use_case
        self._open_session = open_session
        self._id_of = id_of
        self._missing_ok = missing_ok
        self._opened: list[Any] = []  # at most one; in no variable, which a traceback would show
        self._delete = Delete(session_id, use_case.policy(retry))
        self._shield = Shield(awaits=use_case.awaits)  # for its opener and its delete
        self._begins_with_opener = False  # whether the shield's first task opens or records it
        self.loop_or_thread: object = None  # what awaits it, once it is entered
        self._entered = threading.Lock()  # It is held from then on: a block is entered once.
        self._process = os.getpid()  # whose session it is: its children leave it alone
        self._has_ended = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.session_id!r}, outcome={self.outcome!r})"

    def __del__(self) -> None:
        if not (self._has_ended or self._is_forked()):
            self._give_up()

    def _give_up(self) -> None:
        """End a block that nobody leaves any more: warn, and tell if it has a session."""
        self._has_ended = True
        self._use_case.blocks.discard(self)
        is_entered = self._entered.locked()
        if is_entered and self.session_id is None:
            return
        what = "left" if is_entered else "entered by `with`, or `async with`"
        made_by = "opening" if self._open_session else "on_exit"
        reason = f"{made_by}({self.session_id!r}) was never {what}"
        if self.session_id is not None:
            self._delete.give_up(reason)
            self._use_case.tell(self._delete, is_seen=False)
        warnings.warn(f"{reason}.", RuntimeWarning, stacklevel=3, source=self)

    @property
    def session_id(self) -> str | None:
        """None until a session is open."""
        return str(self._delete.session_id) or None

    @property
    def outcome(self) -> Outcome | None:
        """The receipt or the error of the delete. None before that."""
        return self._delete.outcome

    @property
    def receipt(self) -> DeletionReceipt | None:
        """None until the session is destroyed, and also if it was gone already."""
        return self.outcome if isinstance(self.outcome, DeletionReceipt) else None

    def _is_forked(self) -> bool:
        """Return whether another process made or entered the block: it destroys the session."""
        return self._process != os.getpid()

    def _is_live(self) -> bool:
        """Return whether there is a session of this process whose delete is not done."""
        return self.session_id is not None and not self._delete.is_done and not self._is_forked()

    # How it begins

    async def _enter(self) -> T:
        if not self._entered.acquire(blocking=False):
            raise RuntimeError("this block was entered already: make another one for each session")
        try:
            self._process = os.getpid()
            # It enters itself first and then looks whether the use case is closed. `aclose` closes
            # first and then looks for blocks: so one of the two sees the other.
            if self._use_case.awaits:
                self.loop_or_thread = loop_or_thread()
                self._use_case.blocks.add(self)
            self._refuse_closed()
            if self._open_session is not None or self._use_case.journal is not None:
                await self._open_uncancelled()
            return self._opened[0] if self._opened else self  # type: ignore[return-value]  # on_exit
        except BaseException as error:
            # The session may be open already when the error comes. What a signal's handler raises
            # may look like an error of `id_of`, which is asked again.
            try:
                self._find_session()
            except NothingOpenedError:
                self._opened.clear()  # The error has it. A traceback would show it here.
            # Nothing can be awaited then: the block stays open for `aclose`, or `__del__` warns.
            if not isinstance(error, GeneratorExit):
                await self._leave(error)
                if self.receipt is not None:
                    destroyed = f"Session {self.session_id!r} was destroyed."
                    with suppress(Exception):  # It may refuse every attribute.
                        error.add_note(f"The block did not begin. {destroyed}")
            raise

    def _refuse_closed(self) -> None:
        if self._use_case.is_closed:
            raise RuntimeError(f"this {type(self._use_case).__name__} is closed")

    async def _open_uncancelled(self) -> None:
        interruptions: list[BaseException] = []
        self._begins_with_opener = True
        timeout = self._delete.retry.attempt_timeout
        error = await self._shield.run(self._open, interruptions, timeout)
        if interruptions and isinstance(error, Exception):
            interruptions[-1].__context__ = error
            if self.session_id is None:  # No delete tells of it.
                says = shown(self._use_case.headers.mask(str(error)))
                text = "a block was interrupted before it began, and its opener failed: %s: %s"
                log(logging.ERROR, text, type(error).__name__, says)
        raise_last(*interruptions)
        # No block begins once its use case is closed, whether its opener has returned or `aclose`
        # has cancelled it.
        if not isinstance(error, Exception):
            self._refuse_closed()
        raise_last(error)

    async def _open(self) -> None:
        if self._open_session is not None:
            # Between two calls in C Python looks for no signal: one would lose the session.
            self._opened.extend(map(operator.call, [self._open_session]))
            if not self._opened:  # `map` ended with that.
                raise RuntimeError("open_session raised StopIteration")
            if not self._use_case.awaits:
                instead = "AsyncDeleteSession.opening, or a function that blocks"
                refuse_coroutine(self._opened[0], "open_session", instead)
            elif isinstance(self._opened[0], Awaitable):
                # In one line, for the same reason.
                self._opened.append(await self._opened.pop())
            self._find_session()
        session_id = str(self._delete.session_id)
        journal = self._use_case.journal_of(session_id)
        if journal is not None and self._use_case.awaits:
            # If this is cancelled, it waits for the record: one that comes late would stay there
            # after the session is gone.
            await in_thread(journal.opened, session_id, timeout_when_cancelled=JOURNAL_WAIT)
        elif journal is not None:
            journal.opened(session_id)

    def _find_session(self) -> None:
        """Learn which session was opened, unless that is known."""
        if self._opened and self.session_id is None:
            mask = self._use_case.headers.mask
            self._delete.session_id = checked_opened_id(self._opened, self._id_of, mask)

    # How it ends

    async def _leave(self, raised: BaseException | None) -> None:
        interruptions: list[BaseException] = []  # and at most one failure of the delete itself
        while True:
            try:  # All of it: a signal may come at each call.
                if self._is_live():
                    is_closed = isinstance(raised, GeneratorExit)
                    destroy = self._destroy_and_end if is_closed else self._destroy
                    raise_last(await self._shield.run(destroy, interruptions))
                self._end(interruptions[-1] if interruptions else raised)
                break
            except DeleteSessionError:  # of `_end`
                raise
            except BaseException as error:
                self._note_interruption(error, raised, interruptions)
        raise_last(*interruptions)

    async def _destroy(self) -> None:
        if self._is_live():
            await self._use_case.destroy(self._delete)

    async def _destroy_and_end(self) -> None:
        """Destroy it, and soon end the block: a coroutine that is closed does not go on.

        An asynchronous generator that is closed does. It ends the block itself, before that.
        """
        try:
            await self._destroy()
        except Exception as error:
            self._delete.interrupt(error)
            raise
        finally:
            if running_asyncio_loop() is not None:
                self._end_if_closed(_TURNS)

    def _end_if_closed(self, turns: int) -> None:
        if turns and (loop := running_asyncio_loop()) is not None:
            loop.call_soon(self._end_if_closed, turns - 1)
        elif not (self._has_ended or self._is_live()):
            self._end(GeneratorExit())

    def _note_interruption(
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
        was_interrupted = raised is not None and not isinstance(raised, _ENDS_BY_ITSELF)
        # after one of the block itself, of this delete, or of the one that `aclose` began
        is_second = was_interrupted or len(interruptions) > 1 or self._delete.begun > 1
        if self._is_live() and (is_failure or is_second):
            self._delete.interrupt(error)

    def _end(self, raised: BaseException | None) -> None:
        """Tell the outcome, and end the block. Raise the delete's error, or note it on `raised`."""
        error = self.outcome if isinstance(self.outcome, DeleteSessionError) else None
        if self._missing_ok and isinstance(error, SessionNotFoundError):
            error = None
        self._use_case.tell(self._delete, is_seen=raised is None)
        if error is not None and raised is not None:
            with suppress(Exception):  # It may refuse every attribute.
                raised.add_note(str(error))
        self._use_case.blocks.discard(self)
        self._has_ended = True
        if error is not None and raised is None:
            raise error

    # Its use case is being closed. Only an awaited one ends its blocks.

    def runs_caller(self) -> bool:
        """Return whether its own opener, or its delete, asks."""
        return self._shield.runs_caller()

    def start_delete(self) -> None:
        """Let its delete begin, under asyncio, or its opener have at most `attempt_timeout`."""
        if self._begins_with_opener:
            for opener in self._shield.tasks[:1]:
                opener.get_loop().call_later(self._delete.retry.attempt_timeout, opener.cancel)
        self._shield.start(self._destroy)

    async def finish_delete(self, interruptions: list[BaseException]) -> None:
        """Wait for its opener and its delete, which begins anew if it was interrupted. Tell it."""
        try:
            await self._shield.run(self._destroy, interruptions)
        except (KeyboardInterrupt, SystemExit) as error:  # As in `_leave`. asyncio raises none.
            self._note_interruption(error, None, interruptions)
            await self.finish_delete(interruptions)
        self._use_case.tell(self._delete, is_seen=False)


class Opening(_Opening[T]):
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
            RuntimeError: the block was entered before, and nothing was opened; or the use case is
                closed. The session is destroyed if the transport still sends; else a note says so.
            TypeError: `open_session` must be awaited. A coroutine is closed and has opened nothing.
        """
        return finish(self._enter)

    def __exit__(self, kind: object, raised: BaseException | None, tb: object) -> None:
        try:
            finish(lambda: self._leave(raised))
        except DeleteSessionError:
            raise  # without a call before it: there, a signal would cost the error
        except BaseException as error:
            if self._is_live():  # An interruption came before that began.
                self.__exit__(kind, error, tb)
            raise


class AsyncOpening(_Opening[T]):
    """Destroys a session when an `async with` block ends, as `Opening` does.

    Under asyncio a task of its own opens the session, and one destroys it. However often the block
    is cancelled, it waits for that task: for the opener at most `attempt_timeout`, for the delete
    at most `deadline`. It is cancelled afterwards. An opener that ignores its own cancellation is
    waited for until it ends. Under trio the delete alone is shielded.
    """

    async def __aenter__(self) -> T:
        """As `Opening` does it, and it raises what that raises. The journal is in a thread."""
        return await self._enter()

    async def __aexit__(self, kind: object, raised: BaseException | None, tb: object) -> None:
        if isinstance(raised, GeneratorExit) and loop_or_thread() != self.loop_or_thread:
            self._give_up()  # Nothing can be awaited any more.
        else:
            await self._leave(raised)

"""A session that ends with the block that used it.

The session would live on without its owner, so an interruption (Ctrl-C, SIGTERM, a cancellation)
does not end the delete. The first one is the block's or the delete's; a delete that it ended is
made once more, and the interruption is raised afterwards. The second one ends the delete.
"""

import os
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from .asyncio_tasks import in_thread, runs_on_asyncio
from .errors import DeleteSessionError, Outcome, SessionNotFoundError
from .journal import Recorder
from .receipt import DeletionReceipt, SessionFate

if TYPE_CHECKING:
    import asyncio

_NOTES = {
    SessionFate.GONE: "The session was gone already.",
    SessionFate.UNTOUCHED: "The session was not destroyed.",
    SessionFate.UNKNOWN: "The session may not have been destroyed.",
}
_AGAIN = "Delete it again: a retry is safe and shows whether it is gone."


class _OnExit:
    """What the two context managers share: all but the delete."""

    #: None until the session is destroyed, and also if it was gone already
    receipt: DeletionReceipt | None = None
    _process: int | None = None  # which one entered the block
    _is_over = True  # until it is made

    def __init__(
        self,
        session_id: str,
        delete: Callable[[], Any],  # Any: it gives a receipt, or a coroutine that does
        *,
        journal: Recorder | None,
        missing_ok: bool,
    ) -> None:
        self.session_id = session_id  #: the session
        self._delete = delete
        self._journal = journal
        self._missing_ok = missing_ok
        self._is_over = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.session_id!r}, receipt={self.receipt!r})"

    def __del__(self) -> None:
        if self._is_over or self.receipt is not None or self._is_forked():
            return
        what = "never entered, so nothing was deleted: write `with`, or `async with`"
        if self._process is not None:
            what = f"entered and never left. The session may still be running and billing. {_AGAIN}"
        text = f"on_exit({self.session_id!r}) was {what}"
        warnings.warn(text, RuntimeWarning, stacklevel=2, source=self)

    def _is_forked(self) -> bool:
        """Say whether the session is that of the process which this one was forked from."""
        return self._process not in {None, os.getpid()}

    def _report(self, outcome: Outcome, raised: BaseException | None, *, is_again: bool) -> None:
        """Take the receipt; or raise the error, or add it as a note to what was raised before."""
        try:
            if isinstance(outcome, DeletionReceipt):
                self.receipt = outcome
            elif not (self._missing_ok and isinstance(outcome, SessionNotFoundError)):
                if is_again and outcome.session_fate is SessionFate.UNTOUCHED:
                    outcome.session_fate = SessionFate.UNKNOWN  # The first may have reached it.
                if raised is None:
                    raise outcome
                raised.add_note(f"{_NOTES[outcome.session_fate]} {outcome}")
        finally:
            del outcome, raised  # The traceback of either holds this frame.

    def _note_interrupted(self, interruption: BaseException) -> None:
        # The tests that interrupt each line reach both ways, and no tracer sees that.
        if self.receipt is None:  # pragma: no branch
            interruption.add_note(
                f"The delete of session {self.session_id!r} was interrupted. The session may "
                f"still be running and billing. {_AGAIN}"
            )

    def _note_fault(self, fault: BaseException) -> None:
        """Note what is no outcome: a faulty transport, or a signal's handler (Celery's limit)."""
        self._is_over = True
        if not isinstance(fault, DeleteSessionError):
            self._note_interrupted(fault)

    def _note_not_begun(self, error: BaseException) -> None:
        self._is_over = True
        error.add_note(f"The block did not begin. Session {self.session_id!r} is still open.")


class DeleteOnExit(_OnExit):
    """Destroys a session when a `with` block ends, however it ends. `on_exit` makes it.

    If the block raised, its exception is the one that propagates, with a note (PEP 678) if the
    delete failed too. If only the delete failed, that error is raised.
    """

    def __enter__(self) -> Self:
        """Record the session in the journal, if there is one.

        Raises:
            JournalError: that failed, so the block does not begin. The session is still open.
        """
        try:
            self.record()
        except BaseException as error:
            self._note_not_begun(error)
            raise
        return self

    def record(self) -> None:
        """Record the session in the journal, if there is one."""
        self._process = os.getpid()
        if self._journal is not None:
            self._journal.opened(self.session_id)

    def __exit__(self, kind: object, raised: BaseException | None, traceback: object) -> None:
        interruption: BaseException | None = None
        try:
            while True:
                try:
                    if not self._is_forked():
                        is_again = interruption is not None
                        self._report(self._outcome(), interruption or raised, is_again=is_again)
                    break
                except (Exception, GeneratorExit) as fault:
                    self._note_fault(fault)
                    raise
                except BaseException as caught:
                    is_last = interruption is not None or isinstance(raised, KeyboardInterrupt)
                    interruption = caught
                    if is_last:
                        self._note_interrupted(caught)
                        break
            self._is_over = True
            if interruption is not None:
                raise interruption
        finally:
            interruption = None  # Its traceback holds this frame.

    def _outcome(self) -> Outcome:
        try:
            receipt: DeletionReceipt = self._delete()
        except DeleteSessionError as error:
            return error
        return receipt


class AsyncDeleteOnExit(_OnExit):
    """Destroys a session when an `async with` block ends, as `DeleteOnExit` does.

    Under asyncio the delete runs in a task of its own. However often the block is cancelled, it
    waits for that task, at most for the deadline of the policy, and is cancelled afterwards.
    Under another event loop the delete runs in the block's own task: there, shield the block's
    end from cancellation as that loop does it.
    """

    async def __aenter__(self) -> Self:
        """As `DeleteOnExit` does it, and it raises what that raises."""
        try:
            await self.record()
        except BaseException as error:
            self._note_not_begun(error)
            raise
        return self

    async def record(self) -> None:
        """As `DeleteOnExit.record`, in a thread."""
        self._process = os.getpid()
        if self._journal is not None:
            await in_thread(self._journal.opened, self.session_id)

    async def __aexit__(
        self, kind: object, raised: BaseException | None, traceback: object
    ) -> None:
        interruption: BaseException | None = None
        task: asyncio.Task[Outcome] | None = None
        count, is_again = 0, False  # how often the block was interrupted; the second delete
        try:
            while True:
                try:
                    if self._is_forked():
                        break
                    task = task or self._begin_task()
                    outcome = await (self._outcome() if task is None else _outcome_of(task))
                    if outcome is not None:
                        self._report(outcome, interruption or raised, is_again=is_again)
                        break
                except (Exception, GeneratorExit) as fault:
                    self._note_fault(fault)
                    raise
                except BaseException as caught:
                    interruption, count = caught, count + 1
                    if task is not None:
                        continue  # The delete goes on, whatever interrupts the block.
                from asyncio import CancelledError  # noqa: PLC0415 - not before the delete

                # Whoever cancels all tasks at once interrupts the block and the delete.
                is_ctrl_c = isinstance(raised, KeyboardInterrupt | CancelledError)
                if is_again or max(1, count) + is_ctrl_c > 1:
                    interruption = interruption or CancelledError()
                    self._note_interrupted(interruption)
                    break
                is_again, task = True, None
            self._is_over = True
            if interruption is not None:
                raise interruption
        finally:
            interruption = None  # Its traceback holds this frame.

    def _begin_task(self) -> "asyncio.Task[Outcome] | None":
        if not runs_on_asyncio():
            return None
        from asyncio import create_task  # noqa: PLC0415 - the core is for all event loops

        return create_task(self._outcome())

    async def _outcome(self) -> Outcome:
        try:
            receipt: DeletionReceipt = await self._delete()
        except DeleteSessionError as error:
            return error
        return receipt


async def _outcome_of(task: "asyncio.Task[Outcome]") -> Outcome | None:
    """Wait for a delete, and return its outcome. None: something has interrupted it."""
    from asyncio import wait  # noqa: PLC0415 - the core is for all event loops

    if not task.done():  # Waiting would give way to one more cancellation.
        await wait([task])
    if task.cancelled() or not isinstance(task.exception() or Exception(), Exception):
        return None
    return task.result()

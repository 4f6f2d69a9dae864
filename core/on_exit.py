"""A session that ends with the block that used it.

The session would live on without its owner, so the delete matters more than a quick end. What
interrupts it (Ctrl-C, a cancellation) is raised when the delete has ended; a second Ctrl-C ends
the delete.
"""

import warnings
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

from .asyncio_tasks import in_thread, runs_on_asyncio, wait_for_end
from .errors import DeleteSessionError, SessionNotFoundError
from .journal import Recorder
from .receipt import DeletionReceipt, SessionFate

_NOTES = {
    SessionFate.GONE: "The session was gone already.",
    SessionFate.UNTOUCHED: "The session was not destroyed.",
    SessionFate.UNKNOWN: "The session may not have been destroyed.",
}


class _OnExit:
    """What the two context managers share: all but the delete."""

    receipt: DeletionReceipt | None

    def __init__(self, session_id: str, *, missing_ok: bool) -> None:
        self.session_id = session_id  #: the session
        self.receipt = None
        self._missing_ok = missing_ok
        self._was_entered = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.session_id!r}, receipt={self.receipt!r})"

    def __del__(self) -> None:
        if not self._was_entered:
            warnings.warn(
                f"on_exit({self.session_id!r}) was never entered, so nothing was deleted: "
                "write `with`, or `async with`",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )

    def _report(self, error: DeleteSessionError, raised: BaseException | None) -> None:
        """Raise the error of the delete, or add it to what was raised before as a note."""
        if self._missing_ok and isinstance(error, SessionNotFoundError):
            return
        if raised is None:
            raise error
        raised.add_note(f"{_NOTES[error.session_fate]} {error}")

    def _report_interrupted(self, interruption: BaseException) -> None:
        interruption.add_note(
            f"The delete of session {self.session_id!r} was interrupted. The session may still "
            "be running and billing. Delete it again: a retry is safe and shows whether it is "
            "gone."
        )


class DeleteOnExit(_OnExit):
    """Destroys a session when a `with` block ends, however it ends. `on_exit` makes it.

    If the block raised, its exception is the one that propagates, with a note (PEP 678) if the
    delete failed too. If only the delete failed, that error is raised.
    """

    #: None until the session is destroyed, and also if it was gone already
    receipt: DeletionReceipt | None

    def __init__(
        self,
        session_id: str,
        delete: Callable[[], DeletionReceipt],
        *,
        journal: Recorder | None,
        missing_ok: bool,
    ) -> None:
        super().__init__(session_id, missing_ok=missing_ok)
        self._delete = delete
        self._journal = journal

    def __enter__(self) -> "DeleteOnExit":
        """Record the session in the journal, if there is one.

        Raises:
            JournalError: that failed, so the block does not begin. The session is still open.
        """
        self._was_entered = True
        if self._journal is not None:
            self._journal.opened(self.session_id)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.receipt = self._delete()
        except DeleteSessionError as error:
            self._report(error, raised)
        except (Exception, GeneratorExit):
            raise
        except BaseException as interruption:
            try:
                self.receipt = self._delete()
            except DeleteSessionError as error:
                _correct_after_interruption(error)
                self._report(error, interruption)
            except BaseException as second:
                self._report_interrupted(second)
                raise
            raise


class AsyncDeleteOnExit(_OnExit):
    """Destroys a session when an `async with` block ends, as `DeleteOnExit` does.

    Under asyncio the delete runs in a task of its own. However often the block is cancelled, it
    waits for that task, at most for the deadline of the policy, and is cancelled afterwards.
    Under another event loop the delete runs in the block's own task: there, shield the block's
    end from cancellation as that loop does it.
    """

    #: None until the session is destroyed, and also if it was gone already
    receipt: DeletionReceipt | None

    def __init__(
        self,
        session_id: str,
        delete: Callable[[], Coroutine[Any, Any, DeletionReceipt]],  # Any: as typeshed has it
        *,
        journal: Recorder | None,
        missing_ok: bool,
    ) -> None:
        super().__init__(session_id, missing_ok=missing_ok)
        self._delete = delete
        self._journal = journal

    async def __aenter__(self) -> "AsyncDeleteOnExit":
        """As `DeleteOnExit` does it, and it raises what that raises."""
        self._was_entered = True
        if self._journal is not None:
            await in_thread(self._journal.opened, self.session_id)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if runs_on_asyncio():
            await self._delete_in_a_task(raised)
        else:
            await self._delete_here(raised)

    async def _delete_here(self, raised: BaseException | None) -> None:
        try:
            self.receipt = await self._delete()
        except DeleteSessionError as error:
            self._report(error, raised)
        except (Exception, GeneratorExit):
            raise
        except BaseException as interruption:
            try:
                self.receipt = await self._delete()
            except DeleteSessionError as error:
                _correct_after_interruption(error)
                self._report(error, interruption)
            except BaseException as second:
                self._report_interrupted(second)
                raise
            raise

    async def _delete_in_a_task(self, raised: BaseException | None) -> None:
        from asyncio import CancelledError, ensure_future  # noqa: PLC0415 - slow to import

        task = ensure_future(self._delete())
        interruption, cancelled_often = await wait_for_end(task)
        begun_again = task.cancelled()
        if begun_again:
            # The task itself was cancelled, and not the block: asyncio.run cancels all tasks before
            # it ends. Only a second Ctrl-C may end the delete.
            block_was_cancelled = cancelled_often or isinstance(raised, CancelledError)
            task = ensure_future(self._delete_again(obey_ctrl_c=block_was_cancelled))
            interruption = (await wait_for_end(task))[0] or interruption

        if interruption is not None and task.cancelled():
            self._report_interrupted(interruption)
            raise interruption
        try:
            self.receipt = task.result()
        except DeleteSessionError as error:
            if begun_again:
                _correct_after_interruption(error)
            self._report(error, interruption or raised)
        if interruption is not None:
            raise interruption

    async def _delete_again(self, *, obey_ctrl_c: bool) -> DeletionReceipt:
        from asyncio import CancelledError  # noqa: PLC0415

        if obey_ctrl_c and _follows_ctrl_c():
            raise CancelledError
        return await self._delete()


def _correct_after_interruption(error: DeleteSessionError) -> None:
    """Correct the fate: the delete that was interrupted may have reached the session."""
    if error.session_fate is SessionFate.UNTOUCHED:
        error.session_fate = SessionFate.UNKNOWN


def _follows_ctrl_c() -> bool:
    """Return whether asyncio.run is ending because of a KeyboardInterrupt.

    It handles that exception meanwhile, so that it is the context of any new one.
    """
    try:
        raise RuntimeError  # noqa: TRY301 - to look at its context
    except RuntimeError as error:
        return isinstance(error.__context__, KeyboardInterrupt)

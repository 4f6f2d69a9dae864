"""A session that ends with the block that used it.

The first interruption (Ctrl-C, SIGTERM, a cancellation) is the block's or the delete's: a delete
that it ended is repeated, and then it is raised. The second one ends the delete.
"""

import os
import warnings
from collections.abc import Callable
from typing import Any, Self

from .errors import DeleteSessionError, SessionNotFoundError
from .journal import Recorder
from .receipt import DeletionReceipt, SessionFate
from .shielding import in_thread, shielded

_NOTES = {
    SessionFate.GONE: "The session was gone already.",
    SessionFate.UNTOUCHED: "The session was not destroyed.",
    SessionFate.UNKNOWN: "The session may not have been destroyed.",
}
_ADVICE = f"The session may still be running and billing. {DeleteSessionError.advice}"


class _OnExit:  # what the two context managers share: all but how they wait
    receipt: DeletionReceipt | None = None  #: None also if the session was gone already
    _process: int | None = None  # which one entered the block; its children leave it alone
    _is_over = True  # until it is made
    _is_again = False  # whether this delete is the second

    def __init__(
        self,
        session_id: str,
        delete: Callable[[], Any],  # Any: it gives a receipt, or a coroutine that does
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
        if not (self.receipt or self._is_over or self._is_forked()):
            what = "left" if self._process else "entered: write `with`, or `async with`"
            text = f"on_exit({self.session_id!r}) was never {what}. {_ADVICE}"
            warnings.warn(text, RuntimeWarning, stacklevel=2, source=self)

    def _is_forked(self) -> bool:
        return self._process not in {None, os.getpid()}

    def _report(self, error: DeleteSessionError, raised: BaseException | None) -> None:
        """Raise the delete's error, or add it as a note to what was raised before."""
        self._is_over = True
        if self._missing_ok and isinstance(error, SessionNotFoundError):
            return
        if self._is_again and error.session_fate is SessionFate.UNTOUCHED:
            error.session_fate = SessionFate.UNKNOWN  # The first delete may have reached it.
        if raised is None:
            raise error
        raised.add_note(f"{_NOTES[error.session_fate]} {error}")

    def _raise_final(self, error: BaseException, raised: BaseException | None, count: int) -> None:
        """Raise the interruption that ends the delete; otherwise repeat the delete."""
        is_blocks = not isinstance(raised, Exception | GeneratorExit | SystemExit | None)
        # A program that cancels all tasks interrupts the block and the delete: that counts once.
        if isinstance(error, Exception | GeneratorExit) or is_blocks or self._is_again or count > 1:
            self._is_over = not isinstance(error, GeneratorExit)  # Nobody sees a note on that.
            if self.receipt is None and not isinstance(error, DeleteSessionError):
                words = f"The delete of session {self.session_id!r} was interrupted."
                error.add_note(f"{words} {_ADVICE}")
            raise error
        self._is_again = True


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
            self._process = os.getpid()
            if self._journal is not None:
                self._journal.opened(self.session_id)
        except BaseException as error:
            error.add_note(f"The block did not begin. Session {self.session_id!r} was left open.")
            self._is_over = True
            raise
        return self

    def __exit__(self, kind: object, raised: BaseException | None, tb: object) -> None:
        try:
            try:
                if not self._is_forked():
                    self.receipt: DeletionReceipt | None = self._delete()
            except DeleteSessionError as error:
                self._report(error, raised)
        except BaseException as error:
            self._raise_final(error, raised, count=0)
            self.__exit__(None, error, None)
            raise


class AsyncDeleteOnExit(_OnExit):
    """Destroys a session when an `async with` block ends, as `DeleteOnExit` does.

    Under asyncio the delete runs in a task of its own. However often the block is cancelled, it
    waits for that task, at most for the deadline of the policy, and is cancelled afterwards.
    Under another event loop, shield the block's end from cancellation as that loop does it.
    """

    async def __aenter__(self) -> Self:
        """As `DeleteOnExit` does it, with the journal in a thread. It raises the same."""
        try:
            self._process = os.getpid()
            if self._journal is not None:
                await in_thread(self._journal.opened, self.session_id)
        except BaseException as error:
            error.add_note(f"The block did not begin. Session {self.session_id!r} was left open.")
            self._is_over = True
            raise
        return self

    async def __aexit__(self, kind: object, raised: BaseException | None, tb: object) -> None:
        cancellations: list[BaseException] = []
        try:
            try:
                if not self._is_forked():
                    delete = shielded(self._delete, cancellations)
                    self.receipt: DeletionReceipt | None = await delete
            except DeleteSessionError as error:
                self._report(error, cancellations[-1] if cancellations else raised)
        except BaseException as error:
            self._raise_final(error, raised, len(cancellations))
            await self.__aexit__(None, error, None)
            raise
        if cancellations:
            raise cancellations[-1]

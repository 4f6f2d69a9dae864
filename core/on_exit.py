"""A session that ends with the block that used it.

An interruption (cancellation, Ctrl-C) during the delete starts the delete once more, since the
session would otherwise live on without its owner. A second interruption ends it.
"""

from collections.abc import Awaitable, Callable
from types import TracebackType

from .errors import DeleteSessionError
from .receipt import DeletionReceipt


class DeleteOnExit:
    """Destroys a session when a `with` block ends, however it ends.

    If the block raised, its exception is the one that propagates, with a note (PEP 678) if the
    delete failed too. If only the delete failed, that error is raised.
    """

    def __init__(self, session_id: str, delete: Callable[[str], DeletionReceipt]) -> None:
        self.session_id = session_id
        self.receipt: DeletionReceipt | None = None  #: None until the session is destroyed
        self._delete = delete

    def __enter__(self) -> "DeleteOnExit":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.receipt = self._delete(self.session_id)
        except DeleteSessionError as error:
            if raised is None:
                raise
            _note(raised, error)
        except (Exception, GeneratorExit):
            raise
        except BaseException as interruption:
            try:
                self.receipt = self._delete(self.session_id)
            except DeleteSessionError as error:
                _note(interruption, error)
            raise


class AsyncDeleteOnExit:
    """Destroys a session when an `async with` block ends, as `DeleteOnExit` does.

    A block that is cancelled sends the delete, and waits for it as long as its policy lets it.
    """

    def __init__(
        self, session_id: str, delete: Callable[[str], Awaitable[DeletionReceipt]]
    ) -> None:
        self.session_id = session_id
        self.receipt: DeletionReceipt | None = None  #: None until the session is destroyed
        self._delete = delete

    async def __aenter__(self) -> "AsyncDeleteOnExit":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.receipt = await self._delete(self.session_id)
        except DeleteSessionError as error:
            if raised is None:
                raise
            _note(raised, error)
        except (Exception, GeneratorExit):
            raise
        except BaseException as interruption:
            try:
                self.receipt = await self._delete(self.session_id)
            except DeleteSessionError as error:
                _note(interruption, error)
            raise


def _note(raised: BaseException, error: DeleteSessionError) -> None:
    raised.add_note(f"The session may not have been destroyed. {error}")

"""A session that its own block opens, so that none is lost between its opening and the block."""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from types import CoroutineType
from typing import Any, Generic, TypeVar

from .arguments import refuse_awaitable
from .errors import InvalidSessionIdError
from .on_exit import AsyncDeleteOnExit, DeleteOnExit
from .receipt import DeletionReceipt
from .shielding import shielded

T = TypeVar("T")
OnExitT = TypeVar("OnExitT", DeleteOnExit, AsyncDeleteOnExit)


class _Opening(Generic[T, OnExitT]):
    """What the two context managers share: all but how they wait."""

    def __init__(
        self,
        open_session: Callable[[], Any],  # Any: awaited or not
        id_of: Callable[[T], str | uuid.UUID],
        on_exit: Callable[[str | uuid.UUID], OnExitT],
        timeout: float,
    ) -> None:
        _check_function("open_session", open_session, "lambda: firecrawl.browser()")
        _check_function("id_of", id_of, 'attrgetter("id")')
        self._open_session: Callable[[], Any] = open_session
        self._id_of: Callable[[T], str | uuid.UUID] = id_of
        self._on_exit: Callable[[str | uuid.UUID], OnExitT] = on_exit
        self._timeout: float = timeout  # for `open_session` after a cancellation
        self._opened: list[T]  # at most one; in no variable, which a traceback would show
        self._ending: OnExitT | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._ending!r})"

    @property
    def receipt(self) -> DeletionReceipt | None:
        """None until the session is destroyed, and also if it was gone already."""
        return None if self._ending is None else self._ending.receipt

    def _find_session(self) -> OnExitT:
        """Find out which session was opened. An error shows names of attributes, and no value."""
        try:
            return self._on_exit(self._id_of(self._opened[0]))
        except Exception as error:
            problem = type(error).__name__  # No more: the rest may hold a value.
        kind = type(self._opened[0]).__name__
        failure = InvalidSessionIdError(
            f"open_session returned a {kind} without an id that can be sent ({problem}); "
            f"its attributes: {', '.join(_names(self._opened[0])) or 'none'}",
            session_id="",
        )
        failure.advice = "Pass id_of=, a function that gives the id of what open_session returns."
        raise failure

    def _find_session_after(self, error: BaseException) -> None:
        """Find out which session is to be destroyed because the block does not begin."""
        if self._opened and self._ending is None and not isinstance(error, Exception):
            self._ending = self._find_session()  # An interruption came just before that.

    def _note_destroyed(self, error: BaseException) -> None:
        if self._ending is not None and self._ending.receipt is not None:
            error.add_note(f"Session {self._ending.session_id!r} was destroyed afterwards.")


class Opening(_Opening[T, DeleteOnExit]):
    """Opens a session for a `with` block and destroys it when that ends. `opening` makes it."""

    def __enter__(self) -> T:
        """Open the session, record it in the journal, if there is one, and give it.

        Raises:
            InvalidSessionIdError: `open_session` returned no usable id.
            JournalError: it could not be recorded. It was destroyed, or a note says why not.
            TypeError: `open_session` must be awaited. Nothing was opened.
        """
        self._opened, self._ending = [], None
        try:
            self._opened.append(self._open_session())
            instead = "AsyncDeleteSession.opening, or a function that blocks"
            refuse_awaitable(self._opened[0], "open_session", instead)
            self._ending = self._find_session()
            self._ending.__enter__()
            return self._opened[0]
        except BaseException as error:
            self._find_session_after(error)
            self.__exit__(None, error, None)
            self._note_destroyed(error)
            raise

    def __exit__(self, kind: object, raised: BaseException | None, tb: object) -> None:
        if self._ending is not None:
            self._ending.__exit__(kind, raised, tb)


class AsyncOpening(_Opening[T, AsyncDeleteOnExit]):
    """Opens a session for an `async with` block and destroys it when that ends.

    Under asyncio the session is opened and recorded in a task of its own. A block that is
    cancelled meanwhile waits for that task, at most for the timeout of one attempt; a session that
    comes is destroyed, and then the block is cancelled.
    """

    async def __aenter__(self) -> T:
        """As `Opening` does it, and it raises what that raises."""
        self._opened, self._ending = [], None
        interruptions: list[BaseException] = []
        try:
            try:
                await shielded(self._open, interruptions, timeout=self._timeout)
            finally:
                if interruptions:
                    raise interruptions[-1]
            return self._opened[0]
        except BaseException as error:
            self._find_session_after(error)
            if not isinstance(error, GeneratorExit):  # which awaits nothing
                await self.__aexit__(None, error, None)
                self._note_destroyed(error)
            raise

    async def __aexit__(self, kind: object, raised: BaseException | None, tb: object) -> None:
        if self._ending is not None:
            await self._ending.__aexit__(kind, raised, tb)

    async def _open(self) -> None:
        result = self._open_session()
        self._opened.append(await result if isinstance(result, Awaitable) else result)
        del result  # A traceback would show it.
        self._ending = self._find_session()
        await self._ending.__aenter__()


def _check_function(name: str, function: object, example: str) -> None:
    if callable(function):
        return
    if isinstance(function, CoroutineType):
        function.close()
    kind = type(function).__name__
    raise TypeError(f"{name} must be a function, such as {example}, not a {kind}")


def _names(opened: object) -> list[str]:
    names = opened if isinstance(opened, Mapping) else getattr(opened, "__dict__", dir(opened))
    public = [name for name in map(str, names) if name.isidentifier() and name[0] != "_"]
    return public[:20]

"""Runs calls over a transport, and reports their outcomes. Internal.

A `DeleteSession` has one `Driver`, and gives it to its scopes and runs. Blocking and asyncio share
this code: whatever may wait is a coroutine, and a `Runtime` says how it waits. A blocking runtime
has done everything when its coroutines return, so that `run_sync` can run them without a loop.
"""

import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

from .arguments import check_callback, check_function, check_methods, check_type
from .call import Call, opening_after
from .errors import (
    InvalidSessionIdError,
    Outcome,
    ResponseMeta,
    SessionNotFoundError,
    UnexpectedResponseError,
    UnreachableError,
)
from .headers import RequestHeaders
from .journal import Recorder
from .log import ERROR, WARNING, log
from .receipt import DeletionReceipt, SessionFate
from .retry import RetryPolicy
from .session_id import checked_session_id
from .transport import AsyncTransport, Request, Transport, TransportError, api_url_of

T = TypeVar("T")
TransportT = TypeVar("TransportT", Transport, AsyncTransport)


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends, and return its result."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise RuntimeError("this must be awaited")


class Runtime(Protocol):
    """How a driver waits, and which scopes it has open: `BlockingRuntime` or `AsyncioRuntime`."""

    is_awaited: ClassVar[bool]

    def child(self) -> Self:
        """Return the runtime of an object that `replace` returns. Closing it ends its own scopes.

        Closing the first one ends those of its children, too.
        """

    async def call_transport(self, method: Callable[..., Any], *arguments: object) -> Any:
        """Call a method of the transport, and await it if that is due. Any: as methods differ."""

    async def shield(self, awaitable: Awaitable[T], timeout: float | None = None) -> T:
        """Run what no cancellation may cut. After the first one it has `timeout` seconds."""

    async def in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a method of the journal, which may block: in a thread if this one may not."""

    def note_open(self, operation: "Operation", driver: "Driver[Any]") -> None:
        """Note that a scope has a session, and whose scope it is."""

    def note_end(self, operation: "Operation") -> None:
        """Note that the block of the scope has ended."""

    async def end_open(self) -> None:
        """Wait for open scopes, and end those that stay open."""


class BlockingRuntime:
    """Blocks the thread. No cancellation reaches its code, and closing leaves scopes open."""

    is_awaited: ClassVar[bool] = False

    def child(self) -> Self:  # noqa: D102
        return self

    async def call_transport(  # noqa: D102
        self, method: Callable[..., Any], *arguments: object
    ) -> Any:
        return method(*arguments)

    async def shield(  # noqa: D102
        self, awaitable: Awaitable[T], timeout: float | None = None
    ) -> T:
        return await awaitable

    async def in_thread(  # noqa: D102
        self, function: Callable[..., T], *arguments: object
    ) -> T:
        return function(*arguments)

    def note_open(self, operation: "Operation", driver: "Driver[Any]") -> None:
        """Do nothing: a `with` of the block ends it."""

    def note_end(self, operation: "Operation") -> None:
        """Do nothing, as above."""

    async def end_open(self) -> None:
        """Do nothing, as above."""


class Operation:
    """What one delete knows: its session, and a call, or another one if that is interrupted."""

    def __init__(self, session_id: str, retry: RetryPolicy) -> None:
        self.session_id: str = session_id
        self.retry: RetryPolicy = retry
        self.opening: float = 0.0  # seconds in which Firecrawl may still be opening the session
        self.attempts: int = 0  # how many requests were sent
        self.outcome: Outcome | None = None  # None until it is known
        self.deleted_by_close: Awaitable[None] | None = None  # the task, if `close` deletes it

    @property
    def is_gone(self) -> bool:
        """Whether the session is certainly gone."""
        return self.outcome is not None and self.outcome.session_fate is SessionFate.GONE

    def end_by(self, interruption: BaseException) -> Outcome:
        """Let an interruption be the outcome, unless there is one. Return the outcome."""
        if self.outcome is None:
            reason = f"the delete was interrupted ({type(interruption).__name__})"
            self.outcome = UnreachableError(reason, self.session_id, self.attempts)
        return self.outcome


@dataclass(frozen=True)
class Driver(Generic[TransportT]):
    """Drives calls, and tells the callback, the log and the journal of their outcomes."""

    runtime: Runtime
    transport: TransportT
    headers: RequestHeaders
    retry: RetryPolicy
    random: Callable[[], float]
    journal: Recorder | None
    on_outcome: Callable[[Outcome], object] | None
    owns_transport: bool = True  # whether closing it closes the transport
    owns_journal: bool = True

    def __post_init__(self) -> None:
        check_type("retry", self.retry, RetryPolicy)
        check_type("headers", self.headers, RequestHeaders)
        check_callback(self.on_outcome)
        check_function("random", self.random)
        if self.journal is not None:
            check_methods("journal", self.journal, ["opened", "gone"], "Take a FileJournal.")
            set_service = getattr(self.journal, "set_service", None)  # A journal may lack it.
            if set_service is not None:
                set_service(api_url_of(self.transport))

    async def call(self, session_id: object, retry: RetryPolicy | None) -> DeletionReceipt:
        """Delete a session, and settle its outcome. Return the receipt, or raise the error."""
        policy = self.policy(retry)
        try:
            operation = Operation(checked_session_id(session_id), policy)
        except InvalidSessionIdError as error:
            await self.settle(error)
            raise
        outcome = await self.finish(operation, self.perform(operation))
        if isinstance(outcome, DeletionReceipt):
            return outcome
        raise outcome

    def policy(self, retry: RetryPolicy | None) -> RetryPolicy:
        """Return the policy of one delete: its own, or that of the driver."""
        if retry is None:
            return self.retry
        check_type("retry", retry, RetryPolicy)
        return retry

    async def check(self) -> None:
        """Make one attempt to delete a session that never existed. Raise what is wrong."""
        session_id = str(uuid.uuid4())
        once = replace(self.retry, max_attempts=1)
        outcome = await self.perform(Operation(session_id, once))
        if isinstance(outcome, SessionNotFoundError):
            return
        if isinstance(outcome, DeletionReceipt):
            reason = "HTTP 200: the server confirms the delete of a session that never existed"
            meta = ResponseMeta(status=200)
            outcome = UnexpectedResponseError(reason, session_id, 1, meta=meta)
        note = "The check asks for a session that never existed, so no session was at risk."
        outcome.add_note(note)
        raise outcome

    async def perform(self, operation: Operation) -> Outcome:
        """Send each request of a call, and wait in between."""
        operation.outcome = None
        call = Call(
            operation.session_id,
            headers=self.headers,
            retry=operation.retry,
            random=self.random,
            attempts_before=operation.attempts,
            opening=operation.opening,
        )
        ends_at = self.now() + operation.retry.deadline
        while timeout := call.begin_attempt(ends_at - self.now()):
            operation.attempts = call.attempts
            result = await self._send(call.request, timeout)
            if wait := call.end_attempt(result, ends_at - self.now()):
                await self.runtime.call_transport(self.transport.sleep, wait)
        operation.outcome = call.outcome
        return call.outcome

    def now(self) -> float:
        """Return the time of the transport, in seconds. The clock of a `MagicMock` stands still."""
        return float(self.transport.monotonic())

    async def _send(self, request: Request, timeout: float) -> Any:  # Any: what a transport returns
        try:
            return await self.runtime.call_transport(self.transport.send, request, timeout)
        except TransportError as failure:
            return failure

    async def close(self) -> None:
        """End the open scopes. Then close the transport and the journal, if it owns them."""
        await self.runtime.end_open()
        try:
            name = "aclose" if self.runtime.is_awaited else "close"
            close_transport = getattr(self.transport, name, None)
            if close_transport is not None and self.owns_transport:
                await self.runtime.call_transport(close_transport)
        finally:
            close_journal = getattr(self.journal, "close", None)
            if close_journal is not None and self.owns_journal:
                await self.runtime.in_thread(close_journal)

    async def end_scope(self, operation: Operation) -> None:
        """Delete the session of a scope that stays open. No caller gets its outcome."""
        operation.opening = opening_after(operation.session_id, None)
        with suppress(Exception):  # The delete's error was reported.
            outcome = await self.finish(operation, self.perform(operation))
            if not operation.is_gone:
                _log_as_left(outcome)

    # What comes after a delete

    async def finish(
        self,
        operation: Operation,
        delete: Awaitable[Outcome],
        raised: BaseException | None = None,
    ) -> Outcome:
        """Await a delete, and settle its outcome, also if the delete is interrupted.

        Args:
            operation: what is deleted.
            delete: deletes it, and sets its outcome.
            raised: what the caller raises in place of the outcome, if anything.
        """
        try:
            outcome = await delete
        except BaseException as interruption:
            outcome = operation.end_by(interruption)
            await self.settle(outcome, interruption)
            raise
        await self.settle(outcome, raised)
        return outcome

    async def settle(self, outcome: Outcome, raised: BaseException | None = None) -> None:
        """Report an outcome, and then remove the journal's record of a session that is gone.

        In this order, a crash in between costs one more delete, which Firecrawl bills once. In the
        other order, it would cost the report.
        """
        self.tell(outcome, raised)
        await self.forget(outcome)

    def tell(self, outcome: Outcome, raised: BaseException | None = None) -> None:
        """Call the callback. Its exception is logged.

        Another exception may be raised in place of the outcome of a session that may still be
        running. It gets a note then, and the log a line at ERROR. The log comes last, because a
        handler may raise.
        """
        is_left = raised is not None and outcome.session_fate is not SessionFate.GONE
        if raised is not None and is_left:
            raised.add_note(str(outcome))
        if self.on_outcome is not None:
            try:
                self.on_outcome(outcome)
            except Exception:
                text = "on_outcome failed for session %a"
                log(ERROR, text, outcome.session_id, extra=_extra(outcome), exc_info=True)
        if is_left:
            _log_as_left(outcome)

    async def forget(self, outcome: Outcome) -> None:
        """Remove the journal's record of a session that is gone."""
        if self.journal is not None and outcome.session_fate is SessionFate.GONE:
            await self.runtime.in_thread(_forget, self.journal, outcome)

    async def record(self, session_id: str) -> None:
        """Record an open session in the journal."""
        if self.journal is not None:
            await self.runtime.in_thread(self.journal.opened, session_id)


def _forget(journal: Recorder, outcome: Outcome) -> None:
    """Remove the record of a session that is gone. An error of the journal is logged."""
    forget = journal.gone
    if isinstance(outcome, SessionNotFoundError):
        forget = getattr(journal, "not_found", forget)  # A journal may lack it.
    try:
        forget(outcome.session_id)
    except Exception as error:
        text = "session %a is gone, but the journal may still have its record: %s"
        reason = str(error) or type(error).__name__
        log(WARNING, text, outcome.session_id, reason, extra=_extra(outcome))


def _log_as_left(outcome: Outcome) -> None:
    """Log a session that may still be running, because no caller gets its outcome."""
    log(ERROR, "%s", outcome, extra=_extra(outcome))


def _extra(outcome: Outcome) -> Mapping[str, object]:
    return {"session_id": outcome.session_id, "session_fate": outcome.session_fate}

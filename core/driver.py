"""Drives each call over a transport, and tells of its outcome. It is not for users.

A `DeleteSession` has one `Driver`, and gives it to its scopes and runs. Blocking and asyncio share
this code: whatever may wait is a coroutine, and a `Runtime` says how it waits. A blocking runtime
has done everything when its coroutines return, so that `run_sync` can run them without a loop.
"""

import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Generic, TypeVar

import msgspec

from .arguments import check_callback, check_function, check_methods, check_type, checked_result
from .call import Call
from .errors import Outcome, SessionNotFoundError, UnexpectedResponseError, UnreachableError
from .headers import RequestHeaders
from .journal import Recorder
from .log import ERROR, WARNING, log
from .receipt import DeletionReceipt, SessionFate
from .retry import RetryPolicy
from .transport import AsyncTransport, Request, Transport, TransportError
from .wire import is_scrape

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


class Runtime:
    """How a driver waits. This one blocks, and `AsyncioRuntime` does not."""

    is_awaited = False

    async def call_transport(self, method: Callable[..., Any], *arguments: object) -> Any:
        """Call a method of the transport, and await it if that is due. Any: as methods differ."""
        return checked_result(method(*arguments), is_awaited=False)

    async def shield(self, awaitable: Awaitable[T], timeout: float | None = None) -> T:
        """Run what no cancellation may cut. In blocking code there is none, so no timeout."""
        return await awaitable

    async def in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a method of the journal, which may block: in a thread if this one may not."""
        return function(*arguments)

    def note_open(self, operation: "Operation", driver: "Driver[Any]") -> None:
        """Note that a scope is open, and whose."""

    def note_end(self, operation: "Operation") -> None:
        """Note that the block of the scope has ended."""

    async def end_open(self) -> None:
        """Wait for open scopes, and end those that stay open. This one leaves them open."""


class Operation:
    """What one delete knows: its session, and a call, or another one if that is interrupted."""

    def __init__(self, session_id: str | uuid.UUID, retry: RetryPolicy) -> None:
        self.session_id = session_id  # empty until an opener returns it
        self.retry = retry
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
            self.outcome = UnreachableError(reason, str(self.session_id), self.attempts)
        return self.outcome


class Driver(msgspec.Struct, Generic[TransportT], frozen=True):
    """Drives calls, and tells the callback, the log and the journal of their outcomes."""

    runtime: Runtime
    transport: TransportT
    headers: RequestHeaders
    retry: RetryPolicy
    random: Callable[[], float]
    journal: Recorder | None
    on_outcome: Callable[[Outcome], object] | None

    def __post_init__(self) -> None:
        check_type("retry", self.retry, RetryPolicy)
        check_type("headers", self.headers, RequestHeaders)
        check_callback(self.on_outcome)
        check_function("random", self.random)
        if self.journal is not None:
            check_methods("journal", self.journal, ["opened", "gone"], "Take a FileJournal.")

    async def call(self, session_id: str | uuid.UUID, retry: RetryPolicy | None) -> DeletionReceipt:
        """Delete a session, and settle its outcome. Return the receipt, or raise the error."""
        operation = Operation(session_id, self.policy(retry))
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
            outcome = UnexpectedResponseError(reason, session_id, 1, status=200)
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
        """End the open scopes. Then close the transport and the journal, if they can be closed."""
        await self.runtime.end_open()
        try:
            name = "aclose" if self.runtime.is_awaited else "close"
            if close_transport := getattr(self.transport, name, None):
                await self.runtime.call_transport(close_transport)
        finally:
            if close_journal := getattr(self.journal, "close", None):
                await self.runtime.in_thread(close_journal)

    async def end_scope(self, operation: Operation) -> None:
        """Delete the session of a scope that stays open. No caller gets its outcome."""
        with suppress(Exception):  # What the delete raises has been told.
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
            if forgetting := self.settle(operation.end_by(interruption), interruption):
                await forgetting
            raise
        if forgetting := self.settle(outcome, raised):
            await forgetting
        return outcome

    def settle(
        self, outcome: Outcome, raised: BaseException | None = None
    ) -> Awaitable[None] | None:
        """Tell everybody of an outcome. Return what makes the journal forget a session, if it must.

        A crash in between costs one more delete, which Firecrawl bills once. The other way round,
        it would cost the telling.
        """
        self._tell(outcome, raised)
        is_gone = outcome.session_fate is SessionFate.GONE
        if self.journal is None or not is_gone or _may_open_later(outcome, raised):
            return None
        return self.runtime.in_thread(_forget, self.journal, outcome)

    def _tell(self, outcome: Outcome, raised: BaseException | None) -> None:
        """Call the callback. An exception of the callback is logged.

        Another exception may be raised in place of the outcome of a session that may still be
        running. It gets a note then, and the log a line at ERROR.
        """
        if self.on_outcome is not None:
            try:
                self.on_outcome(outcome)
            except Exception:
                text = "on_outcome failed for session %a"
                extra = _extra(outcome)
                log(ERROR, text, outcome.session_id, extra=extra, exc_info=True)
        if raised is not None and outcome.session_fate is not SessionFate.GONE:
            raised.add_note(str(outcome))
            _log_as_left(outcome)

    async def record(self, session_id: str) -> None:
        """Record an open session in the journal."""
        if self.journal is not None:
            await self.runtime.in_thread(self.journal.opened, session_id)


def _forget(journal: Recorder, outcome: Outcome) -> None:
    """Remove the record of a session that is gone. An error of the journal is logged."""
    try:
        journal.gone(outcome.session_id)
    except Exception as error:
        text = "session %a is gone, but the journal may still have its record: %s"
        reason = str(error) or type(error).__name__
        log(WARNING, text, outcome.session_id, reason, extra=_extra(outcome))


def _may_open_later(outcome: Outcome, raised: BaseException | None) -> bool:
    """Whether a request that was interrupted may still open the session of a scrape."""
    was_interrupted = raised is not None and not isinstance(raised, Exception)
    is_missing = isinstance(outcome, SessionNotFoundError) and is_scrape(outcome.session_id)
    return was_interrupted and is_missing


def _log_as_left(outcome: Outcome) -> None:
    """Log a session that may still be running, because no caller gets its outcome."""
    log(ERROR, "%s", outcome, extra=_extra(outcome))


def _extra(outcome: Outcome) -> Mapping[str, object]:
    return {"session_id": outcome.session_id, "session_fate": outcome.session_fate}

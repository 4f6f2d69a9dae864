"""Deletes sessions over a transport, and says what became of each. It is not for users.

A use case has one deleter, and gives it to its scopes and runs. Whatever may wait is a coroutine.
How it waits is the runtime's: in a blocking one no coroutine ever waits, so `run_sync` can run it.
"""

import logging
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Generic, TypeVar

import msgspec

from .conversation import Conversation, Send, Step, Wait, converse
from .errors import (
    DeleteSessionError,
    Outcome,
    SessionNotFoundError,
    UnexpectedResponseError,
    UnreachableError,
)
from .headers import RequestHeaders
from .journal import Recorder
from .log import log
from .receipt import DeletionReceipt, SessionFate
from .retry import RetryPolicy
from .transport import AsyncTransport, Response, Transport, TransportError
from .wire import is_scrape

T = TypeVar("T")
TransportT = TypeVar("TransportT", Transport, AsyncTransport)


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, to its end."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise RuntimeError("this must be awaited")


class Runtime:
    """How a deleter waits. This one blocks: what its coroutines await has happened already."""

    is_awaited = False

    async def call(self, function: Callable[..., Any], *arguments: object) -> Any:
        """Call a function of the transport. Any: it is awaited or not, and so is what it gives."""
        return function(*arguments)

    async def shield(self, awaitable: Awaitable[T], timeout: float | None = None) -> T:
        """Run a part of a scope, which no cancellation may cut."""
        return await awaitable

    async def in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        """Call a function of the journal. It may block."""
        return function(*arguments)

    def note_open(self, deletion: "Deletion") -> None:
        """Note that a scope is open, which makes this deletion at its end."""

    def note_end(self, deletion: "Deletion") -> None:
        """Note that the scope has ended."""

    async def end_open(self, end: Callable[["Deletion"], Coroutine[Any, Any, None]]) -> None:
        """Wait for what scopes have begun, and end so the deletions of those that stay open."""


class Deletion:
    """One session that is being deleted, how far that is, and what came of it."""

    _conversation: Conversation

    def __init__(self, session_id: str | uuid.UUID, retry: RetryPolicy) -> None:
        self.session_id = session_id  # empty until there is one
        self.retry = retry
        self.attempts = 0  # how many requests were sent
        self.outcome: Outcome | None = None  # None until it is known
        self.ending: Awaitable[None] | None = None  # what makes it before its scope ends

    @property
    def is_gone(self) -> bool:
        """Whether the session is certainly gone."""
        return self.outcome is not None and self.outcome.session_fate is SessionFate.GONE

    def begin(self, deleter: "Deleter[Any]", monotonic: Callable[[], float]) -> None:
        """Prepare its conversation, or another one after an interruption or a failure."""
        self.outcome = None
        self._conversation = converse(
            self.session_id,
            headers=deleter.headers,
            retry=self.retry,
            monotonic=monotonic,
            random=deleter.random,
            attempts_before=self.attempts,
        )

    def go_on(self, reply: Response | TransportError | bool | None = None) -> Step | None:
        """Tell its conversation what came of a step. Return the next. None: it has an outcome."""
        try:
            if isinstance(reply, TransportError):
                return self._conversation.throw(reply)
            return self._conversation.send(reply)
        except StopIteration as end:
            self.outcome = end.value
        except DeleteSessionError as error:
            self.outcome = error.with_traceback(None)  # Its frames hold the deleter.
        return None

    def end(self, error: BaseException | None = None) -> Outcome:
        """Return its outcome. If there is none, this error has interrupted it."""
        if self.outcome is None:
            reason = f"the delete was interrupted ({type(error).__name__})"
            self.outcome = UnreachableError(reason, str(self.session_id), self.attempts)
        return self.outcome


class Deleter(msgspec.Struct, Generic[TransportT], frozen=True, eq=False):
    """Sends the requests of deletions, and tells the hook, the log and the journal of the end."""

    runtime: Runtime
    transport: TransportT
    headers: RequestHeaders
    retry: RetryPolicy
    random: Callable[[], float]
    journal: Recorder | None
    on_outcome: Callable[[Outcome], object] | None

    async def call(self, session_id: str | uuid.UUID, retry: RetryPolicy | None) -> DeletionReceipt:
        """Delete a session and report its outcome. Return the receipt, or raise the error."""
        deletion = Deletion(session_id, retry or self.retry)
        with self.reporting(deletion):
            outcome = await self.delete(deletion)
        if isinstance(outcome, DeletionReceipt):
            return outcome
        raise outcome

    async def check(self) -> None:
        """Raise what is wrong with address, route or key: ask once for what never existed."""
        # The id is from `random`, so that a test can know it.
        octets = bytes(int(self.random() * 255) for _ in range(16))
        session_id = str(uuid.UUID(bytes=octets, version=4))
        once = msgspec.structs.replace(self.retry, max_attempts=1)
        outcome = await self._perform(Deletion(session_id, once))
        if isinstance(outcome, SessionNotFoundError):
            return
        if isinstance(outcome, DeletionReceipt):
            reason = "HTTP 200: it confirms to have deleted a session that never existed"
            outcome = UnexpectedResponseError(reason, session_id, 1, status=200)
        outcome.add_note("This asked for a session that never existed: nothing was at stake.")
        raise outcome

    async def delete(self, deletion: Deletion) -> Outcome:
        """Delete a session. If it is gone, the journal forgets it."""
        outcome = await self._perform(deletion)
        if self.must_forget(outcome):
            await self.runtime.in_thread(self.forget, outcome)
        return outcome

    async def _perform(self, deletion: Deletion) -> Outcome:
        """Send and wait as the conversation says, to its end."""
        deletion.begin(self, self.transport.monotonic)
        step = deletion.go_on()
        while step is not None:
            reply: Response | TransportError | None = None
            if isinstance(step, Send):
                deletion.attempts += 1
                reply = await self._send(step)
            elif isinstance(step, Wait):
                await self.runtime.call(self.transport.sleep, step.seconds)
            step = deletion.go_on(reply)
        return deletion.end()

    async def _send(self, send: Send) -> Any:  # Any: a response, if the transport keeps the port
        try:
            return await self.runtime.call(self.transport.send, send.request, send.timeout)
        except TransportError as failure:
            return failure

    async def close(self) -> None:
        """End the scopes. Then close transport and journal, if they can be."""
        await self.runtime.end_open(self._end_open)
        try:
            name = "aclose" if self.runtime.is_awaited else "close"
            if close_transport := getattr(self.transport, name, None):
                await self.runtime.call(close_transport)
        finally:
            if close_journal := getattr(self.journal, "close", None):
                await self.runtime.in_thread(close_journal)

    async def _end_open(self, deletion: Deletion) -> None:
        """Delete the session of a scope that stays open. Nobody sees what this raises."""
        with suppress(Exception), self.reporting(deletion, RuntimeError("closed")):
            await self.delete(deletion)

    # Who is told

    @contextmanager
    def reporting(self, deletion: Deletion, raised: BaseException | None = None) -> Iterator[None]:
        """Report what becomes of a deletion meanwhile, also if that is interrupted."""
        try:
            yield
        except BaseException as error:
            self.report(deletion.end(error), error)
            raise
        self.report(deletion.end(), raised)

    def report(self, outcome: Outcome, raised: BaseException | None = None) -> None:
        """Tell the hook of an outcome. What the hook raises is logged.

        `raised` is what the caller will see in place of the outcome. If the session may be left,
        that gets a note, and the log a line at ERROR.
        """
        if self.on_outcome is not None:
            try:
                self.on_outcome(outcome)
            except Exception:
                text = "on_outcome failed for session %a"
                extra = _extra(outcome)
                log(logging.ERROR, text, outcome.session_id, extra=extra, exc_info=True)
        if raised is not None and outcome.session_fate is not SessionFate.GONE:
            raised.add_note(str(outcome))
            log(logging.ERROR, "%s", outcome, extra=_extra(outcome))

    async def record(self, session_id: str) -> None:
        """Record in the journal that a session is open."""
        if (journal := self._journal_of(session_id)) is not None:
            await self.runtime.in_thread(journal.opened, session_id)

    def must_forget(self, outcome: Outcome) -> bool:
        """Say whether a journal may hold the session, which is gone."""
        is_gone = outcome.session_fate is SessionFate.GONE
        return is_gone and self._journal_of(outcome.session_id) is not None

    def forget(self, outcome: Outcome) -> None:
        """Let the journal forget a session that is gone. An error of the journal is logged."""
        journal = self._journal_of(outcome.session_id)
        try:
            if journal is not None:
                journal.gone(outcome.session_id)
        except Exception as error:
            text = "session %a is gone, but the journal may still hold it: %s"
            reason = str(error) or type(error).__name__
            log(logging.WARNING, text, outcome.session_id, reason, extra=_extra(outcome))

    def _journal_of(self, session_id: str) -> Recorder | None:
        """Return the journal. None for a scrape's session: an old record would end a later one."""
        return None if is_scrape(session_id) else self.journal


def _extra(outcome: Outcome) -> Mapping[str, object]:
    return {"session_id": outcome.session_id, "session_fate": outcome.session_fate}

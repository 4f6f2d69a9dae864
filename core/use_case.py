"""What the two use cases of one session share: all but how they wait."""

import logging
import os
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, ClassVar, Generic, TypeVar

import msgspec

from .arguments import check_methods, is_coroutine_function, refuse_coroutine
from .conversation import Failed, Send, Step, Wait, converse
from .errors import (
    DeleteSessionError,
    Outcome,
    SessionNotFoundError,
    UnexpectedResponseError,
    UnreachableError,
)
from .headers import RequestHeaders, request_headers
from .journal import Recorder
from .log import log, logger
from .receipt import DeletionReceipt, SessionFate
from .retry import RetryPolicy, checked_retry
from .shielding import ends_in_thread
from .transport import AsyncTransport, Response, Transport, TransportError
from .wire import checked_session_id, is_scrape

JOURNAL_WAIT = 5.0
"""Seconds that awaited code, and a run that is left, wait for the journal to forget or to close,
which then goes on by itself; and a cancelled block for the journal to record."""

TransportT = TypeVar("TransportT", Transport, AsyncTransport)
BlockT = TypeVar("BlockT")


class _LastResort(logging.Handler):
    """Shows an ERROR on standard error where an application has configured no logging.

    Python's own last resort would show warnings, too, and a `NullHandler` hides both.
    """

    def emit(self, record: logging.LogRecord) -> None:
        is_alone = logger.handlers == [self] and not (logger.propagate and logging.root.handlers)
        if is_alone and logging.lastResort is not None:
            logging.lastResort.handle(record)


logger.addHandler(_LastResort(logging.ERROR))


def _random() -> float:
    # `random` may be seeded, alike in all processes: they would retry together.
    return int.from_bytes(os.urandom(7)) / 2**56


class Told(msgspec.Struct):
    """Which outcome `on_outcome` was called with last: of one delete, or of a run.

    It is compared with `is`: a run that has an id twice may have two outcomes that are equal.
    """

    outcome: Outcome | None = None


class Delete(msgspec.Struct):
    """One delete. An interrupted one may be begun anew, and goes on from what is known."""

    session_id: str | uuid.UUID  #: empty until there is one
    retry: RetryPolicy
    begun: int = 0  #: how often
    attempts: int = 0  #: how many requests were sent
    failed: str = ""  #: why the last attempt that failed did
    #: The first is the outcome: a delete that was given up may go on, and find another one.
    known: list[Outcome] = []  # No signal is handled within an `append`.
    is_done: bool = False  #: whether the journal was told of it as well, or it was given up
    told: Told = msgspec.field(default_factory=Told)
    is_logged: bool = False

    @property
    def outcome(self) -> Outcome | None:
        """None until there is one."""
        return next(iter(self.known), None)

    def interrupt(self, error: BaseException) -> None:
        """Let an exception end it."""
        after = f" after: {self.failed}" if self.failed else ""
        self.give_up(f"the delete was interrupted ({type(error).__name__}){after}")

    def give_up(self, reason: str) -> None:
        """End it. Its outcome is what is known: it may be there already."""
        session_id = str(self.session_id)
        self.known.append(UnreachableError(reason, session_id=session_id, attempts=self.attempts))
        self.is_done = True


class UseCase(Generic[TransportT, BlockT]):
    """A use case of one session, blocking or awaited."""

    awaits: ClassVar[bool]  #: whether its transport is awaited
    _transport_advice: ClassVar[str]
    _block: ClassVar[Callable[..., Any]]  # Any: it makes a `BlockT`

    def __init__(  # noqa: PLR0913 - each is something that users must be able to say
        self,
        transport: TransportT,
        api_key: str | None,
        *,
        retry: RetryPolicy | None = None,
        headers: Mapping[str, str] | None = None,
        journal: Recorder | None = None,
        on_outcome: Callable[[Outcome], object] | None = None,
        random: Callable[[], float] = _random,
    ) -> None:
        try:
            #: of every request
            self.headers: RequestHeaders = request_headers(api_key, headers)
        finally:
            del api_key, headers  # The traceback of an error shows this frame.
        self.transport: TransportT = transport  #: carries the requests
        self.retry: RetryPolicy = checked_retry(retry)  #: how many attempts a call makes, and when
        self.journal = journal  #: remembers which sessions are open; None: nothing does
        self.on_outcome = on_outcome  #: is called with each outcome; None: nothing is
        self.random = random  #: gives a number from 0 to 1, to spread retries out
        self.is_closed: bool = False  #: whether no block may begin
        self.blocks: set[Any] = set()  #: awaited ones that are open. Any: of a module above
        awaited = {"send": self.awaits, "monotonic": False, "sleep": self.awaits}
        check_methods("transport", transport, awaited, self._transport_advice)
        if journal is not None:
            advice = "Take a FileJournal, or write one."
            check_methods("journal", journal, {"opened": False, "gone": False}, advice)
        if not callable(random):
            raise TypeError(f"random must be a function, not {random!r}")
        is_ordinary = callable(on_outcome) and not is_coroutine_function(on_outcome)
        if on_outcome is not None and not is_ordinary:
            raise TypeError(f"on_outcome must be an ordinary function, not {on_outcome!r}")

    # Whoever forgets an argument is told the function's name: let that be one that is known.
    __init__.__qualname__ = "DeleteSession.__init__"

    def on_exit(
        self,
        session_id: str | uuid.UUID,
        *,
        missing_ok: bool = False,
        retry: RetryPolicy | None = None,
    ) -> BlockT:
        """Destroy a session when a `with` block (`async with`) ends, however it ends.

        A block that cannot begin, because the journal fails for instance, destroys it as well.

        Args:
            session_id: the id that the service gave when the session was opened; or `scrape:` and
                the id of a scrape, before the session of that is opened. No journal records it.
            missing_ok: whether a session that is gone already is a success, not a
                `SessionNotFoundError`. There is no receipt for it.
            retry: the policy of this delete alone. None: the one that the use case has.

        Returns:
            A context manager that gives itself; `receipt` and `outcome` are there after the block.

        Raises:
            InvalidSessionIdError: at once, before the block: the id cannot be sent.
        """
        checked = checked_session_id(session_id, may_be_scrape=True)
        block: BlockT = self._block(self, session_id=checked, missing_ok=missing_ok, retry=retry)
        return block

    def policy(self, retry: RetryPolicy | None) -> RetryPolicy:
        """Return the policy of a call: its own, or that of the use case."""
        return self.retry if retry is None else checked_retry(retry)

    # One delete. It is written once: a blocking use case runs it with `finish`.

    async def _call(self, delete: Delete) -> DeletionReceipt:
        try:
            await self.destroy(delete)
            self.tell(delete, is_seen=True)
            if isinstance(delete.known[0], DeletionReceipt):
                return delete.known[0]
            raise delete.known[0]  # noqa: TRY301 - Python looks for signals at calls: none is left
        except DeleteSessionError:  # `destroy` raises none.
            raise
        except BaseException as error:
            delete.interrupt(error)
            self.tell(delete, is_seen=False)
            raise
        finally:
            # A frame that holds an error that it raises is a cycle.
            delete.known = []
            delete.told.outcome = None

    async def destroy(self, delete: Delete) -> None:
        """Send the requests, keep the outcome, and let the journal forget the session if gone."""
        delete.begun += 1
        if not delete.known:  # Otherwise the journal alone was not told.
            try:  # No variable holds it: a traceback leads here, so that would be a cycle.
                delete.known.append(await self._converse(delete))
            except DeleteSessionError as error:
                delete.known.append(error.with_traceback(None))  # Its frames hold the use case.
        if not self.awaits:
            self.forget_if_gone(delete.known[0])
        elif self.journal_to_tell(delete.known[0]) is not None:
            timeout = JOURNAL_WAIT
            if not await ends_in_thread(self.forget_if_gone, delete.known[0], timeout=timeout):
                _log_not_forgotten(delete.known[0], f"it takes more than {timeout:g} s")
        delete.is_done = True

    async def _converse(self, delete: Delete) -> DeletionReceipt:
        conversation = converse(
            delete.session_id,
            headers=self.headers,
            retry=delete.retry,
            monotonic=self.transport.monotonic,
            random=self.random,
            attempts_before=delete.attempts,
        )
        try:
            step = next(conversation)
            while True:
                delete.attempts += isinstance(step, Send)
                if isinstance(step, Failed):
                    delete.failed = step.error.args[0]
                try:
                    response = await self._carry_out(step)
                except TransportError as failure:
                    step = conversation.throw(failure)
                else:
                    del step  # It may hold an error whose traceback holds this frame: a cycle.
                    step = conversation.send(response)
        except StopIteration as end:
            receipt: DeletionReceipt = end.value
            return receipt

    async def _carry_out(self, step: Step) -> Response | None:
        """Do what a step asks of the transport. A single call has nothing to do for a `Failed`."""
        transport: Any = self.transport  # Any: of either kind
        if isinstance(step, Send):
            response: Any = transport.send(step.request, step.timeout)  # Any: awaited or not
            if self.awaits:
                response = await response
            return response  # type: ignore[no-any-return]  # checked by the conversation
        if isinstance(step, Wait):
            waited = transport.sleep(step.seconds)
            if self.awaits:
                await waited
        return None

    async def _check(self) -> None:
        """Ask once for a session that never existed."""
        # From `random`, so that a test can know the id.
        octets = bytes(int(self.random() * 255) for _ in range(16))
        session_id = str(uuid.UUID(bytes=octets, version=4))
        once = msgspec.structs.replace(self.retry, max_attempts=1)
        try:
            await self._converse(Delete(session_id, once))
            reason = "HTTP 200: it confirms to have deleted a session that never existed"
            raise UnexpectedResponseError(reason, session_id=session_id, attempts=1, status=200)
        except SessionNotFoundError:
            return
        except DeleteSessionError as error:
            error.forget_session()
            raise

    # What is told, and to whom

    def journal_of(self, session_id: str) -> Recorder | None:
        """Return the journal. None for a scrape's session: an old record would end a later one."""
        return None if is_scrape(session_id) else self.journal

    def journal_to_tell(self, outcome: Outcome) -> Recorder | None:
        """Return the journal that must forget the session, if there is one, and it is gone."""
        is_gone = outcome.session_fate is SessionFate.GONE
        return self.journal_of(outcome.session_id) if is_gone else None

    def forget_if_gone(self, outcome: Outcome) -> None:
        """Let the journal forget the session. What it raises is logged, and changes nothing."""
        try:
            if (journal := self.journal_to_tell(outcome)) is not None:
                journal.gone(outcome.session_id)
        except Exception as error:
            words = ""
            with suppress(Exception):  # of theirs
                words = str(error)
            _log_not_forgotten(outcome, words or type(error).__name__)

    def forget_each(self, outcomes: deque[Outcome]) -> None:
        """Let the journal forget one session after the other. Each stays there until it has."""
        with suppress(IndexError):  # There is no other, or they were given up meanwhile.
            while True:
                self.forget_if_gone(outcomes[0])
                outcomes.popleft()

    def tell(self, delete: Delete, *, is_seen: bool) -> None:
        """Tell what is known to `on_outcome`, once. First log what may be left, unless it is seen.

        It is seen if it is raised. Otherwise it is logged at ERROR, once.
        """
        if (outcome := delete.outcome) is None:
            return
        is_left = outcome.session_fate is not SessionFate.GONE
        if is_left and not is_seen and not delete.is_logged:
            log(logging.ERROR, "%s", outcome, extra=_extra(outcome))
            delete.is_logged = True
        self.notify(outcome, delete.told)

    def notify(self, outcome: Outcome, told: Told) -> None:
        """Call `on_outcome`, unless it was. What it raises is logged, and changes nothing."""
        if told.outcome is outcome:
            return
        try:
            told.outcome = outcome  # No signal's handler runs between this and the call.
            if self.on_outcome is not None:
                refuse_coroutine(self.on_outcome(outcome), "on_outcome", "an ordinary function")
        except Exception:
            text = "on_outcome failed for session %a"
            log(logging.ERROR, text, outcome.session_id, extra=_extra(outcome), exc_info=True)

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "blocks": set(), "is_closed": False}

    def __repr__(self) -> str:
        key = "'***'" if "Authorization" in self.headers else None
        shown = f"{self.transport!r}, api_key={key}, retry={self.retry!r}"
        if names := self.headers.own_names:
            shown += f", headers={dict.fromkeys(names, '***')}"
        if self.journal is not None:
            shown += f", journal={self.journal!r}"
        return f"{type(self).__name__}({shown})"


def _extra(outcome: Outcome) -> dict[str, object]:
    return {"session_id": outcome.session_id, "session_fate": outcome.session_fate}


def _log_not_forgotten(outcome: Outcome, reason: object) -> None:
    text = "session %a is gone, but the journal may still hold it: %s"
    log(logging.WARNING, text, outcome.session_id, reason, extra=_extra(outcome))

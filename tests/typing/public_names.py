"""Every public name, used as its users do. A type checker reads this file; it is never run."""

import ssl
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import assert_type

from firecrawl_interact.adapters import (
    AsyncEnvironmentDeleteSession,
    AsyncInMemoryTransport,
    AsyncioTransport,
    AsyncSystemTime,
    DrippedResponse,
    EnvironmentDeleteSession,
    FakeService,
    FakeServiceError,
    Fault,
    FileJournal,
    InMemoryJournal,
    InMemoryTransport,
    LoopbackService,
    LostResponse,
    NoConnection,
    NoResponse,
    PostgresJournal,
    RateLimit,
    Reply,
    SystemTime,
    Urllib3Transport,
    async_delete_session_from_environment,
    delete_session_from_environment,
)
from firecrawl_interact.core import (
    MAX_BODY_BYTES,
    AsyncDeleteManySessions,
    AsyncDeleteOnExit,
    AsyncDeleteSession,
    AsyncDeletions,
    AsyncOpening,
    AsyncSessionIds,
    AsyncTransport,
    BadRequestError,
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Conversation,
    DeleteManySessions,
    DeleteOnExit,
    DeleteSession,
    DeleteSessionError,
    DeletionReceipt,
    Deletions,
    Failed,
    ForbiddenError,
    InvalidApiKeyError,
    InvalidSessionIdError,
    Journal,
    JournalError,
    LeftAlone,
    NotDeletedError,
    Opening,
    OutageError,
    Outcome,
    Pause,
    PaymentRequiredError,
    RateLimitError,
    Recorder,
    Request,
    RequestHeaders,
    Response,
    ResponseError,
    RetryPolicy,
    Send,
    ServiceUnavailableError,
    SessionFate,
    SessionIds,
    SessionNotFoundError,
    Step,
    TimedOutError,
    Transport,
    TransportError,
    UnauthorizedError,
    UnexpectedResponseError,
    UnreachableError,
    Wait,
    checked_session_id,
    converse,
    request_headers,
)


def destroys_a_session(session_id: str) -> None:
    with Urllib3Transport() as transport:
        assert_type(transport, Urllib3Transport)
        delete_session = DeleteSession(transport, api_key="fc-...")
        receipt = delete_session(session_id)
    assert_type(receipt, DeletionReceipt)
    assert_type(receipt.session_id, str)
    assert_type(receipt.credits_billed, int | float | None)
    assert_type(receipt.session_duration_ms, int | None)
    assert_type(receipt.status, str | None)
    assert_type(receipt.attempts, int)
    assert_type(receipt.session_fate, SessionFate)


async def destroys_a_session_and_awaits_it() -> None:
    async with AsyncioTransport() as transport:
        assert_type(transport, AsyncioTransport)
        delete_session = AsyncDeleteSession(transport, api_key="fc-...")
        receipt = await delete_session("session-1")
    assert_type(receipt, DeletionReceipt)


async def takes_the_settings_of_an_awaited_call(transport: AsyncTransport) -> None:
    delete_session = AsyncDeleteSession(transport, None, retry=RetryPolicy(deadline=60))
    assert_type(await delete_session(uuid.uuid4()), DeletionReceipt)


def takes_the_settings_of_a_transport() -> None:
    Urllib3Transport(
        "https://firecrawl.example/prefix",
        pool_size=4,
        connect_timeout=2.5,
        ssl_context=ssl.create_default_context(),
        proxy="http://proxy.example:3128",
        allow_plain_http=False,
        user_agent="mine/1.0",
    ).close()


async def takes_the_same_settings_of_its_twin() -> None:
    transport = AsyncioTransport(
        "https://firecrawl.example/prefix",
        pool_size=4,
        connect_timeout=2.5,
        ssl_context=ssl.create_default_context(),
        proxy="http://proxy.example:3128",
        allow_plain_http=False,
        user_agent="mine/1.0",
    )
    async with transport:
        pass


def takes_the_settings_of_a_call(transport: Transport) -> None:
    retry = RetryPolicy(
        max_attempts=2, attempt_timeout=80, deadline=100.0, first_pause=1, longest_pause=2
    )
    headers = {"X-Team": "ours"}
    delete_session = DeleteSession(
        transport, None, retry=retry, headers=headers, random=lambda: 0.5
    )
    assert_type(delete_session("session-1", retry=RetryPolicy(deadline=10)), DeletionReceipt)


def destroys_a_session_when_a_block_ends(delete_session: DeleteSession) -> None:
    with delete_session.on_exit("session-1", missing_ok=True, retry=RetryPolicy()) as ending:
        assert_type(ending, DeleteOnExit)
    assert_type(ending.receipt, DeletionReceipt | None)


async def destroys_it_and_awaits_that(delete_session: AsyncDeleteSession) -> None:
    async with delete_session.on_exit(uuid.uuid4()) as ending:
        assert_type(ending, AsyncDeleteOnExit)
    assert_type(ending.receipt, DeletionReceipt | None)


class Browser:
    """What a client returns that has opened a session."""

    id: str


def opens_it_for_a_block(delete_session: DeleteSession) -> None:
    with delete_session.opening(Browser, missing_ok=True, retry=RetryPolicy()) as browser:
        assert_type(browser, Browser)
    opening = delete_session.opening(dict[str, str], id_of=lambda opened: opened["id"])
    assert_type(opening, Opening[dict[str, str]])
    assert_type(opening.receipt, DeletionReceipt | None)


async def open_browser() -> Browser:
    return Browser()


async def opens_it_and_awaits_that(delete_session: AsyncDeleteSession) -> None:
    async with delete_session.opening(open_browser) as browser:
        assert_type(browser, Browser)
    async with delete_session.opening(lambda: open_browser()) as awaited:  # noqa: PLW0108 - as users write it
        assert_type(awaited, Browser)
    opening = delete_session.opening(Browser)
    assert_type(opening, AsyncOpening[Browser])
    assert_type(opening.receipt, DeletionReceipt | None)


async def checks(delete_session: DeleteSession, awaited: AsyncDeleteSession) -> None:
    delete_session.check()
    await awaited.check()
    assert_type(delete_session.headers, RequestHeaders)


def drives_it_itself(session_id: str | uuid.UUID, response: Response) -> None:
    headers = request_headers("fc-test", {"X-Team": "a"})
    assert_type(headers, RequestHeaders)
    conversation: Conversation = converse(
        session_id,
        headers=headers,
        retry=RetryPolicy(),
        monotonic=lambda: 0.0,
        random=lambda: 0.5,
    )
    step: Step = next(conversation)
    assert_type(step, Send | Wait | Failed)
    if isinstance(step, Send):
        assert_type(step.request, Request)
        conversation.send(response)
    elif isinstance(step, Wait):
        assert_type(step.seconds, float)
    else:
        assert_type(step.error, DeleteSessionError)
        assert_type(step.is_last, bool)
        conversation.send(False)


def destroys_many(delete_session: DeleteSession) -> list[str]:
    session_ids: SessionIds = ["session-1", uuid.uuid4()]
    left: list[str] = []
    try:
        with DeleteManySessions(delete_session, concurrency=2)(session_ids) as deletions:
            assert_type(deletions, Deletions)
            for outcome in deletions:
                assert_type(outcome, DeletionReceipt | DeleteSessionError)
                if outcome.session_fate is not SessionFate.GONE:
                    left.append(outcome.session_id)
            if pause := deletions.pause:
                assert_type(pause, Pause)
    except OutageError as outage:
        assert_type((outage.lasted, outage.retry_after), tuple[float, float | None])
    many = DeleteManySessions(delete_session, shutdown_timeout=5)
    deletions = many(iter(["session-1"]))
    deletions.stop()
    deletions.close()
    return left


async def destroys_many_and_awaits_them(
    delete_session: AsyncDeleteSession, session_ids: AsyncSessionIds
) -> list[Outcome]:
    outcomes: list[Outcome] = []
    AsyncDeleteManySessions(delete_session, concurrency=2)(["session-1", uuid.uuid4()])
    async with AsyncDeleteManySessions(delete_session)(session_ids) as deletions:
        assert_type(deletions, AsyncDeletions)
        async for outcome in deletions:
            assert_type(outcome, DeletionReceipt | DeleteSessionError)
            outcomes.append(outcome)
            deletions.stop()
    assert_type(deletions.pause, Pause | None)
    return outcomes


def takes_key_and_address_from_the_environment() -> None:
    delete_session: DeleteSession = delete_session_from_environment()
    assert_type(delete_session("session-1"), DeletionReceipt)
    with delete_session_from_environment(retry=RetryPolicy(max_attempts=1)) as owner:
        assert_type(owner, EnvironmentDeleteSession)
        assert_type(owner.close(), None)
    delete_session_from_environment(connect_timeout=5, pool_size=2, proxy=None, user_agent="a/1")
    delete_session_from_environment(pool_size="2")  # type: ignore[arg-type]  # that is the test
    delete_session_from_environment(timeout=5)  # type: ignore[call-arg]  # that is the test


async def takes_them_in_asynchronous_code() -> None:
    delete_session: AsyncDeleteSession = async_delete_session_from_environment()
    assert_type(await delete_session("session-1"), DeletionReceipt)
    async with async_delete_session_from_environment() as owner:
        assert_type(owner, AsyncEnvironmentDeleteSession)
        assert_type(await owner.aclose(), None)


def reads_an_error(delete_session: DeleteSession) -> str | None:
    try:
        delete_session("session-1")
    except (InvalidSessionIdError, InvalidApiKeyError) as error:
        assert_type(error, InvalidSessionIdError | InvalidApiKeyError)
        value_error: ValueError = error
        return str(value_error)
    except RateLimitError as error:
        assert_type(error.retry_after, float | None)
    except ResponseError as error:
        assert_type(error.status, int)
        assert_type(error.message, str | None)
        assert_type(error.code, str | None)
        assert_type(error.request_id, str | None)
    except UnreachableError as error:
        assert_type(error.__cause__, BaseException | None)
    except DeleteSessionError as error:
        assert_type(error.session_id, str)
        assert_type(error.session_fate, SessionFate)
        assert_type(error.transient, bool)
        assert_type(error.attempts, int)
        assert_type(error.advice, str)
    return None


RESPONSE_ERRORS: list[type[ResponseError]] = [
    BadRequestError,
    ForbiddenError,
    NotDeletedError,
    PaymentRequiredError,
    RateLimitError,
    ServiceUnavailableError,
    SessionNotFoundError,
    UnauthorizedError,
    UnexpectedResponseError,
]


def knows_every_fate(fate: SessionFate) -> int:
    match fate:
        case SessionFate.GONE:
            return 0
        case SessionFate.UNTOUCHED:
            return 1
        case SessionFate.UNKNOWN:
            return 2


class OwnTransport(SystemTime):
    def send(self, request: Request, timeout: float) -> Response:
        assert_type(request.method, str)
        assert_type(request.path, str)
        assert_type(request.headers, Mapping[str, str])
        if timeout < 1:
            raise TimedOutError("too late", transient=True)
        if len(request.path) > MAX_BODY_BYTES:
            raise BadResponseError("too large")
        return Response(status=200, headers={}, body=b"")


class TransportWithNamesOfItsOwn(SystemTime):
    def send(self, message: Request, seconds: float) -> Response:
        return Response(status=200, headers={}, body=message.path.encode()[: int(seconds)])


class OwnAsyncTransport(AsyncSystemTime):
    async def send(self, request: Request, timeout: float) -> Response:
        error: TransportError = ConnectFailedError("no route")
        assert_type(error.sent, bool)
        assert_type(error.transient, bool)
        raise ConnectionLostError(f"{request.method} {timeout}", stale=True) from error


def swaps_the_transport(service: FakeService) -> None:
    transports: list[Transport] = [
        InMemoryTransport(service),
        OwnTransport(),
        TransportWithNamesOfItsOwn(),
        Urllib3Transport(),
    ]
    asynchronous: list[AsyncTransport] = [
        AsyncioTransport(),
        AsyncInMemoryTransport(service),
        OwnAsyncTransport(),
    ]
    for transport in transports:
        DeleteSession(transport, "fc-test")
    for asynchronous_transport in asynchronous:
        AsyncDeleteSession(asynchronous_transport, "fc-test")


def sets_up_a_fake() -> None:
    service = FakeService(api_keys=["fc-test"], rate_limit=10)
    try:
        assert_type(service.open_session(), str)
    except FakeServiceError:
        return
    assert_type(service.open_session("session-1", api_key="fc-test", prompt_used=True), str)
    assert_type(service.is_open("session-1"), bool)
    assert_type(service.requests, list[Request])
    assert_type(service.sessions_left_open, list[str])
    service.rate_limit = RateLimit(600, burst=1, retry_after=lambda seconds: None)
    service.outage(60)
    fault: Fault = NoResponse()
    service.outage(60, fault)
    service.queue(Reply(429, json={"success": False}))
    service.queue(
        Reply(502, b"", {}),
        NoConnection(),
        NoResponse(),
        LostResponse(),
        DrippedResponse(seconds_per_byte=2),
    )
    with LoopbackService(service) as loopback:
        assert_type(loopback.api_url, str)


def remembers_what_is_open(service: FakeService, directory: Path) -> None:
    with FileJournal(directory, service="https://api.example") as journal:
        assert_type(journal, FileJournal)
        for session_id in journal.adopt_orphans():
            assert_type(session_id, str)
        assert_type(journal.orphans(), list[str])
        try:
            journal.opened(uuid.uuid4())
        except JournalError as error:
            assert_type(error.session_id, str | None)
            os_error: OSError = error
            raise os_error from None
    in_memory = InMemoryJournal()
    assert_type(in_memory.sessions_left_open, list[str])
    fleet = PostgresJournal("postgresql://db.example/jobs", service=None)
    assert_type(fleet.left_alone(), LeftAlone)
    fleet.create_table()
    assert_type(checked_session_id(uuid.uuid4()), str)
    recorder: Recorder = fleet
    DeleteSession(InMemoryTransport(service), None, journal=recorder)
    journals: list[Journal] = [journal, fleet, in_memory]
    for either in journals:
        either.opened("session-1")
        either.gone("session-1")
        DeleteSession(InMemoryTransport(service), None, journal=either)
        AsyncDeleteSession(AsyncInMemoryTransport(service), None, journal=either)


def is_refused(transport: Transport, asynchronous: AsyncTransport) -> None:
    """Each line is a mistake that a type checker must find."""
    DeleteSession(asynchronous, None)  # type: ignore[arg-type]  # it must be awaited
    AsyncDeleteSession(transport, None)  # type: ignore[arg-type]  # it cannot be awaited
    DeleteSession(transport)  # type: ignore[call-arg]  # no key is a decision: api_key=None
    DeleteSession(transport, "fc-...", RetryPolicy())  # type: ignore[call-arg]  # by name only
    DeleteSession(transport, None)(42)  # type: ignore[arg-type]  # an id is a str or a UUID
    Urllib3Transport(timeout=5)  # type: ignore[call-arg]  # time is the policy's
    DeleteManySessions(AsyncDeleteSession(asynchronous, None))  # type: ignore[arg-type]  # twins do not mix
    receipt = DeletionReceipt(session_id="session-1")
    receipt.attempts = 2  # type: ignore[misc]  # a receipt does not change
    FakeService().queue(TimedOutError("late"))  # type: ignore[arg-type]  # no fault of the fake

"""What type checkers make of the public names. They alone read this file; it is never run."""

import random
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import assert_type

from firecrawl_interact import adapters, core


def destroys_a_session(session_id: str) -> None:
    with adapters.Urllib3Transport() as transport:
        assert_type(transport, adapters.Urllib3Transport)
        delete_session = core.DeleteSession(transport, api_key="fc-...")
        receipt = delete_session(session_id)
    assert_type(receipt, core.DeletionReceipt)
    assert_type(receipt.credits_billed, int | float | None)
    assert_type((receipt.session_id, receipt.attempts), tuple[str, int])
    assert_type((receipt.session_duration_ms, receipt.status), tuple[int | None, str | None])
    assert_type(receipt.session_fate, core.SessionFate)


async def destroys_a_session_and_awaits_it() -> None:
    async with adapters.AsyncioTransport() as transport:
        delete_session = core.AsyncDeleteSession(
            transport, None, retry=core.RetryPolicy(deadline=60)
        )
    assert_type(await delete_session(uuid.uuid4()), core.DeletionReceipt)


def destroys_a_session_when_a_block_ends(delete_session: core.DeleteSession) -> None:
    with delete_session.on_exit("session-1", missing_ok=True, retry=core.RetryPolicy()) as ending:
        assert_type(ending, core.DeleteOnExit)
    assert_type(ending.receipt, core.DeletionReceipt | None)


async def destroys_it_and_awaits_that(delete_session: core.AsyncDeleteSession) -> None:
    async with delete_session.on_exit(uuid.uuid4()) as ending:
        assert_type(ending, core.AsyncDeleteOnExit)
    assert_type(ending.receipt, core.DeletionReceipt | None)


class Browser:
    """What a client returns that has opened a session."""

    id: str


def opens_it_for_a_block(delete_session: core.DeleteSession) -> None:
    with delete_session.opening(Browser, missing_ok=True, retry=core.RetryPolicy()) as browser:
        assert_type(browser, Browser)
    opening = delete_session.opening(dict[str, str], id_of=lambda opened: opened["id"])
    assert_type(opening, core.Opening[dict[str, str]])
    assert_type(opening.receipt, core.DeletionReceipt | None)


async def open_browser() -> Browser:
    return Browser()


async def opens_it_and_awaits_that(delete_session: core.AsyncDeleteSession) -> None:
    async with delete_session.opening(open_browser) as browser:
        assert_type(browser, Browser)
    async with delete_session.opening(lambda: open_browser()) as awaited:  # noqa: PLW0108 - as users write it
        assert_type(awaited, Browser)
    opening = delete_session.opening(Browser)
    assert_type(opening, core.AsyncOpening[Browser])
    assert_type(opening.receipt, core.DeletionReceipt | None)


async def checks(delete_session: core.DeleteSession, awaited: core.AsyncDeleteSession) -> None:
    delete_session.check()
    await awaited.check()
    assert_type(delete_session.headers, core.RequestHeaders)


def drives_it_itself(session_id: str | uuid.UUID, response: core.Response) -> None:
    headers = core.request_headers("fc-test", {"X-Team": "a"})
    retry, now = core.RetryPolicy(), time.monotonic
    conversation = core.converse(
        session_id, headers=headers, retry=retry, monotonic=now, random=random.random
    )
    match next(conversation):
        case core.Send() as send:
            assert_type(send.request, core.Request)
            conversation.send(response)
        case core.Wait() as wait:
            assert_type(wait.seconds, float)
        case failed:
            assert_type(failed, core.Failed)
            assert_type((failed.error, failed.is_last), tuple[core.DeleteSessionError, bool])
            conversation.send(False)


def destroys_many(delete_session: core.DeleteSession) -> list[str]:
    session_ids: core.SessionIds = ["session-1", uuid.uuid4()]
    left: list[str] = []
    try:
        with core.DeleteManySessions(delete_session, concurrency=2)(session_ids) as deletions:
            assert_type(deletions, core.Deletions)
            for outcome in deletions:
                assert_type(outcome, core.DeletionReceipt | core.DeleteSessionError)
                if outcome.session_fate is not core.SessionFate.GONE:
                    left.append(outcome.session_id)
            if pause := deletions.pause:
                assert_type(pause, core.Pause)
    except core.OutageError as outage:
        assert_type((outage.lasted, outage.retry_after), tuple[float, float | None])
    deletions = core.DeleteManySessions(delete_session, shutdown_timeout=5)(iter(["session-1"]))
    deletions.stop()
    deletions.close()
    return left


async def destroys_many_and_awaits_them(
    delete_session: core.AsyncDeleteSession, session_ids: core.AsyncSessionIds
) -> list[core.Outcome]:
    outcomes: list[core.Outcome] = []
    core.AsyncDeleteManySessions(delete_session, concurrency=2)(["session-1", uuid.uuid4()])
    async with core.AsyncDeleteManySessions(delete_session)(session_ids) as deletions:
        assert_type(deletions, core.AsyncDeletions)
        async for outcome in deletions:
            assert_type(outcome, core.DeletionReceipt | core.DeleteSessionError)
            outcomes.append(outcome)
            deletions.stop()
    assert_type(deletions.pause, core.Pause | None)
    return outcomes


def takes_key_and_address_from_the_environment() -> None:
    delete_session: core.DeleteSession = adapters.delete_session_from_environment()
    assert_type(delete_session("session-1"), core.DeletionReceipt)
    with adapters.delete_session_from_environment(retry=core.RetryPolicy(max_attempts=1)) as owner:
        assert_type(owner, adapters.EnvironmentDeleteSession)
        assert_type(owner.close(), None)
    adapters.delete_session_from_environment(pool_size="2")  # type: ignore[arg-type]  # that is the test
    adapters.delete_session_from_environment(timeout=5)  # type: ignore[call-arg]  # that is the test


async def takes_them_in_asynchronous_code() -> None:
    delete_session: core.AsyncDeleteSession = adapters.async_delete_session_from_environment()
    assert_type(await delete_session("session-1"), core.DeletionReceipt)
    async with adapters.async_delete_session_from_environment() as owner:
        assert_type(owner, adapters.AsyncEnvironmentDeleteSession)
        assert_type(await owner.aclose(), None)


def reads_an_error(delete_session: core.DeleteSession) -> str | None:
    try:
        delete_session("session-1")
    except (core.InvalidSessionIdError, core.InvalidApiKeyError) as error:
        assert_type(error, core.InvalidSessionIdError | core.InvalidApiKeyError)
        value_error: ValueError = error
        return str(value_error)
    except core.RateLimitError as error:
        assert_type(error.retry_after, float | None)
    except core.ResponseError as error:
        assert_type((error.status, error.message), tuple[int, str | None])
        assert_type((error.code, error.request_id), tuple[str | None, str | None])
    except core.UnreachableError as error:
        assert_type(error.__cause__, BaseException | None)
    except core.DeleteSessionError as error:
        assert_type((error.session_id, error.session_fate), tuple[str, core.SessionFate])
        assert_type((error.transient, error.attempts), tuple[bool, int])
        assert_type(error.advice, str)
    return None


def knows_every_fate(fate: core.SessionFate) -> int:
    match fate:
        case core.SessionFate.GONE:
            return 0
        case core.SessionFate.UNTOUCHED:
            return 1
        case core.SessionFate.UNKNOWN:
            return 2


class OwnTransport(adapters.SystemTime):
    def send(self, request: core.Request, timeout: float) -> core.Response:
        assert_type(request.method, str)
        assert_type(request.path, str)
        assert_type(request.headers, Mapping[str, str])
        if timeout < 1:
            raise core.TimedOutError("too late", transient=True)
        if len(request.path) > core.MAX_BODY_BYTES:
            raise core.BadResponseError("too large")
        return core.Response(status=200, headers={}, body=b"")


class TransportWithNamesOfItsOwn(adapters.SystemTime):
    def send(self, message: core.Request, seconds: float) -> core.Response:
        return core.Response(status=200, headers={}, body=message.path.encode()[: int(seconds)])


class OwnAsyncTransport(adapters.AsyncSystemTime):
    async def send(self, request: core.Request, timeout: float) -> core.Response:
        error: core.TransportError = core.ConnectFailedError("no route")
        assert_type(error.sent, bool)
        assert_type(error.transient, bool)
        raise core.ConnectionLostError(f"{request.method} {timeout}", stale=True) from error


def swaps_the_transport(service: adapters.FakeService) -> list[core.Transport]:
    asynchronous: list[core.AsyncTransport] = [OwnAsyncTransport(), adapters.AsyncioTransport()]
    asynchronous.append(adapters.AsyncInMemoryTransport(service))
    transports: list[core.Transport] = [OwnTransport(), TransportWithNamesOfItsOwn()]
    return [*transports, adapters.InMemoryTransport(service), adapters.Urllib3Transport()]


def remembers_what_is_open(transport: core.Transport, directory: Path) -> None:
    with adapters.FileJournal(directory) as journal:
        assert_type(journal, adapters.FileJournal)
        for session_id in journal.adopt_orphans():
            assert_type(session_id, str)
        try:
            journal.opened(uuid.uuid4())
        except core.JournalError as error:
            assert_type(error.session_id, str | None)
            os_error: OSError = error
            raise os_error from None
    fleet = adapters.PostgresJournal("postgresql://db.example/jobs", service=None)
    assert_type(fleet.left_alone(), core.LeftAlone)
    recorder: core.Recorder = fleet
    core.DeleteSession(transport, None, journal=recorder)
    journals: list[core.Journal] = [journal, fleet, adapters.InMemoryJournal()]
    assert_type(journals[0].orphans(), list[str])


def is_refused(transport: core.Transport, asynchronous: core.AsyncTransport) -> None:
    """Each line is a mistake that a type checker must find."""
    core.DeleteSession(asynchronous, None)  # type: ignore[arg-type]  # it must be awaited
    core.AsyncDeleteSession(transport, None)  # type: ignore[arg-type]  # it cannot be awaited
    core.DeleteSession(transport)  # type: ignore[call-arg]  # no key is a decision: api_key=None
    core.DeleteSession(transport, "fc-...", core.RetryPolicy())  # type: ignore[call-arg]  # by name only
    core.DeleteSession(transport, None)(42)  # type: ignore[arg-type]  # an id is a str or a UUID
    adapters.Urllib3Transport(timeout=5)  # type: ignore[call-arg]  # time is the policy's
    core.DeleteManySessions(core.AsyncDeleteSession(asynchronous, None))  # type: ignore[arg-type]  # twins do not mix
    receipt = core.DeletionReceipt(session_id="session-1")
    receipt.attempts = 2  # type: ignore[misc]  # a receipt does not change
    adapters.FakeService().queue(core.TimedOutError("late"))  # type: ignore[arg-type]  # no fault of the fake

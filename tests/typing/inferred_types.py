"""What type checkers make of the public names. They alone read this file; it is never run."""

import uuid
from collections.abc import AsyncIterable
from pathlib import Path
from typing import Any, assert_type

from firecrawl_interact import adapters, core


class Browser:
    """What a client returns that has opened a session."""

    id: str


async def open_browser() -> Browser:
    return Browser()


def blocking(transport: core.Transport) -> None:
    with adapters.Urllib3Transport() as owned:
        assert_type(owned, adapters.Urllib3Transport)
    with core.DeleteSession(transport, api_key="fc-...") as delete_session:
        assert_type(delete_session, core.DeleteSession)
    with delete_session.on_exit("session-1", missing_ok=True, retry=core.RetryPolicy()) as ending:
        assert_type(ending, core.SessionScope[Any])
    with delete_session.opening(Browser, missing_ok=True, retry=core.RetryPolicy()) as browser:
        assert_type(browser, Browser)
    assert_type(delete_session.opening(lambda: "session-1"), core.SessionScope[str])
    assert_type(delete_session.opening(dict[str, str]), core.SessionScope[dict[str, str]])
    session_ids: list[str | uuid.UUID] = ["session-1", uuid.uuid4()]
    with core.DeleteManySessions(delete_session, concurrency=2)(session_ids) as deletions:
        assert_type(deletions, core.Deletions)
        for outcome in deletions:
            assert_type(outcome, core.DeletionReceipt | core.DeleteSessionError)
            assert_type((outcome.session_id, outcome.session_fate), tuple[str, core.SessionFate])


async def awaited(transport: core.AsyncTransport, session_ids: AsyncIterable[str]) -> None:
    async with adapters.AsyncioTransport() as owned:
        assert_type(owned, adapters.AsyncioTransport)
    async with core.AsyncDeleteSession(transport, None) as delete_session:
        assert_type(delete_session, core.AsyncDeleteSession)
    assert_type(await delete_session(uuid.uuid4()), core.DeletionReceipt)
    async with delete_session.on_exit(uuid.uuid4()) as ending:
        assert_type(ending, core.AsyncSessionScope[Any])
    async with delete_session.opening(open_browser) as browser:
        assert_type(browser, Browser)
    async with delete_session.opening(lambda: open_browser()) as opened:  # noqa: PLW0108 - as users write it
        assert_type(opened, Browser)
    by_name = delete_session.opening(open_browser, id_of=lambda opened: opened.id)
    assert_type(by_name, core.AsyncSessionScope[Browser])
    assert_type(delete_session.opening(Browser), core.AsyncSessionScope[Browser])
    core.AsyncDeleteManySessions(delete_session, concurrency=2)(["session-1", uuid.uuid4()])
    async with core.AsyncDeleteManySessions(delete_session)(session_ids) as deletions:
        outcomes: list[core.Outcome] = [outcome async for outcome in deletions]
    assert_type(outcomes[0], core.DeletionReceipt | core.DeleteSessionError)


async def from_the_environment() -> None:
    with adapters.delete_session_from_environment(retry=core.RetryPolicy(max_attempts=1)) as owner:
        assert_type(owner, core.DeleteSession)
    async with adapters.async_delete_session_from_environment() as async_owner:
        assert_type(async_owner, core.AsyncDeleteSession)


def reads_an_error(delete_session: core.DeleteSession) -> None:
    try:
        delete_session("session-1")
    except (core.InvalidSessionIdError, core.InvalidApiKeyError) as error:
        value_error: ValueError = error
        raise value_error from None
    except core.DeleteSessionError as error:
        assert_type((error.session_id, error.session_fate), tuple[str, core.SessionFate])


def takes_each_adapter(service: adapters.FakeService, directory: Path) -> None:
    asynchronous: list[core.AsyncTransport] = [adapters.AsyncioTransport()]
    asynchronous.append(adapters.AsyncInMemoryTransport(service))
    blocking: list[core.Transport] = [adapters.Urllib3Transport()]
    blocking.append(adapters.InMemoryTransport(service))
    with adapters.FileJournal(directory) as journal:
        assert_type(journal, adapters.FileJournal)
        assert_type(list(journal.adopt_orphans()), list[str])
        try:
            journal.opened(uuid.uuid4())
        except core.JournalError as error:
            assert_type(error.session_id, str | None)
            os_error: OSError = error
            raise os_error from None
    fleet = adapters.PostgresJournal("postgresql://db.example/jobs", service=None)
    recorder: core.Recorder = fleet
    core.DeleteSession(blocking[0], None, journal=recorder)
    journals: list[core.Journal] = [journal, fleet, adapters.InMemoryJournal()]
    assert_type(journals[0].orphans(), list[str])


def is_refused(transport: core.Transport, asynchronous: core.AsyncTransport) -> None:
    """Each line is a mistake that a type checker must find."""
    core.DeleteSession(asynchronous, None)  # type: ignore[arg-type]  # it must be awaited
    core.AsyncDeleteSession(transport, None)  # type: ignore[arg-type]  # it cannot be awaited
    core.DeleteSession(transport)  # type: ignore[call-arg]  # no key is a decision: api_key=None
    core.DeleteSession(transport, "fc-...", core.RetryPolicy())  # type: ignore[call-arg]  # by name only
    core.DeleteSession(transport, None, on_outcome=lambda: None)  # type: ignore[misc,arg-type]  # it is given one
    core.DeleteSession(transport, None)(42)  # type: ignore[arg-type]  # an id is a str or a UUID
    adapters.Urllib3Transport(timeout=5)  # type: ignore[call-arg]  # time is the policy's
    core.DeleteManySessions(core.AsyncDeleteSession(asynchronous, None))  # type: ignore[arg-type]  # twins do not mix
    receipt = core.DeletionReceipt(session_id="session-1")
    receipt.attempts = 2  # type: ignore[misc]  # a receipt does not change
    adapters.FakeService().queue(core.TimedOutError("late"))  # type: ignore[arg-type]  # no fault of the fake

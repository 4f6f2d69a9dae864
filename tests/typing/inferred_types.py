"""What type checkers make of the public names. They alone read this file; it is never run."""

import uuid
from collections.abc import AsyncIterable
from typing import assert_type

import firecrawl_interact as fi
from firecrawl_interact import core


class Browser:
    """What a client returns that has opened a session."""

    id: str


async def open_browser() -> Browser:
    return Browser()


def blocking(transport: core.Transport) -> None:
    with fi.Urllib3Transport() as owned:
        assert_type(owned, fi.Urllib3Transport)
    with fi.DeleteSession(transport, api_key="fc-...") as delete_session:
        assert_type(delete_session, fi.DeleteSession)
    assert_type(transport.send(fi.Request("DELETE", "/", {}), 1), fi.Response)
    with delete_session.on_exit("session-1", missing_ok=True, retry=fi.RetryPolicy()) as ending:
        assert_type(ending, fi.SessionScope)
    with delete_session.opening(Browser, missing_ok=True, retry=fi.RetryPolicy()) as browser:
        assert_type(browser, Browser)
    assert_type(delete_session.opening(lambda: "session-1"), fi.OpeningScope[str])
    assert_type(delete_session.opening(dict[str, str]), fi.OpeningScope[dict[str, str]])
    session_ids: list[str | uuid.UUID] = ["session-1", uuid.uuid4()]
    with delete_session.many(session_ids, concurrency=2) as deletions:
        assert_type(deletions, fi.Deletions)
        for outcome in deletions:
            assert_type(outcome, fi.DeletionReceipt | fi.DeleteSessionError)
            assert_type((outcome.session_id, outcome.session_fate), tuple[str, fi.SessionFate])


async def awaited(transport: core.AsyncTransport, session_ids: AsyncIterable[str]) -> None:
    async with fi.AsyncioTransport() as owned:
        assert_type(owned, fi.AsyncioTransport)
    async with fi.AsyncDeleteSession(transport, None) as delete_session:
        assert_type(delete_session, fi.AsyncDeleteSession)
    assert_type(await delete_session(uuid.uuid4()), fi.DeletionReceipt)
    async with delete_session.on_exit(uuid.uuid4()) as ending:
        assert_type(ending, fi.AsyncSessionScope)
    async with delete_session.opening(open_browser) as browser:
        assert_type(browser, Browser)
    async with delete_session.opening(lambda: open_browser()) as opened:  # noqa: PLW0108 - as users write it
        assert_type(opened, Browser)
    by_name = delete_session.opening(open_browser, id_of=lambda opened: opened.id)
    assert_type(by_name, fi.AsyncOpeningScope[Browser])
    assert_type(delete_session.opening(Browser), fi.AsyncOpeningScope[Browser])
    delete_session.many(["session-1", uuid.uuid4()], concurrency=2)
    async with delete_session.many(session_ids) as deletions:
        outcomes: list[fi.Outcome] = [outcome async for outcome in deletions]
    assert_type(outcomes[0], fi.DeletionReceipt | fi.DeleteSessionError)


def reads_an_error(delete_session: fi.DeleteSession) -> None:
    try:
        delete_session("session-1")
    except (fi.InvalidSessionIdError, fi.InvalidApiKeyError) as error:
        value_error: ValueError = error
        raise value_error from None
    except fi.DeleteSessionError as error:
        assert_type((error.session_id, error.session_fate), tuple[str, fi.SessionFate])


def is_refused(transport: core.Transport, asynchronous: core.AsyncTransport) -> None:
    """Each line is a mistake that a type checker must find."""
    fi.DeleteSession(asynchronous, None)  # type: ignore[arg-type]  # it must be awaited
    fi.AsyncDeleteSession(transport, None)  # type: ignore[arg-type]  # it cannot be awaited
    fi.DeleteSession(transport)  # type: ignore[call-arg]  # no key is a decision: api_key=None
    fi.DeleteSession(transport, "fc-...", fi.RetryPolicy())  # type: ignore[call-arg]  # by name only
    fi.DeleteSession(transport, None, on_outcome=lambda: None)  # type: ignore[misc,arg-type]  # it is given one
    fi.DeleteSession(transport, None)(42)  # type: ignore[call-overload]  # an id is a str or a UUID
    fi.Urllib3Transport(timeout=5)  # type: ignore[call-arg]  # time is the policy's
    receipt = fi.DeletionReceipt(session_id="session-1")
    receipt.attempts = 2  # type: ignore[misc]  # a receipt does not change
    fi.FakeService().queue(core.TimedOutError("late"))  # type: ignore[arg-type]  # no fault of the fake

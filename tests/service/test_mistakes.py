"""The likeliest mistakes of somebody who uses the library for the first time, and who tells them.

`make check` plays the rows of `TYPES`, in `tests/typing/mistakes.py`. All others are played here.
"""

import asyncio
import logging
import re
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest

import firecrawl_interact as fi
from firecrawl_interact import core

from ..core.scripted_transport import log_records
from ..docs.pages import text_of

SERVICE_URL = "http://127.0.0.1:9"
SCRAPE_ID = str(uuid.UUID(int=7))
DOCUMENT = SimpleNamespace(metadata=SimpleNamespace(scrape_id=SCRAPE_ID))
Given = Any  # A mistake has whatever type.

TYPES = {
    "neither a session's id nor a scrape's",
    "both ids at once",
    "None as a scrape's id",
    "missing_ok beside a scrape's id",
    "session_ids and scrape_ids at once",
    "a call with timeout=",
    "`.fate` in place of `.session_fate`",
    "`.fate` of an error",
    "an awaited call without `await`",
    "`with` in place of `async with`",
    "`async with` in place of `with`",
    "a class in place of a transport",
    "retry=3",
    "timeot=3",
    'pool_size="a"',
    "a key in place of a client",
    "a name of core from the package",
}


def test_type_checkers_refuse_what_they_can() -> None:
    file = Path(__file__).parent.parent / "typing" / "mistakes.py"
    named = re.findall(r"^ *# (?!pyright:)(.+)$", file.read_text("utf-8"), re.MULTILINE)
    assert {*named} == TYPES


@pytest.fixture
def service() -> fi.FakeService:
    return fi.FakeService()


@pytest.fixture
def delete_session(service: fi.FakeService) -> Given:
    return fi.DeleteSession(fi.InMemoryTransport(service), "fc-test")


EXCEPTIONS: dict[str, tuple[Callable[[Given], object], type[Exception], str]] = {
    "the document as a scrape's id": (
        lambda it: it(scrape_id=DOCUMENT),
        core.InvalidSessionIdError,
        "Pass its metadata.scrape_id",
    ),
    "the metadata as a scrape's id": (
        lambda it: it.on_exit(scrape_id=DOCUMENT.metadata),
        core.InvalidSessionIdError,
        "Pass its scrape_id",
    ),
    "None as a scrape's id": (
        lambda it: it.on_exit(scrape_id=None),
        core.InvalidSessionIdError,
        "Pass document.metadata.scrape_id",
    ),
    'f"scrape:{None}"': (
        lambda it: it.on_exit(f"scrape:{None}"),
        core.InvalidSessionIdError,
        "None stands for a value that is missing",
    ),
    "a prefix and scrape_id=": (
        lambda it: it.on_exit(scrape_id=f"scrape:{SCRAPE_ID}"),
        core.InvalidSessionIdError,
        "begins with scrape: already",
    ),
    "an empty text as an id": (lambda it: it(""), core.InvalidSessionIdError, "it is empty"),
    "quotes around an id": (lambda it: it('"a"'), core.InvalidSessionIdError, "the character"),
    "a session's id and a scrape's": (
        lambda it: it("a", scrape_id="b"),
        TypeError,
        "either session_id or scrape_id=",
    ),
    "lists of both": (
        lambda it: it.many(["a"], scrape_ids=["b"]),
        TypeError,
        "either session_ids or scrape_ids=",
    ),
    "ids as one text": (lambda it: it.many("a"), TypeError, "Pass a list"),
    "rows in a list": (lambda it: it.many([("a",)]), TypeError, r"\[0\] must be .*row\[0\]"),
    "documents in a list": (
        lambda it: it.many(scrape_ids=[DOCUMENT]),
        TypeError,
        r"document\.metadata\.scrape_id",
    ),
    "the id of a scrape in a call": (
        lambda it: it(SCRAPE_ID),
        core.SessionNotFoundError,
        "Pass the id of a scrape as scrape_id=",
    ),
    "timeout= of a call": (lambda it: it("a", timeout=3), TypeError, "timeout"),
    "max_retries= of a use case": (
        lambda _: fi.DeleteSession(fi.InMemoryTransport(fi.FakeService()), "k", max_retries=3),  # type: ignore[call-arg] # the point
        TypeError,
        "max_retries",
    ),
    "retry=3 of a call": (lambda it: it("a", retry=3), TypeError, "RetryPolicy"),
    "an API URL without a scheme": (
        lambda _: fi.Urllib3Transport("api.firecrawl.dev"),
        ValueError,
        "https://",
    ),
    "plain http to another machine": (
        lambda _: fi.Urllib3Transport("http://firecrawl.example"),
        ValueError,
        "allow_plain_http",
    ),
    "a newline at the end of the key": (
        lambda _: fi.DeleteSession(fi.InMemoryTransport(fi.FakeService()), "fc-test\n"),
        fi.InvalidApiKeyError,
        "a newline",
    ),
    "a key with Bearer": (
        lambda _: fi.DeleteSession(fi.InMemoryTransport(fi.FakeService()), "Bearer fc-test"),
        fi.InvalidApiKeyError,
        "a Bearer prefix",
    ),
    "the key in headers=": (
        lambda _: fi.DeleteSession(
            fi.InMemoryTransport(fi.FakeService()), None, headers={"Authorization": "Bearer k"}
        ),
        ValueError,
        "sets Authorization",
    ),
    "a class in place of a transport": (
        lambda _: fi.DeleteSession(fi.InMemoryTransport, "fc-test"),  # type: ignore[arg-type] # the point
        TypeError,
        "must be an object, not the class",
    ),
    "an awaited transport": (
        lambda _: fi.DeleteSession(fi.AsyncioTransport(), "fc-test"),  # type: ignore[arg-type] # the point
        TypeError,
        "take AsyncDeleteSession",
    ),
    "a key in place of a client": (
        lambda _: fi.delete_session_for("fc-test"),  # type: ignore[arg-type] # the point
        TypeError,
        "pass the client itself",
    ),
    "a transport to another server than the client's": (
        lambda _: fi.delete_session_for(
            SimpleNamespace(api_key="fc-test", api_url="https://firecrawl.example"),
            transport=fi.Urllib3Transport(),
        ),
        ValueError,
        "the client's sessions are at",
    ),
    "orphans of a journal without a label": (
        lambda _: fi.InMemoryJournal(service=None).orphans(),
        core.JournalError,
        "Pass service=",
    ),
}


@pytest.mark.parametrize(("make", "kind", "words"), EXCEPTIONS.values(), ids=EXCEPTIONS)
def test_an_exception_says_what_to_pass(
    make: Callable[[Given], object],
    kind: type[Exception],
    words: str,
    delete_session: Given,
    service: fi.FakeService,
) -> None:
    with pytest.raises(kind, match=words):
        make(delete_session)
    assert kind is core.SessionNotFoundError or service.requests == []


def never_entered(delete_session: Given, _: fi.FakeService) -> None:
    delete_session.on_exit(scrape_id=SCRAPE_ID)


def never_iterated(delete_session: Given, service: fi.FakeService) -> None:
    delete_session.many([service.open_session()])


def left_by_break(delete_session: Given, service: fi.FakeService) -> None:
    for _ in delete_session.many([service.open_session() for _ in range(3)], concurrency=1):
        break


WARNINGS = {
    "`on_exit` without `with`": (never_entered, "was never entered"),
    "a run that is never iterated": (never_iterated, "never iterated"),
    "a run that is left by `break`": (left_by_break, "left half-way"),
}


@pytest.mark.parametrize(("play", "words"), WARNINGS.values(), ids=WARNINGS)
def test_a_warning_says_so(
    play: Callable[[Given, fi.FakeService], None],
    words: str,
    delete_session: Given,
    service: fi.FakeService,
) -> None:
    with pytest.warns(RuntimeWarning, match=words):
        play(delete_session, service)


def test_a_scrape_s_id_without_its_keyword_in_a_block_is_logged(delete_session: Given) -> None:
    with (
        log_records(logging.WARNING) as records,
        delete_session.on_exit(SCRAPE_ID, missing_ok=True),
    ):
        pass
    assert "scrape_id=" in records[0].getMessage()


def except_of_the_client(delete_session: Given, service: fi.FakeService) -> None:
    """`except FirecrawlError`, the client's own class, around a block."""
    with pytest.raises(LookupError), delete_session.on_exit(service.open_session()):
        raise LookupError


def closed_while_shared(delete_session: Given, service: fi.FakeService) -> None:
    with delete_session:
        pass
    delete_session(service.open_session())


def awaited_in_a_loop(delete_session: Given, service: fi.FakeService) -> None:
    async def main() -> None:
        delete_session(service.open_session())

    asyncio.run(main())


def url_with_a_version(_: Given, __: fi.FakeService) -> None:
    assert (
        fi.Urllib3Transport("https://firecrawl.example/v2").api_url == "https://firecrawl.example"
    )


def url_with_a_path(_: Given, __: fi.FakeService) -> None:
    assert fi.Urllib3Transport("https://example.com/a/v2").api_url == "https://example.com/a"


def mock_as_use_case(_: Given, service: fi.FakeService) -> None:
    double = Mock(spec=fi.DeleteSession)
    double("a")
    assert service.sessions_left_open == []


WORKS = [
    except_of_the_client,
    closed_while_shared,
    awaited_in_a_loop,
    url_with_a_version,
    url_with_a_path,
    mock_as_use_case,
]


@pytest.mark.parametrize("play", WORKS, ids=[play.__name__ for play in WORKS])
def test_nothing_is_lost(
    play: Callable[[Given, fi.FakeService], None], delete_session: Given, service: fi.FakeService
) -> None:
    play(delete_session, service)
    assert service.sessions_left_open == []


def test_a_missing_extra_says_how_to_install_it() -> None:
    code = """if True:
        import sys
        sys.modules["psycopg"] = None
        from firecrawl_interact import PostgresJournal
        PostgresJournal("postgresql://db.example")
    """
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "[postgres]" in done.stderr


CANNOT_BE_SEEN = {
    "a client that repeats its POST": ("README.md", "One attempt, because each can open a session"),
    "a session opened after its block": (
        "docs/getting-started.md",
        "Put one block around all calls of `interact` for a scrape",
    ),
    "an outcome that nobody looks at": ("docs/many-sessions.md", "So look at the class as well"),
    "a sweep that takes a paused process for dead": (
        "docs/when-the-process-dies.md",
        "may count as dead",
    ),
    "a `ttl` of another program": ("docs/getting-started.md", "whole team's sessions"),
}
"""Only the service, or the program itself, could know of these. A page says what to do."""


@pytest.mark.parametrize(("page", "words"), CANNOT_BE_SEEN.values(), ids=CANNOT_BE_SEEN)
def test_a_page_says_what_cannot_be_seen(page: str, words: str) -> None:
    assert words in " ".join(text_of(page).split())

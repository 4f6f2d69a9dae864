"""Likely mistakes that type checkers refuse. They alone read this file; it is never run.

Each `type: ignore` is needed by mypy and by pyright: both report one that is not. The comments are
the names of the rows in `tests/service/test_mistakes.py`.
"""
# pyright: strict, reportUnnecessaryTypeIgnoreComment=true

from firecrawl_interact import (
    AsyncDeleteSession,
    DeleteSession,
    DeleteSessionError,
    InMemoryTransport,
    delete_session_for,
    delete_session_from_environment,
)

# a name of core from the package
from firecrawl_interact import Call  # type: ignore[attr-defined] # isort: skip # noqa: F401


class Firecrawl:
    """A client."""

    api_key: str | None
    api_url: str


def calls(delete_session: DeleteSession, scrape_id: str | None) -> None:
    # neither a session's id nor a scrape's
    delete_session()  # type: ignore[call-overload]
    # both ids at once
    delete_session("a", scrape_id="b")  # type: ignore[call-overload]
    # None as a scrape's id
    delete_session(scrape_id=scrape_id)  # type: ignore[arg-type]
    # missing_ok beside a scrape's id
    delete_session.on_exit(scrape_id="a", missing_ok=True)  # type: ignore[call-overload]
    # session_ids and scrape_ids at once
    delete_session.many(["a"], scrape_ids=["b"])  # type: ignore[call-overload]
    # a call with timeout=
    delete_session("a", timeout=3)  # type: ignore[call-overload]
    # `.fate` in place of `.session_fate`
    print(delete_session("a").fate)  # type: ignore[attr-defined]


def errors(error: DeleteSessionError) -> None:
    # `.fate` of an error
    print(error.fate)  # type: ignore[attr-defined]


async def awaited(delete_session: AsyncDeleteSession) -> None:
    # an awaited call without `await`
    delete_session("a")  # type: ignore[unused-coroutine]
    # `with` in place of `async with`
    with delete_session.on_exit("a"):  # type: ignore[attr-defined]
        pass


async def blocking(delete_session: DeleteSession) -> None:
    # `async with` in place of `with`
    async with delete_session.on_exit("a"):  # type: ignore[attr-defined]
        pass


def construction(firecrawl: Firecrawl) -> None:
    # a class in place of a transport
    DeleteSession(InMemoryTransport, "fc-test")  # type: ignore[arg-type]
    # retry=3
    delete_session_for(firecrawl, retry=3)  # type: ignore[arg-type]
    # timeot=3
    delete_session_from_environment(timeot=3)  # type: ignore[call-arg]
    # pool_size="a"
    delete_session_from_environment(pool_size="a")  # type: ignore[arg-type]
    # a key in place of a client
    delete_session_for("fc-test")  # type: ignore[arg-type]

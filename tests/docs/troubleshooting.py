"""Writes the tables of the page "Troubleshooting" from the errors themselves.

python -m tests.docs.troubleshooting
"""

import os
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

from firecrawl_interact.adapters import (
    FakeService,
    FileJournal,
    InMemoryTransport,
    LostResponse,
    NoResponse,
    Reply,
    SystemTime,
    delete_session_from_environment,
)
from firecrawl_interact.core import (
    BadResponseError,
    ConnectFailedError,
    DeleteManySessions,
    DeleteSession,
    DeleteSessionError,
    FirecrawlInteractError,
    Request,
    Response,
    RetryPolicy,
    TransportError,
)

from .pages import ROOT

PAGE = ROOT / "docs" / "troubleshooting.md"
ID = "0199a7c4-5d1e-7b60-9f3a-2c8e4d6b1a57"
ONCE = RetryPolicy(max_attempts=1)
HOST = "api.firecrawl.dev:443"
PAGE_OF_A_GATEWAY = Reply(403, b"<html>", {"content-type": "text/html"})


class Fails(SystemTime):
    """A transport on which each request fails in the same way."""

    def __init__(self, error: TransportError, cause: Exception | None = None) -> None:
        self._error, self._error.__cause__ = error, cause

    def send(self, request: Request, timeout: float) -> Response:
        raise self._error


def delete(session_id: object = ID, *faults: Reply | NoResponse | LostResponse) -> object:
    """Delete a session of a service that has these faults."""
    service = FakeService(["fc-test"])
    service.open_session(ID)
    service.queue(*faults)
    delete_session = DeleteSession(InMemoryTransport(service), "fc-test", retry=ONCE)
    return delete_session(session_id)  # type: ignore[arg-type]  # some are mistakes


def says(status: int, words: str) -> object:
    """Delete a session, and get this from the service."""
    return delete(ID, Reply(status, json={"success": status == 200 and not words, "error": words}))


def fails(error: TransportError, cause: Exception | None = None) -> object:
    return DeleteSession(Fails(error, cause), "fc-test", retry=ONCE)(ID)


def no_connection(words: str, cause: Exception | None = None) -> object:
    return fails(ConnectFailedError(f"no connection to {HOST}: {words}"), cause)


def no_tls(reason: str, words: str) -> object:
    cause = ssl.SSLError(1, f"[SSL: {reason}] {words}")
    cause.reason = reason
    return no_connection(f"[SSL: {reason}] {words}", cause)


def opens(opened: object) -> object:
    delete_session = DeleteSession(InMemoryTransport(FakeService()), "fc-test")
    with delete_session.opening(lambda: opened, id_of=lambda opened: opened["id"]):  # type: ignore[index]
        return opened


def key(api_key: object) -> object:
    return DeleteSession(Fails(ConnectFailedError("")), api_key)  # type: ignore[arg-type]


def without_variables() -> object:
    with patch.dict(os.environ, clear=True):
        return delete_session_from_environment()


def run(*faults: Reply, service: FakeService | None = None) -> NoReturn:
    """Let a run end early, and raise why, or what became of an id that it never sent."""
    service = service or FakeService(["fc-test"])
    for fault in faults:
        service.outage(10_000, fault)
    delete_session = DeleteSession(InMemoryTransport(service), "fc-test")
    list(DeleteManySessions(delete_session)(service.open_session() for _ in range(20)))
    raise AssertionError("the run has ended well")


def not_tried() -> NoReturn:
    """Stop a run while its iterator works, and raise the outcome of the id that comes then."""
    service = FakeService(["fc-test"])
    delete_session = DeleteSession(InMemoryTransport(service), "fc-test")

    def ids() -> Iterator[str]:
        deletions.stop()
        yield service.open_session()

    deletions = DeleteManySessions(delete_session)(ids())
    [outcome] = deletions
    assert isinstance(outcome, DeleteSessionError)
    raise outcome


def journal(*, is_a_file: bool = False) -> None:
    """Use a journal that is closed, or whose directory is a file."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "open-sessions"
        try:
            if is_a_file:
                place.touch()
            closed = FileJournal(place)
            closed.close()
            closed.opened(ID)
        except FirecrawlInteractError as error:
            error.args = (str(error).replace(folder, "/var/lib/my-app"),)
            raise


CASES: dict[str, list[Callable[[], object]]] = {
    "Before anything is sent": [
        lambda: key("fc-test\n"),
        lambda: key('"fc-test"'),
        lambda: key("Bearer fc-test"),
        lambda: key("fc test"),
        lambda: key(""),
        lambda: key(7),
        without_variables,
        lambda: delete(""),
        lambda: delete(f'"{ID}"'),
        lambda: delete(f"{ID}\n"),
        lambda: delete(7),
        lambda: delete([ID]),
        lambda: delete({"id": ID}),
    ],
    "No response came": [
        lambda: no_connection("[Errno 111] Connection refused"),
        lambda: no_connection("[Errno -2] Name or service not known", socket.gaierror()),
        lambda: no_tls("CERTIFICATE_VERIFY_FAILED", "certificate verify failed"),
        lambda: no_tls("WRONG_VERSION_NUMBER", "wrong version number"),
        lambda: fails(
            ConnectFailedError("this transport was used after it was closed", transient=False)
        ),
        lambda: delete(ID, NoResponse()),
        lambda: delete(ID, LostResponse()),
        lambda: fails(BadResponseError("not an HTTP/1 response")),
    ],
    "A response came": [
        lambda: says(400, "Bad request."),
        lambda: says(401, "Unauthorized: Invalid token"),
        lambda: says(402, "Payment required."),
        lambda: says(403, "Forbidden."),
        lambda: says(403, "Your account has been banned."),
        lambda: delete(ID, PAGE_OF_A_GATEWAY),
        lambda: says(404, "Browser session not found."),
        lambda: says(404, "Hangar request failed."),
        lambda: says(404, "Cannot DELETE /v1/v2/interact"),
        lambda: says(429, "Rate limit exceeded. Please retry after 20s"),
        lambda: says(200, "Not stopped."),
        lambda: says(500, "An unexpected error occurred."),
        lambda: says(503, ""),
        lambda: delete(ID, Reply(302, b"", {"location": "/sign-in"})),
        lambda: delete(ID, Reply(200, b"<html>", {"content-type": "text/html"})),
    ],
    "A run, a block or a journal": [
        not_tried,
        lambda: run(Reply(503)),
        lambda: run(Reply(429, headers={"retry-after": "3600"})),
        lambda: run(Reply(200, b"<html>", {"content-type": "text/html"})),
        lambda: opens({"session": ID}),
        lambda: opens({"id": None, "error": "You have reached the maximum number of sessions."}),
        journal,
        lambda: journal(is_a_file=True),
    ],
}


def classes(
    root: type[FirecrawlInteractError] = FirecrawlInteractError,
) -> Iterator[type[Exception]]:
    """Yield the errors that have none below them: these are what users meet."""
    below = root.__subclasses__()
    if not below:
        yield root
    for one in below:
        yield from classes(one)


def error_of(case: Callable[[], object]) -> FirecrawlInteractError:
    try:
        case()
    except FirecrawlInteractError as error:
        return error
    raise AssertionError(f"{case} raises nothing")


def row(error: FirecrawlInteractError) -> str:
    """Write what an error says in a row: its words, its class, and what can be done."""
    reason, advice = str(error.args[0]), error.advice
    if not isinstance(error, DeleteSessionError):  # That one says more between the two.
        reason, _, advice = str(error).partition(". ")
    shown = reason.replace("|", r"\|").replace("<", "&lt;")
    means = f"`{type(error).__name__}`"
    if isinstance(error, DeleteSessionError):
        means += f", `{error.session_fate.name}`"
    return f"| {shown} | {means}. {advice} |"


def tables() -> str:
    """Write a table for each kind of trouble.

    Raises:
        AssertionError: an error of the library stands in none.
    """
    shown: set[type[Exception]] = set()
    parts = []
    for title, cases in CASES.items():
        errors = [error_of(case) for case in cases]
        shown |= {type(error) for error in errors}
        head = ["| the message says | the error, and what to do |", "|---|---|"]
        parts.append("\n".join([f"## {title}", "", *head, *dict.fromkeys(map(row, errors))]))
    missing = [one.__name__ for one in classes() if one not in shown]
    assert not missing, f"the page does not have {missing}"
    return "\n\n".join(parts)


def page() -> str:
    """Return the page with its tables as the errors are now."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition("<!-- errors: begin -->")
    _, found, after = rest.partition("<!-- errors: end -->")
    assert found, "the page has no place for its tables"
    return f"{before}<!-- errors: begin -->\n\n{tables()}\n\n<!-- errors: end -->{after}"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

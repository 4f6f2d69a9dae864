"""The check for whoever has a key: against the fake, and against services that break a rule."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pytest

from firecrawl_interact.adapters import FakeService, Fault, LoopbackService, LostResponse, Reply
from firecrawl_interact.core import Request, Response

from . import rules
from .check import Check
from .rules import Rule

pytestmark = pytest.mark.enable_socket

KEY = "fc-0123456789abcdef0123456789abcdef"
ROOT = Path(__file__).parents[2]
RULES = [rule for rule in vars(rules).values() if isinstance(rule, Rule)]

Break: TypeAlias = Callable[[Request, Response], Response]
IsMeant: TypeAlias = Callable[[Request, Response], object]

SCRAPED = {"metadata": {"scrapeId": "0199a7c4-5d1e-7b60-9f3a-2c8e4d6b1a57"}}


class LiveService(FakeService):
    """A service that also scrapes, and may break a rule."""

    def __init__(self, break_rule: Break = lambda request, response: response) -> None:
        super().__init__([KEY])
        self._break = break_rule

    def respond(self, request: Request, body: bytes = b"") -> tuple[Response, Fault | None]:
        if request.path == "/v2/scrape":
            return changed(Response(200, {}, b"{}"), data=SCRAPED), None
        response, fault = super().respond(request, body)
        return self._break(request, response), fault


def changed(response: Response, status: int | None = None, **content: object) -> Response:
    """Return a response with another status and other fields. None: without that field."""
    fields = msgspec.json.decode(response.body, type=dict[str, object]) | content
    body = msgspec.json.encode({name: value for name, value in fields.items() if value is not None})
    headers = {**response.headers, "content-length": str(len(body))}
    return Response(status or response.status, headers, body)


def instead(is_meant: IsMeant, status: int | None = None, **content: object) -> Break:
    """Break a rule by changing the responses that are meant."""

    def break_rule(request: Request, response: Response) -> Response:
        return changed(response, status, **content) if is_meant(request, response) else response

    return break_rule


def first(path: str) -> IsMeant:
    """Mean the first delete of each session there."""
    return lambda request, response: (
        re.fullmatch(path, request.path) and b"sessionDurationMs" in response.body
    )


def repeated(request: Request, response: Response) -> bool:
    return b"creditsBilled" in response.body and b"sessionDurationMs" not in response.body


def saying(words: str, path: str = "/v2/interact/") -> IsMeant:
    return lambda request, response: (
        request.path.startswith(path) and words.encode() in response.body
    )


LOWER, UPPER = "/v2/interact/[0-9a-f-]+", "/v2/interact/[0-9A-F-]+"
SCRAPES = "/v2/scrape/"
UNKNOWN = saying("session not found")
NO_UUID = saying("UNKNOWN_ERROR")
NO_SESSION = saying("session not found", SCRAPES)
NO_JOB = saying("Invalid job ID", SCRAPES)
NEW_TEXT = "the text is not 'Browser session not found.'"


def no_page(request: Request, response: Response) -> Response:
    return Response(404, {}, b"{}") if b"<html" in response.body else response


def no_etag(request: Request, response: Response) -> Response:
    headers = {name: value for name, value in response.headers.items() if name != "etag"}
    return Response(response.status, headers, response.body)


# The request whose rule is broken, how, and what the check says then.
BROKEN: list[tuple[str, Break, str]] = [
    ("open a session", instead(saying('"id"', "/v2/interact"), 201), "HTTP 201, not 200"),
    ("open another one", instead(saying('"id"', "/v2/browser"), 201), "HTTP 201, not 200"),
    ("delete it", instead(first(LOWER), creditsBilled=None), "creditsBilled is missing"),
    ("delete it", instead(first(LOWER), sessionDurationMs="x"), "sessionDurationMs is 'x'"),
    ("delete it", instead(first(LOWER), success=False), "success is False, not True"),
    ("the headers of that", no_etag, "no etag"),
    ("delete it again", instead(repeated, sessionDurationMs=1), "sessionDurationMs is there"),
    ("delete it in upper case", instead(first(UPPER), 404), "HTTP 404, not 200"),
    ("delete what never existed", instead(UNKNOWN, 200, success=True), "HTTP 200, not 404"),
    ("delete what never existed", instead(UNKNOWN, error="No such session."), NEW_TEXT),
    ("delete an id that is no UUID", instead(NO_UUID, 404), "HTTP 404, not 500"),
    ("use a wrong key", instead(saying("Unauthorized"), 403), "HTTP 403, not 401"),
    ("ask for no route, without a key", no_page, "it is no HTML page"),
    ("interact with a scrape", instead(saying("sessionId", SCRAPES), 201), "HTTP 201, not 200"),
    ("delete by the scrape", instead(first(f"{SCRAPES}.*"), 201), "HTTP 201, not 200"),
    ("delete by a scrape without a session", instead(NO_SESSION, 403), "HTTP 403, not 404"),
    ("delete by a scrape that is no UUID", instead(NO_JOB, 404), "HTTP 404, not 400"),
]


def compare(service: FakeService, **options: Any) -> Check:  # Any: as `Check` has them
    with LoopbackService(service) as loopback:
        check = Check(loopback.api_url, KEY, **{"say": lambda line: None, **options})
        check.run(with_scrape=True)
    assert service.sessions_left_open == []
    return check


def test_the_fake_is_as_the_page_says() -> None:
    service = LiveService()
    check = compare(service)
    assert {entry.verdict for entry in check.entries} == {"as the page says"}
    opened = [request for request in service.requests if request.method == "POST"]
    assert len(opened) == 3


@pytest.mark.parametrize(("what", "break_rule", "difference"), BROKEN)
def test_each_broken_rule_is_found(what: str, break_rule: Break, difference: str) -> None:
    check = compare(LiveService(break_rule))
    found = {entry.what: entry.verdict for entry in check.entries}
    assert found.pop(what) == f"differs: {difference}"
    assert set(found.values()) == {"as the page says"}


def test_each_header_of_the_page_is_looked_for() -> None:
    told = {"x-request-id": "1", "retry-after": "1"}
    assert rules.HEADERS.judge(Response(200, told, b"")) == (
        "differs: no etag, no x-response-time, no date, no keep-alive: timeout=5,"
        " x-request-id is there, retry-after is there"
    )


def test_each_rule_is_one_of_the_page_and_is_broken_once() -> None:
    page = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    assert [rule.page for rule in RULES if rule.page not in page] == []
    assert {what for what, _, _ in BROKEN} == {
        entry.what for entry in compare(LiveService()).entries
    }


def test_what_opens_nothing_is_in_the_transcript_and_the_rest_goes_on() -> None:
    service = LiveService()
    service.queue(Reply(402, json={"success": False, "error": "Insufficient credits."}))
    check = compare(service)
    verdicts = [(entry.what, entry.verdict) for entry in check.entries]
    assert verdicts[0] == ("open a session", "differs: HTTP 402, not 200")
    assert {verdict for _, verdict in verdicts[1:]} == {"as the page says"}
    assert "Insufficient credits." in check.transcript()


def test_a_lost_response_differs_and_a_rate_limit_is_waited_for() -> None:
    service, waited = LiveService(), list[float]()
    service.queue(Reply(402, json={}), Reply(402, json={}))  # for what opens sessions
    service.queue(Reply(429, json={"success": False, "error": "Please retry after 7s, resets at"}))
    service.queue(LostResponse())
    check = compare(service, sleep=waited.append)
    assert waited == [7.5]
    assert check.entries[2].verdict == "differs: no response"


@pytest.mark.parametrize("line", range(3))
def test_each_session_is_ended_if_the_check_is_interrupted(line: int) -> None:
    def interrupt(said: str) -> None:
        lines.append(said)
        if len(lines) > line:
            raise KeyboardInterrupt

    lines: list[str] = []
    service = LiveService()
    with pytest.raises(KeyboardInterrupt):
        compare(service, say=interrupt)
    assert service.sessions_left_open == []


def test_the_transcript_holds_neither_key_nor_ids() -> None:
    check = compare(LiveService())
    transcript = check.transcript()
    assert KEY not in transcript
    assert re.search("[0-9a-f]{8}-[0-9a-f]{4}", transcript) is None
    assert "## delete it\n\n**as the page says**" in transcript
    assert "The library says: destroyed, 2 credits" in transcript
    assert "x-response-time: 0.000ms" in transcript


@pytest.mark.parametrize(
    ("break_rule", "answer", "status"),
    [
        (lambda request, response: response, "yes\n", 0),
        (instead(NO_UUID, 404), "yes\n", 1),
        (lambda request, response: response, "no\n", 2),
    ],
    ids=["as the page says", "differs", "not wanted"],
)
def test_it_asks_first_and_writes_a_transcript(
    break_rule: Break, answer: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = LiveService(break_rule)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("FIRECRAWL_API_KEY", KEY)
    monkeypatch.setenv("SCRAPE", "1")
    with LoopbackService(service) as loopback:
        monkeypatch.setenv("FIRECRAWL_API_URL", loopback.api_url)
        command = [sys.executable, "-m", "tests.live"]
        done = subprocess.run(
            command, check=False, cwd=tmp_path, input=answer, capture_output=True, text=True
        )
    assert done.returncode == status, done.stderr
    assert "opens 3 sessions of 30 seconds" in done.stdout
    assert "It may cost up to 14 credits" in done.stdout
    assert (tmp_path / "build" / "live.md").exists() is (status < 2)
    assert bool(service.requests) is (status < 2)
    assert service.sessions_left_open == []

"""The check for whoever has a key: against the fake, and against services that break a rule."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

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

SCRAPED = {"metadata": {"scrapeId": "0199a7c4-5d1e-7b60-9f3a-2c8e4d6b1a57"}}


class LiveService(FakeService):
    """A service that also scrapes, and changes the responses that match: a path, and a body."""

    def __init__(self, pattern: str | None = None, **changes: Any) -> None:
        super().__init__([KEY])
        self._pattern, self._changes = pattern, changes

    def respond(self, request: Request, body: bytes = b"") -> tuple[Response, Fault | None]:
        if request.path == "/v2/scrape":
            return changed(Response(200, {}, b"{}"), data=SCRAPED), None
        response, fault = super().respond(request, body)
        said = f"{request.path} {response.body.decode()}"
        if self._pattern is not None and re.search(self._pattern, said):
            response = changed(response, **self._changes)
        return response, fault


def changed(response: Response, status: int = 0, without: str = "", **content: object) -> Response:
    """Return a response with another status, without a header, and with other fields, or without.

    None: without that field.
    """
    body = response.body
    if content:
        fields = msgspec.json.decode(body, type=dict[str, object]) | content
        body = msgspec.json.encode({name: it for name, it in fields.items() if it is not None})
    headers = {name: value for name, value in response.headers.items() if name != without}
    headers["content-length"] = str(len(body))
    return Response(status or response.status, headers, body)


LOWER, UPPER = r"^/v2/interact/[0-9a-f-]+ ", r"^/v2/interact/[0-9A-F-]+ "
FIRST = f"{LOWER}.*sessionDurationMs"
UNKNOWN = "^/v2/interact/.*session not found"
NEW_TEXT = "the text is not 'Browser session not found.'"

# The request whose rule is broken, which responses are changed, how, and what the check says then.
BROKEN: list[tuple[str, str, dict[str, Any], str]] = [
    ("open a session", "^/v2/interact ", {"status": 201}, "HTTP 201, not 200"),
    ("open another one", "^/v2/browser ", {"status": 201}, "HTTP 201, not 200"),
    ("delete it", FIRST, {"creditsBilled": None}, "creditsBilled is missing"),
    ("delete it", FIRST, {"sessionDurationMs": "x"}, "sessionDurationMs is 'x'"),
    ("delete it", FIRST, {"success": False}, "success is False, not True"),
    ("the headers of that", FIRST, {"without": "etag"}, "no etag"),
    (
        "delete it again",
        f"{LOWER}(?!.*sessionDurationMs).*creditsBilled",
        {"sessionDurationMs": 1},
        "sessionDurationMs is there",
    ),
    ("delete it in upper case", f"{UPPER}.*Duration", {"status": 404}, "HTTP 404, not 200"),
    ("delete what never existed", UNKNOWN, {"status": 400}, "HTTP 400, not 404"),
    ("delete what never existed", UNKNOWN, {"success": None}, "success is None, not False"),
    ("delete what never existed", UNKNOWN, {"error": "No."}, NEW_TEXT),
    ("delete an id that is no UUID", "UNKNOWN_ERROR", {"status": 404}, "HTTP 404, not 500"),
    ("use a wrong key", "Unauthorized", {"status": 403}, "HTTP 403, not 401"),
    ("ask for no route, without a key", "<html", {"without": "content-type"}, "it is no HTML page"),
    ("interact with a scrape", "^/v2/scrape/.*sessionId", {"status": 201}, "HTTP 201, not 200"),
    ("delete by the scrape", "^/v2/scrape/.*Duration", {"status": 201}, "HTTP 201, not 200"),
    (
        "delete by a scrape without a session",
        "^/v2/scrape/.*session not found",
        {"status": 403},
        "HTTP 403, not 404",
    ),
    ("delete by a scrape that is no UUID", "Invalid job ID", {"status": 404}, "HTTP 404, not 400"),
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


@pytest.mark.parametrize(("what", "pattern", "changes", "difference"), BROKEN)
def test_each_broken_rule_is_found(
    what: str, pattern: str, changes: dict[str, Any], difference: str
) -> None:
    check = compare(LiveService(pattern, **changes))
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
    assert {what for what, *_ in BROKEN} == {entry.what for entry in compare(LiveService()).entries}


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
    ("service", "answer", "status"),
    [
        (LiveService(), "yes\n", 0),
        (LiveService("UNKNOWN_ERROR", status=404), "yes\n", 1),
        (LiveService(), "no\n", 2),
    ],
    ids=["as the page says", "differs", "not wanted"],
)
def test_it_asks_first_and_writes_a_transcript(
    service: LiveService, answer: str, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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

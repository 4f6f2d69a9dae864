"""Compares a service with `docs/service.md`: `make live`, for whoever has a key.

It opens three sessions at most, for 30 seconds each, and ends each of them however it ends itself.
"""

import contextlib
import json
import os
import re
import sys
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import Message
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener
from urllib.request import Request as Post

from firecrawl_interact.adapters import SystemTime, Urllib3Transport
from firecrawl_interact.adapters.environment import service_address
from firecrawl_interact.core import (
    DeleteSession,
    DeleteSessionError,
    NothingOpenedError,
    RateLimitError,
    Request,
    Response,
    RetryPolicy,
)

from .rules import (
    Rule,
    content_of,
    destroyed,
    destroyed_before,
    no_route,
    opened,
    refused,
)

TRANSCRIPT = Path("build/live.md")
TTL = 30  # seconds that a session lives if all else fails
_IDS = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_NOT_FOUND = refused(404, "Browser session not found.")


class Entry(NamedTuple):
    """What came of one request."""

    what: str
    verdict: str
    seconds: float
    response: Response | None
    outcome: str


class _Listening(SystemTime):
    """Keeps the last response, and how long it took."""

    def __init__(self, transport: Urllib3Transport) -> None:
        self._transport = transport
        self.response: Response | None = None
        self.seconds = 0.0

    def send(self, request: Request, timeout: float) -> Response:
        began, self.response = time.monotonic(), None
        try:
            self.response = self._transport.send(request, timeout)
        finally:
            self.seconds = time.monotonic() - began
        return self.response


class Check:
    """One comparison of a service with the page."""

    def __init__(self, api_url: str, api_key: str) -> None:
        self.entries: list[Entry] = []
        self._api_url, self._api_key = api_url, api_key
        self._transport = Urllib3Transport(api_url)
        self._listening = _Listening(self._transport)
        self._once = partial(DeleteSession, self._listening, retry=RetryPolicy(max_attempts=1))
        self._delete = self._once(api_key)

    def run(self, *, with_scrape: bool) -> bool:
        """Compare everything, and return whether all was as the page says."""
        parts = [self._compare_deletes, self._compare_refusals]
        parts += [self._compare_scrape] if with_scrape else []
        with self._transport:
            for compare in parts:
                with contextlib.suppress(NothingOpenedError):  # The transcript shows that.
                    compare()
        return all(entry.verdict == "as the page says" for entry in self.entries)

    def transcript(self) -> str:
        """Return what came of it in Markdown, without key and ids."""
        lines = [
            f"# {self._api_url} beside docs/service.md",
            "",
            f"{datetime.now(UTC):%Y-%m-%d}",
            "",
        ]
        for entry in self.entries:
            lines += [f"## {entry.what}", "", f"**{entry.verdict}**, {entry.seconds:.1f} s", ""]
            lines += [f"The library says: {entry.outcome}", ""] if entry.outcome else []
            if entry.response is not None:
                lines += ["```text", f"HTTP {entry.response.status}"]
                for name, value in entry.response.headers.items():
                    lines += [f"{name}: {value}"] if name != "set-cookie" else []
                lines += ["", entry.response.body.decode(errors="replace"), "```", ""]
        return _IDS.sub("<id>", "\n".join(lines)).replace(self._api_key, "<key>")

    def _compare_deletes(self) -> None:
        with self._session("open a session", opened, "/v2/interact") as session_id:
            self._end("delete it", destroyed, session_id)
            self._end("delete it again", destroyed_before, session_id)
        with self._session("open another one", opened, "/v2/browser") as session_id:
            self._end("delete it in upper case", destroyed, session_id.upper())

    def _compare_refusals(self) -> None:
        self._end("delete what never existed", _NOT_FOUND, str(uuid.uuid4()))
        no_uuid = refused(500, "An unexpected error occurred.")
        self._end("delete an id that is no UUID", no_uuid, "session-1")
        with_wrong_key = self._once("fc-00000000000000000000000000000000")
        wrong_key = refused(401, "Unauthorized")
        self._end("use a wrong key", wrong_key, str(uuid.uuid4()), with_wrong_key)
        self._listening.send(Request("DELETE", "/v2/interact/a/b/c", {}), timeout=90)
        self._note("ask for no route, without a key", no_route)

    def _compare_scrape(self) -> None:
        scraped = content_of(self._post("/v2/scrape", url="https://example.com"))
        scrape_id = scraped["data"]["metadata"]["scrapeId"]
        path = f"/v2/scrape/{scrape_id}/interact"
        opened_by_scrape = partial(opened, name="sessionId")
        with self._session("interact with a scrape", opened_by_scrape, path):
            self._end("delete by the scrape", destroyed, f"scrape:{scrape_id}")
        self._end("delete by a scrape without a session", _NOT_FOUND, f"scrape:{uuid.uuid4()}")
        no_uuid = refused(400, "Invalid job ID format.")
        self._end("delete by a scrape that is no UUID", no_uuid, "scrape:session-1")

    @contextlib.contextmanager
    def _session(self, what: str, rule: Rule, path: str) -> Iterator[str]:
        """Open a session, and end it when the block ends, if that did not."""
        delete_session = DeleteSession(self._transport, self._api_key)
        opening = delete_session.opening(partial(self._open, path), id_of=_id_of, missing_ok=True)
        try:
            with opening:
                self._note(what, rule)
                yield str(opening.session_id)
        except NothingOpenedError:
            self._note(what, rule)
            raise

    def _open(self, path: str) -> dict[str, Any]:
        self._listening.response = None
        self._listening.response = self._post(path, ttl=TTL, code="1")
        return content_of(self._listening.response)

    def _post(self, path: str, **content: object) -> Response:
        headers = {"Authorization": f"Bearer {self._api_key}", "Content-Type": "application/json"}
        post = Post(self._api_url + path, json.dumps(content).encode(), headers)  # noqa: S310 - as given
        opener = build_opener(*([ProxyHandler({})] if "//127.0.0.1" in self._api_url else []))
        began = time.monotonic()
        try:
            with opener.open(post, timeout=180) as opened:
                response = Response(opened.status, _lowered(opened.headers), opened.read())
        except HTTPError as refused:
            response = Response(refused.code, _lowered(refused.headers), refused.read())
        self._listening.seconds = time.monotonic() - began
        return response

    def _end(
        self, what: str, rule: Rule, session_id: str, delete: DeleteSession | None = None
    ) -> None:
        """Delete a session once, or once more after a rate limit."""
        delete = delete or self._delete
        try:
            outcome = f"destroyed, {delete(session_id).credits_billed} credits"
        except RateLimitError as limited:
            print(f"rate limit: waiting for {limited.retry_after or 60:.0f} s")
            time.sleep(limited.retry_after or 60)
            self._end(what, rule, session_id, delete)
            return
        except DeleteSessionError as error:
            outcome = f"{type(error).__name__}, {error.session_fate}"
        self._note(what, rule, outcome)

    def _note(self, what: str, rule: Rule, outcome: str = "") -> None:
        """Compare the last response with a rule."""
        response = self._listening.response
        difference = "no response" if response is None else rule(response)
        verdict = f"differs: {difference}" if difference else "as the page says"
        self.entries.append(Entry(what, verdict, self._listening.seconds, response, outcome))
        print(f"{what}: {verdict}")


def _id_of(content: dict[str, Any]) -> str:
    return str(content.get("id") or content["sessionId"])


def _lowered(headers: Message) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def main() -> int:
    """Ask, compare, and write the transcript. 0: all is as the page says."""
    api_key = os.environ.get("FIRECRAWL_API_KEY", "")
    if not api_key:
        print("Set FIRECRAWL_API_KEY to a key of the service.")
        return 2
    with_scrape = bool(os.environ.get("SCRAPE"))
    api_url = str(service_address(None, allow_plain_http=False))
    sessions, most = (3, 14) if with_scrape else (2, 9)
    print(
        f"This opens {sessions} sessions of {TTL} seconds at {api_url} and ends them.\n"
        f"It may cost up to {most} credits of the account behind FIRECRAWL_API_KEY."
    )
    if input("Type yes to go on: ").strip().lower() != "yes":
        print("Nothing was sent.")
        return 2
    check = Check(api_url, api_key)
    try:
        is_so = check.run(with_scrape=with_scrape)
    finally:
        TRANSCRIPT.parent.mkdir(exist_ok=True)
        TRANSCRIPT.write_text(check.transcript(), encoding="utf-8")
        print(f"{TRANSCRIPT} has the responses, without key and ids: send it with an issue.")
    return 0 if is_so else 1


if __name__ == "__main__":
    sys.exit(main())

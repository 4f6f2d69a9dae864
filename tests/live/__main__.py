"""Compares a service with `docs/service.md`: `make live`, for whoever has a key.

It opens four sessions at most, for 30 seconds each, and ends each of them however it ends itself.
"""

import json
import os
import re
import sys
import time
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import urllib3

from firecrawl_interact import DeleteSession, Urllib3Transport
from firecrawl_interact.adapters.environment import service_address
from firecrawl_interact.core import Response, request_headers
from firecrawl_interact.core.wire import parse_response

TRANSCRIPT = Path("build/live.md")
NO_SUCH_KEY = "fc-00000000000000000000000000000000"
_IDS = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


class Rule(NamedTuple):
    """A request, and what the page says of its response."""

    what: str
    # {session} and {scrape} are those that were opened last, {uuid} is nobody's, here and below
    request: str
    status: int
    fields: Mapping[str, str]  # patterns for fields of the JSON, and for headers
    content: Mapping[str, object] | None = None
    api_key: str | None = None  # None: that of the user; empty: none


def failure(words: str) -> Mapping[str, str]:
    return {"success": "false", "error": f'"{re.escape(words)}.*'}


TTL = {"ttl": 30}  # seconds that a session lives if all else fails
UUID_7 = '"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f-]{17}"'
BILLED = {"success": "true", "creditsBilled": "[0-9.]+"}
DESTROYED = {**BILLED, "sessionDurationMs": "[0-9.]+"}
DESTROYED_BEFORE = {**BILLED, "sessionDurationMs": "null"}
NOT_FOUND = failure("Browser session not found.")
NO_UUID = failure("An unexpected error occurred.")
NO_SCRAPE = failure("Invalid job ID format.")
NO_KEY = failure("Unauthorized")
PAGE = {"content-type": '"text/html.*'}

RULES = (
    Rule("open a session", "POST /v2/interact", 200, {"id": UUID_7}, TTL),
    Rule("delete it", "DELETE /v2/interact/{session}", 200, DESTROYED),
    Rule("delete it again", "DELETE /v2/interact/{session}", 200, DESTROYED_BEFORE),
    Rule("open another one", "POST /v2/browser", 200, {"id": UUID_7}, TTL),
    Rule("delete it in upper case", "DELETE /v2/interact/{SESSION}", 200, DESTROYED),
    Rule("delete what never existed", "DELETE /v2/interact/{uuid}", 404, NOT_FOUND),
    Rule("delete an id that is no UUID", "DELETE /v2/interact/session-1", 500, NO_UUID),
    Rule("use a wrong key", "DELETE /v2/interact/{uuid}", 401, NO_KEY, api_key=NO_SUCH_KEY),
    Rule("ask for no route, without a key", "DELETE /v2/interact/a/b/c", 404, PAGE, api_key=""),
)
URL, CODE = {"url": "https://example.com"}, {**TTL, "code": "1"}
ADOPT = {**CODE, "existingSessionId": "{session}"}
RULES_OF_SCRAPES = (
    Rule("scrape a page", "POST /v2/scrape", 200, {"success": "true"}, URL),
    Rule("open its session", "POST /v2/scrape/{scrape}/interact", 200, {"sessionId": UUID_7}, CODE),
    Rule("delete that", "DELETE /v2/scrape/{scrape}/interact", 200, DESTROYED),
    Rule("delete by an unknown scrape", "DELETE /v2/scrape/{uuid}/interact", 404, NOT_FOUND),
    Rule("delete by no UUID", "DELETE /v2/scrape/session-1/interact", 400, NO_SCRAPE),
    Rule("scrape another page", "POST /v2/scrape", 200, {"success": "true"}, URL),
    Rule("open a session", "POST /v2/interact", 200, {"id": UUID_7}, TTL),
    Rule("adopt it", "POST /v2/scrape/{scrape}/interact", 200, {"sessionId": '"{session}"'}, ADOPT),
    Rule("delete it by the scrape", "DELETE /v2/scrape/{scrape}/interact", 200, DESTROYED),
)


class Check:
    """One comparison of a service with the page."""

    def __init__(self, api_url: str, api_key: str) -> None:
        self.opened: list[str] = []
        self.transcript = [f"# {api_url} beside docs/service.md, {datetime.now(UTC):%Y-%m-%d}", ""]
        self._api_url, self._api_key = api_url, api_key
        self._names = {"uuid": str(uuid.uuid4())}

    def compare(self, rule: Rule) -> bool:
        """Send a request, write down what came of it, and return whether that is as it should."""
        self.transcript += [f"## {rule.what}", ""]
        rule = self._with_session(rule)
        try:
            method, path = rule.request.format(**self._names).split()
            response = self._send(method, path, rule)
        except KeyError as name:
            difference = f"not sent, since nothing has opened a {name}"
        except urllib3.exceptions.HTTPError as error:
            difference = f"no response: {error}"
        else:
            difference = _difference(rule, response)
            if method == "POST":
                self._keep_names(_content(response))
        verdict = f"differs: {difference}" if difference else "as the page says"
        self.transcript += [f"**{verdict}**", ""]
        print(f"{rule.what}: {verdict}")
        return not difference

    def _with_session(self, rule: Rule) -> Rule:
        """Put the id of the session where the content and the patterns name it."""
        session_id = self._names.get("session", "")
        content, fields = (
            json.loads(json.dumps(part).replace("{session}", session_id))
            for part in (rule.content, rule.fields)
        )
        return rule._replace(content=content, fields=fields)

    def _send(self, method: str, path: str, rule: Rule) -> Response:
        """Send a request, and once more after a rate limit. Write down the response."""
        headers = request_headers(self._api_key if rule.api_key is None else rule.api_key or None)
        got = urllib3.request(
            method,
            self._api_url + path,
            headers=dict(headers),
            json=rule.content,
            redirect=False,
            retries=False,
            timeout=180,
        )
        if got.status == 429:
            print("rate limit: waiting for a minute")
            time.sleep(60)
            return self._send(method, path, rule)
        fields = {name.lower(): value for name, value in got.headers.items()}
        head = [f"{name}: {value}" for name, value in fields.items() if name != "set-cookie"]
        body = got.data.decode(errors="replace")
        self.transcript += ["```text", f"HTTP {got.status}", *head, "", body, "```", ""]
        response = Response(got.status, fields, got.data)
        if method == "DELETE":
            read = parse_response(response, headers=headers, session_id=path, attempts=1)
            self.transcript += [f"The library says: {type(read).__name__}, {read.session_fate}", ""]
        return response

    def _keep_names(self, content: dict[str, Any]) -> None:
        """Keep the id of what a POST has opened."""
        self._names.pop("session", None)
        if session_id := content.get("id") or content.get("sessionId"):
            self._names |= {"session": session_id, "SESSION": session_id.upper()}
            self.opened.append(session_id)
        if "data" in content:
            self._names["scrape"] = content["data"]["metadata"]["scrapeId"]


def _content(response: Response) -> dict[str, Any]:  # Any: of JSON
    """Return the JSON of a response, empty if it is a page."""
    is_json = response.headers.get("content-type", "").startswith("application/json")
    return dict(json.loads(response.body)) if is_json else {}


def _difference(rule: Rule, response: Response) -> str:
    """Say what is not as the rule has it. Empty: nothing."""
    if response.status != rule.status:
        return f"HTTP {response.status}, not {rule.status}"
    fields = {**response.headers, **_content(response)}
    for name, pattern in rule.fields.items():
        found = json.dumps(fields.get(name))
        if not re.fullmatch(pattern, found):
            return f"{name} is {found}"
    return ""


def main() -> int:
    """Ask, compare, and write the transcript. 0: all is as the page says."""
    api_key = os.environ.get("FIRECRAWL_API_KEY", "")
    if not api_key:
        print("Set FIRECRAWL_API_KEY to a key of the service.")
        return 2
    with_scrape = bool(os.environ.get("SCRAPE"))
    api_url = str(service_address(None, allow_plain_http=False))
    sessions, most = (4, 17) if with_scrape else (2, 9)
    print(
        f"This opens {sessions} sessions of 30 seconds at {api_url} and ends them.\n"
        f"It may cost up to {most} credits of the account behind FIRECRAWL_API_KEY."
    )
    if input("Type yes to go on: ").strip().lower() != "yes":
        print("Nothing was sent.")
        return 2
    check = Check(api_url, api_key)
    try:
        are_so = [check.compare(rule) for rule in (*RULES, *RULES_OF_SCRAPES * with_scrape)]
    finally:
        transcript = _IDS.sub("<id>", "\n".join(check.transcript)).replace(api_key, "<key>")
        TRANSCRIPT.parent.mkdir(exist_ok=True)
        TRANSCRIPT.write_text(transcript, encoding="utf-8")
        print(f"{TRANSCRIPT} has the responses, without key and ids: send it with an issue.")
        with DeleteSession(Urllib3Transport(api_url), api_key) as delete_session:
            for session_id in check.opened:
                delete_session(session_id)
    return 0 if all(are_so) else 1


if __name__ == "__main__":
    sys.exit(main())

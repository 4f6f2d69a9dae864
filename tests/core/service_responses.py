"""What may come back from a DELETE: what each response means, and variants of all of them.

`MEANINGS` is the one table of that, from which other tests take what they need. What is independent
of it, on purpose: the plain reader in `tests/proof/readers.py`. What Firecrawl says under which
status: `docs/service.md`.
"""

import json
from typing import NamedTuple

from hypothesis import strategies as st

KEYS = ["fc-0123456789abcdef0123456789abcdef", "zq+key/01~23-45._==", "31415926535897932384"]
KEY = "THE-KEY"
"""Stands for the key until a response is whole."""

BACKEND = "Hangar request failed."
EXCEPTION_ID = "0af7651916cd43dd8448eb211c80319c"
EXCEPTION = "An unexpected error occurred. Please contact help@firecrawl.com for help."
EXCEPTION += f" Your exception ID is {EXCEPTION_ID}"


class Row(NamedTuple):
    """A response, and what it means after one attempt."""

    status: int
    body: bytes
    means: str  # the class of the outcome
    fate: str
    is_served: bool  # Firecrawl did its work, although it may have refused
    is_retried: bool  # because a retry may mend it
    session_id: str = "550e8400-e29b-41d4-a716-446655440000"

    @property
    def words(self) -> str:
        """Firecrawl's message; empty in a page or a receipt."""
        content = json.loads(self.body) if self.body.startswith(b'{"success":') else {}
        return str(content.get("error", ""))


def _served(status: int, words: str, means: str, fate: str, *, retried: bool = False) -> Row:
    return Row(status, _failure(words), means, fate, is_served=True, is_retried=retried)


def _unserved(status: int, words: str, means: str, fate: str = "unknown", **more: str) -> Row:
    return Row(status, _failure(words, **more), means, fate, is_served=False, is_retried=True)


def _failure(words: str, **more: str) -> bytes:
    return json.dumps({"success": False, "error": words, **more}).encode()


def _page(status: int, body: bytes, means: str, fate: str = "unknown") -> Row:
    return Row(status, body, means, fate, is_served=False, is_retried=True)


_RECEIPT = b'{"success": true, "sessionDurationMs": 39095.5, "creditsBilled": 2}'
_AWAY, _ODD = "ServiceUnavailableError", "UnexpectedResponseError"
MEANINGS = {
    "receipt": Row(200, _RECEIPT, "DeletionReceipt", "gone", is_served=True, is_retried=False),
    "not deleted": _served(200, "Not now.", "NotDeletedError", "unknown", retried=True),
    "not found": _served(404, "Browser session not found.", "SessionNotFoundError", "gone"),
    "destroyed": _served(
        410, "Browser session has been destroyed.", "SessionNotFoundError", "gone"
    ),
    "bad request": _served(400, "Invalid request body", "BadRequestError", "untouched"),
    "no scrape": _served(
        400, "Invalid job ID format. Job ID must be a valid UUID.", "BadRequestError", "untouched"
    ),
    "no key": _served(401, "Unauthorized", "UnauthorizedError", "untouched"),
    "empty key": _served(401, "Unauthorized: Token missing", "UnauthorizedError", "untouched"),
    "wrong key": _served(401, "Unauthorized: Invalid token", "UnauthorizedError", "untouched"),
    "unpaid": _served(
        402, "Payment required to access this resource.", "PaymentRequiredError", "untouched"
    ),
    "another team": _served(403, "Forbidden.", "ForbiddenError", "untouched"),
    "banned": _served(403, "Your account has been banned.", "ForbiddenError", "untouched"),
    "rate limit": _unserved(429, "Rate limit exceeded.", "RateLimitError", "untouched"),
    "conflict": _unserved(
        409, "Browser operation conflicts with the current session or profile state.", _AWAY
    ),
    "exception": _unserved(500, EXCEPTION, _AWAY, code="UNKNOWN_ERROR"),
    "no UUID": Row(
        500,
        _failure(EXCEPTION, code="UNKNOWN_ERROR"),
        "BadRequestError",
        "untouched",
        is_served=False,  # Its look-up fails before anything else runs.
        is_retried=False,
        session_id="session-1",
    ),
    "restrictions": _unserved(
        500,
        "Internal error while verifying this API key's restrictions. Please try again shortly.",
        _AWAY,
    ),
    "still stopping": _unserved(502, "Browser is still stopping. Retry deletion shortly.", _AWAY),
    "no backend": _unserved(502, "Hangar is unavailable.", _AWAY),
    "backend's 401": _unserved(401, BACKEND, _AWAY),
    "backend's 404": _unserved(404, BACKEND, _AWAY),
    "no such route": _unserved(404, "Route not found", _ODD),
    "welcome": _page(200, b"<html>Welcome</html>", _ODD),
    "redirect": _page(302, b"", _ODD),
    "blocked": _page(401, b"<html>Log in</html>", "UnauthorizedError", "untouched"),
    "forbidden": _page(403, b"<html>", "ForbiddenError", "untouched"),
    "web framework's 404": _page(404, b"<html>Cannot DELETE</html>", _ODD),
    "timeout": _page(408, b"", _AWAY),
    "too early": _page(425, b"", _AWAY),
    "bad gateway": _page(502, b"<html>nginx</html>", _AWAY),
    "busy": _page(503, b"{}", _AWAY),
}
GONE = [
    f"{whose}ession {end}"
    for whose in ("Browser s", "Interact s", "S")
    for end in ("not found.", "not found", "has been destroyed.", "has been destroyed")
]
# Each of these was once taken for the end of a session that ran.
LIKE_GONE = ["Browser session could not be destroyed.", "Login session not found", "Not Found"]
LIKE_GONE += ["Route not found: DELETE /v2/interact/session-1", "No such session"]
LIKE_GONE += ["The session not found by this worker runs elsewhere.", "session not found\n"]
LIKE_GONE += ["Session expired", "Session not found. Retry later", "\u017fession not found"]
RATE_LIMIT = "Rate limit exceeded. Consumed (req/min): 11. please retry after {}s, resets at noon"
RATE_LIMITS = [RATE_LIMIT.format(wait) for wait in (1, 34, "99999999999", -1, "2 s, retry after 3")]
RATE_LIMITS += ["RETRY AFTER 2 S", "retry after 2m"]
UUIDS = ["550e8400-e29b-41d4-a716-446655440000", "550E8400E29B41D4-A716-446655440000"]
NO_UUIDS = ["session-1", "550e8400-e29b-41d4-a716-44665544000-0", UUIDS[0][1:], UUIDS[0] + "-"]
IDS = [f"{kind}{name}" for kind in ("", "scrape:") for name in [*UUIDS, *UUIDS, *NO_UUIDS]]
ECHOES = [KEY, f"Bearer {KEY} is revoked", f"x{KEY}9", "x" * 490 + KEY, KEY * 2]
MORE_TEXTS = {404: GONE, 410: GONE, 429: RATE_LIMITS}
MORE_TEXTS |= {401: ["Sign up for a key\tat\nhttps://x", *ECHOES]}
_SAID = [row for row in MEANINGS.values() if row.words]
TEXTS = {
    status: [row.words for row in _SAID if row.status == status] + MORE_TEXTS.get(status, [])
    for status in sorted({row.status for row in _SAID})
}
ALL_TEXTS = [*(text for texts in TEXTS.values() for text in texts), *LIKE_GONE, BACKEND, BACKEND]
STATUSES = [*TEXTS, *TEXTS, 100, 201, 204, 302, 399, 408, 418, 425, 451, 501, 503, 599, 600, 999]

FIGURES: list[object] = [39095.00002861023, 39095, 0.5, 0, 2, 14.0, 1e308, 10**30]
ODD: list[object] = [None, True, False, -2, "", "2", "true", [], {}, {"success": True}]
ODD += ["\U0001f98a", "\x1b[31m\u202e\u2028", "e" * 600, {"error": "Session not found"}, *ECHOES]
LITERALS = ["1e400", "-1e400", "9" * 5_000, "-0", "NaN", "01", "tru"]
LITERALS += [r'"\ud800"', r'"\ud83d\ude00"']
LITERALS += [r'"a\u0000b"', '"\x7f"', *("[" * depth + "]" * depth for depth in (98, 99, 100, 101))]
PIECES = [b'"', b"{", b"}", b"[", b"]", b",", b":", b"true", b"null", b"\xff", b"\xc3", b"\0"]
PIECES += [b'"success":true', b'"error":"Session not found"', b"\xef\xbb\xbf"]
PAGES = [b"", b"{}", b"[]", b"null", b"OK", b"error code: 1020", b'{"error":"blocked"}']
PAGES += [b"<html><title>502 Bad Gateway</title></html>", b'{"message":"no Route matched"}']
PAGES += [b"<pre>Cannot DELETE /v2/x</pre>", b'{"detail":"Browser session not found."}']
PAGES += [b'{"error":{"message":"Browser session not found."}}', KEY.encode() + b" is no key"]

DATE = "Mon, 24 Nov 2025 22:16:26 GMT"
WAITS = ["0", "20", " 7\t", "999999999", "1234567890", "-1", "1.5", "soon", "", KEY]
WAITS += ["Mon, 24 Nov 2025 22:17:00 GMT", "Monday, 24-Nov-25 22:17:00 GMT"]
WAITS += ["Mon, 24 Nov 2025 23:17:00 +0100", "Sun Nov  6 08:49:37 1994", "\u0665"]
WAITS += [
    "Thu, 01 Jan 1970 00:00:00 GMT",
    "Fri, 31 Dec 100000 23:59:59 GMT",
    f"Sun, 06 Nov 1994 {'9' * 20}:49:37 GMT",
]
HEADERS = [
    {"date": date, **wait, **request_id}
    for date in (DATE, DATE, "once", "Mon Nov 24 22:17:00 2025")
    for wait in ({}, {}, {}, *({"retry-after": wait} for wait in WAITS))
    for request_id in ({}, {}, *({"x-request-id": text} for text in ("r-1", "a\0", "x" * 600, KEY)))
]


class Sent(NamedTuple):
    """What was sent back to a request for this session that carried this key."""

    status: int
    headers: dict[str, str]
    body: bytes
    key: str
    session_id: str


literal = st.sampled_from(LITERALS)
odd = st.sampled_from(ODD) | st.sampled_from(ALL_TEXTS)
receipts = st.fixed_dictionaries(
    {"success": st.just(True)},
    optional={
        "sessionDurationMs": st.sampled_from(FIGURES),
        "creditsBilled": st.sampled_from(FIGURES),
        "status": st.sampled_from(["stopped", "failed", *ECHOES]),
    },
)


def failures(texts: list[str]) -> st.SearchStrategy[dict[str, object]]:
    """What the service says of a failure, under one of two names."""
    said, code = st.sampled_from(texts), st.sampled_from(["UNKNOWN_ERROR", "a\tb", *ECHOES])
    optional = {"code": code, "retry_after_seconds": st.sampled_from([*FIGURES, 34, -1, "34"])}
    return st.fixed_dictionaries(
        {"success": st.just(False), "error": said}, optional=optional
    ) | st.fixed_dictionaries({"success": st.just(False), "message": said})


look_up_failed = {"success": st.just(False), "code": st.just("UNKNOWN_ERROR")}
as_sent = st.one_of(
    st.tuples(st.just(200), receipts),
    st.tuples(st.just(500), st.fixed_dictionaries({**look_up_failed, "error": odd})),
    *(st.tuples(st.just(status), failures(texts)) for status, texts in TEXTS.items()),
    st.tuples(st.sampled_from(STATUSES), failures([BACKEND])),
)
mixed = st.tuples(st.sampled_from(STATUSES), receipts | failures(ALL_TEXTS))


@st.composite
def spoilt(draw: st.DrawFn, wholes: st.SearchStrategy[bytes], pieces: list[bytes]) -> bytes:
    """Bytes of which a few were lost, doubled, changed or added; or none were."""
    data = draw(wholes)
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2, 3]))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 8)))
        piece = draw(
            st.sampled_from([b"", data[start:end] * 2, *pieces]) | st.binary(min_size=1, max_size=2)
        )
        data = data[:start] + piece + data[end:]
    return data


@st.composite
def changed(draw: st.DrawFn) -> tuple[int, bytes]:
    """The service's JSON, of which a part is missing, doubled, odd, lost or added."""
    status, content = draw(as_sent | mixed)
    name = draw(st.sampled_from([*content, "success", "error", "message", "x"]))
    how = draw(st.sampled_from(["missing", "odd", "literal", "doubled", "nested", "spoilt"]))
    if how == "missing":
        content.pop(name, None)
    elif how == "odd":
        content[name] = draw(odd)
    elif how == "nested":
        content = {"data": content, name: draw(odd)}
    text = json.dumps(content, ensure_ascii=draw(st.booleans()))
    if how == "literal":
        text = json.dumps({**content, name: "?"}).replace('"?"', draw(literal))
    elif how == "doubled":
        text = f'{{"{name}":{draw(literal)},{text[1:]}' if content else text
    body = text.encode()
    return status, draw(spoilt(st.just(body), PIECES)) if how == "spoilt" else body


pages = st.tuples(
    st.sampled_from([*STATUSES, *[401, 403] * 8]), st.sampled_from(PAGES) | st.binary(max_size=40)
)
unchanged = (as_sent | as_sent | mixed).map(lambda sent: (sent[0], json.dumps(sent[1]).encode()))


def _carry(sent: tuple[int, bytes], headers: dict[str, str], key: str, session_id: str) -> Sent:
    status, body = sent
    carried = {name: text.replace(KEY, key) for name, text in headers.items()}
    return Sent(status, carried, body.replace(KEY.encode(), key.encode()), key, session_id)


responses = st.builds(
    _carry,
    unchanged | changed() | pages,
    st.sampled_from(HEADERS),
    st.sampled_from(KEYS),
    st.sampled_from(IDS),
)

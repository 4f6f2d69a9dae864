"""What comes back from a DELETE, as the service and others send it. See `docs/service.md`."""

from itertools import chain, product
from typing import TypeAlias

Pairs: TypeAlias = list[tuple[str, object]]
"""The names and values of a JSON object in their order: a name may come twice."""

# All that a key may look like (RFC 6750, 2.1). The digits are too many for a wait.
KEYS = [
    "fc-0123456789abcdef0123456789abcdef",
    "fco_Zm9yLWFuLWFwcA",
    "fcmcp_9f8e7d6c5b4a",
    "this-is-just-a-preview-token",
    "zq+key/01~23-45._==",
    "31415926535897932384",
]
KEY = "THE-KEY"
"""Stands for the key until a response is whole."""
# The key alone, as a part of words and numbers, and where a text is cut.
ECHOES = [
    before + KEY + behind
    for before in ("", "Bearer ", "x", "0", "\xe9", "x" * 490)
    for behind in ("", " is revoked", "x", "9", KEY)
]

# --- what the service says, under which status ------------------------------------------------

BACKEND = "Hangar request failed."
OF_GONE_SESSIONS = ["Browser session not found.", "Browser session has been destroyed."]
# Each of these was once taken for the end of a session that ran.
LIKE_GONE = [
    "Browser session could not be destroyed.",
    "Login session not found",
    "Route not found: DELETE /v2/interact/session-1",
    "No such session",
    "Session expired",
    "Not Found",
    "The session not found by this worker runs elsewhere.",
    "Session not found. Retry later",
    "\u017fession not found",
    "session not found\n",
]
RATE_LIMIT = (
    "Rate limit exceeded. Consumed (req/min): 11, Remaining (req/min): 0. Upgrade your plan at"
    " https://firecrawl.dev/pricing for increased rate limits or please retry after {}s, resets at"
    " Mon Nov 24 2025 22:17:00 GMT+0000 (Coordinated Universal Time)"
)
RATE_LIMITS = [RATE_LIMIT.format(seconds) for seconds in (1, 34, 59)] + [
    "Rate limit exceeded. Consumed (req/min): undefined, Remaining (req/min): undefined."
    " please retry after 1s, resets at Invalid Date"
]
TEXTS = {
    (400,): ["Invalid request body"],
    (401,): [
        "Unauthorized: Invalid token",
        "Unauthorized: Token missing",
        "Unauthorized",
        "This endpoint is not supported by the keyless free tier.\nSign up for a key\tat\nhttps://x",
    ],
    (402,): ["Payment required to access this resource."],
    (403,): [
        "Forbidden.",
        "Your account has been banned.",
        "This API key may not use this endpoint.",
    ],
    (404, 410): [*LIKE_GONE, "Browser session has expired."],
    (408, 409, 425): ["Browser operation conflicts with the current session or profile state."],
    (429,): RATE_LIMITS,
    (500, 502, 503): [
        "An unexpected error occurred. Please contact help@firecrawl.com for help."
        " Your exception ID is 0af7651916cd43dd8448eb211c80319c",
        "An error occurred. Please check your logs for more details. Error ID: 0af76519",
        "Browser is still stopping. Retry deletion shortly.",
        "Browser session release was not confirmed.",
        "Hangar is unavailable.",
        "Hangar did not confirm the stop request.",
        "Hangar did not confirm session release.",
        "Hangar did not return a valid session duration.",
        "Invalid Hangar response.",
        "Browser operation failed.",
        "Browser feature is not configured on this server.",
    ],
}
GONE_FORMS = [
    form(f"{whose}ession {what}{stop}")
    for whose in ("Browser s", "Interact s", "S")
    for what in ("not found", "has been destroyed")
    for stop in (".", "")
    for form in (str, str, str.upper, str.title)
]
DURATIONS = [39095.00002861023, 39095, 0.5, 1.5, 0, 39094.75, "39095", [39095]]
BILLS = [2, 7, 0, 2.5, 14.0, "2", True]
ALL_TEXTS = [*(text for texts in TEXTS.values() for text in texts), *OF_GONE_SESSIONS, BACKEND]

# Each list has what is usual more often than what is rare: one draw then takes its row.
RECEIPTS: list[Pairs] = [
    [("success", True), *word, *duration, *bill, *queued]
    for word in (*[[("status", word)] for word in ("stopped", "failed", *ECHOES[:6])], *[[]] * 6)
    for duration in ([], *([("sessionDurationMs", value)] for value in DURATIONS))
    for bill in ([], *([("creditsBilled", value)] for value in BILLS))
    for queued in ([], [("cleanupQueued", True)])
]


def failures(texts: list[str]) -> list[Pairs]:
    """Return objects that say each of these texts."""
    codes: list[object] = ["UNKNOWN_ERROR", "a\tb", *ECHOES[::6]]
    echoes: list[object] = [*ECHOES]
    extras: list[Pairs] = [
        [],
        [],
        [("details", [{"path": ["id"]}]), ("message", "It failed.")],
        *([("code", code)] for code in codes),
        *([("error", echo)] for echo in echoes[::4]),
        [("message", echoes[0])],
        [("x", echoes[0])],
    ]
    success: list[Pairs] = [[("success", False)] for _ in range(7)]
    success.append([])
    names = ["error", "error", "error", "message"]
    return [
        [*said, (name, text), *extra]
        for text, said, name, extra in product(texts, success, names, extras)
    ]


OWN_STATUSES = [200, *chain.from_iterable(TEXTS)]
SUCCESSES = [201, 202, 204, 206, 226, 299, 404, 410, 502]

# --- what others say --------------------------------------------------------------------------

PAGES = [
    b"",
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>",
    b'<!DOCTYPE html>\n<html lang="en"><title>Error</title><pre>Cannot DELETE /v2/interact/x</pre>',
    b"<html><title>Sign in</title><form action=/login></html>",
    b"error code: 1020",
    b"upstream connect error or disconnect/reset before headers",
    b"no healthy upstream",
    b'{"message":"no Route matched with those values"}',
    b'{"message":"API rate limit exceeded"}',
    b'{"success":false,"errors":[{"code":7003,"message":"No route"}],"result":null}',
    b'{"type":"about:blank","title":"Not Found","status":404,"detail":"no such route"}',
    b'{"detail":"Browser session not found."}',
    b'{"error":{"message":"Browser session not found.","code":404}}',
    b'{"error":"blocked"}',
    b"{}",
    b"[]",
    b"null",
    b"OK",
    *(echo.encode() for echo in ECHOES[::5]),
]
PAGE_STATUSES = [200, 204, 301, 302, 400, 401, 401, 403, 403, 404, 407, 410, 413, 418, 429, 451]
PAGE_STATUSES += [500, 502, 503, 504, 520, 524, 530]

# --- headers ----------------------------------------------------------------------------------

DATE = "Mon, 24 Nov 2025 22:16:26 GMT"
LATER = ["Mon, 24 Nov 2025 22:17:00 GMT", "Monday, 24-Nov-25 22:17:00 GMT"]
LATER += ["Mon Nov 24 22:17:00 2025", "Mon, 24 Nov 2025 23:17:00 +0100"]
BEFORE = "Sun, 06 Nov 1994 08:49:37 GMT"
OF_THE_SERVICE = {
    "access-control-allow-origin": "*",
    "content-type": "application/json; charset=utf-8",
    "content-length": "41",
    "etag": 'W/"29-PNoR1hZ8yH2CbLLMpZ1ZSpVqZ1E"',
    "x-response-time": "8.195ms",
    "connection": "keep-alive",
    "keep-alive": "timeout=5",
}
WAITS = ["0", "1", "20", " 7\t", "999999999", "1234567890", "-1", "1.5", "5, 7", "soon", "", BEFORE]
WAITS += LATER
REQUEST_IDS = ["req-1", "7b3f0c1e-0000-4000-8000-1f2e3d4c5b6a", "a\x00b", "x" * 600, "\xe9", ""]
NONE: list[dict[str, str]] = [{}]
HEADERS = [
    {**OF_THE_SERVICE, **date, **wait, **request_id}
    for date in (*[{"date": DATE}] * 6, {}, *({"date": text} for text in ("", "once", *LATER[1:3])))
    for wait in (*NONE * 15, *({"retry-after": text} for text in [*WAITS, KEY]))
    for request_id in (*NONE * 12, *({"x-request-id": text} for text in REQUEST_IDS + ECHOES[::5]))
]

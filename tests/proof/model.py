"""An independent model of what one call meets: the service, its backend, the network, and gateways.

It shares no code with the library and knows nothing of its retries. It says what may happen to
one session, and what the sender of a request may see of that. It is written from the service's
source, from RFC 9110, and from what gateways are known to send.

What it assumes: the service's own words are true, and whoever sends a status of `REFUSED` has not
passed the request on. A service that takes ids which are no UUIDs does not fail to look them up.
"""

import json
from collections.abc import Iterable, Iterator
from enum import Enum, auto
from itertools import product
from typing import NamedTuple, TypeAlias

from ..core.service_responses import MEANINGS

# --- what is so, whether anybody sees it or not ----------------------------------------------


class Session(Enum):
    LIVE = auto()  # it runs, and is billed for each minute
    ENDED = auto()  # destroyed or expired, and settled; the service remembers it
    FORGOTTEN = auto()  # the service knows no such session


class World(NamedTuple):
    session: Session
    is_changed: bool = False  # whether a request of this call changed the session
    bills: int = 0
    under_way: int = 0  # requests that may take effect later; or a browser is still stopping


AT_FIRST = (World(Session.LIVE), World(Session.ENDED, bills=1), World(Session.FORGOTTEN))


def settle(world: World) -> World:
    """The session ends, and is billed: once, since only a session that lives can end."""
    if world.session is not Session.LIVE:
        return world
    return world._replace(session=Session.ENDED, bills=world.bills + 1)


def destroy(world: World) -> World:
    """A request of this call takes effect."""
    is_changed = world.is_changed or world.session is Session.LIVE
    return settle(world)._replace(is_changed=is_changed)


def whatever(world: World) -> set[World]:
    """A request had no effect, or it had, or it will have."""
    return {world, destroy(world), world._replace(under_way=world.under_way + 1)}


def pass_time(world: World) -> Iterator[World]:
    """What may happen next to it, whoever does that."""
    assert world.bills <= 1
    yield settle(world)  # its time-to-live is over, or somebody else deletes it
    if world.session is Session.ENDED:
        yield world._replace(session=Session.FORGOTTEN)
    if world.under_way:
        landed = world._replace(under_way=world.under_way - 1)
        yield from (landed, destroy(landed))


# --- what the sender of a request sees -------------------------------------------------------

REFUSED = {
    400: "BadRequestError",
    401: "UnauthorizedError",
    402: "PaymentRequiredError",
    403: "ForbiddenError",
    429: "RateLimitError",
}


class Response(NamedTuple):
    """A response, and the row of the documentation's table that it belongs to."""

    row: str
    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    named_wait: float | None = None  # seconds that the sender asks to wait
    credits: int | None = None
    is_a_page: bool = False  # not the service's JSON

    @property
    def may_pass(self) -> bool:
        """Whether a retry can help: it does if it tells, or if somebody else refused."""
        if self.row in ("UnauthorizedError", "ForbiddenError"):
            return self.is_a_page
        ends_a_call = ("DeletionReceipt", "SessionNotFoundError", *REFUSED.values())
        return self.row == "RateLimitError" or self.row not in ends_a_call


class Fault(NamedTuple):
    """No response, or half of one."""

    kind: str
    is_transient: bool = True  # in the words of the transport
    is_stale: bool = False
    row: str = "UnreachableError"
    named_wait: float | None = None

    @property
    def may_pass(self) -> bool:
        """Whether a retry can help: where something was sent, it tells."""
        return self.is_transient or self.kind != "ConnectFailedError"


Seen: TypeAlias = Response | Fault

NO_CONNECTION = (Fault("ConnectFailedError"), Fault("ConnectFailedError", is_transient=False))
LOSSES = (
    Fault("TimedOutError"),
    Fault("ConnectionLostError"),
    Fault("ConnectionLostError", is_stale=True),
    Fault("ConnectionLostError", is_transient=False),
    Fault("BadResponseError"),
    Fault("BadResponseError", is_transient=False),
)


class Statuses(NamedTuple):
    """Which statuses there are."""

    sent: Iterable[int]  # by the service, and by gateways in words of their own
    from_backend: Iterable[int]  # by the service's backend, and handed through


NAMED = Statuses(  # those of the table of all responses. What each means is said anew here.
    sent=sorted({row.status for row in MEANINGS.values()}),
    from_backend=(401, 404, 429, 500),
)
ALL = Statuses(sent=range(200, 600), from_backend=range(200, 600))

# --- the service -----------------------------------------------------------------------------

FIRST_TIME: tuple[dict[str, object], ...] = (
    {"success": True},
    {"success": True, "sessionDurationMs": 39095.00002861023, "creditsBilled": 2},
    {"success": True, "sessionDurationMs": 39095.5, "creditsBilled": 7, "status": "failed"},
)
ONCE_MORE: tuple[dict[str, object], ...] = (
    {"success": True},
    {"success": True, "sessionDurationMs": 39095, "cleanupQueued": True},
    {"success": True, "status": "stopped", "creditsBilled": 2},
    {"success": True, "status": "stopped", "creditsBilled": 0},
)
WORDS_OF_A_GONE_SESSION = ("Browser session not found.", "Browser session has been destroyed.")


def failure(row: str, status: int, words: str, named_wait: float | None = None) -> Response:
    body = json.dumps({"success": False, "error": words}).encode()
    return Response(row, status, body, named_wait=named_wait)


def receipt_of(content: dict[str, object]) -> Response:
    body, credits_billed = json.dumps(content).encode(), content.get("creditsBilled")
    assert credits_billed is None or isinstance(credits_billed, int)
    return Response("DeletionReceipt", 200, body, credits=credits_billed)


def row_of_status(status: int) -> str:
    """The row of a status that says neither "destroyed" nor "not found"."""
    if status in (408, 409, 425) or 500 <= status <= 599:
        return "ServiceUnavailableError"
    return REFUSED.get(status, "UnexpectedResponseError")


def service(
    world: World, statuses: Statuses, *, is_uuid: bool
) -> Iterator[tuple[Response, set[World]]]:
    """All that the service may do with one DELETE, and say."""
    if world.session is Session.FORGOTTEN:
        for status, words in product((404, 410), WORDS_OF_A_GONE_SESSION):
            yield failure("SessionNotFoundError", status, words), {world}
    else:
        for content in FIRST_TIME if world.session is Session.LIVE else ONCE_MORE:
            yield receipt_of(content), {destroy(world)}
    # Under any other status, the words of a gone session do not say that it is gone.
    not_found, _ = WORDS_OF_A_GONE_SESSION
    yield failure("NotDeletedError", 200, not_found), whatever(world)
    for named in (7, 34, 3_600):  # It rounds the wait in its text, down half of the time.
        words = f"Rate limit exceeded. Please retry after {named}s, resets at ..."
        yield failure("RateLimitError", 429, words, named_wait=named + 0.5), {world}
    for status in statuses.sent:
        if status in REFUSED:
            for words in ("Refused.", not_found):
                yield failure(REFUSED[status], status, words), {world}
        elif status not in (200, 404, 410):
            yield failure(row_of_status(status), status, not_found), whatever(world)
    # It looks the session up before all else, which fails like this for each id that is no UUID.
    unknown = b'{"success":false,"code":"UNKNOWN_ERROR","error":"An unexpected error occurred."}'
    row = "ServiceUnavailableError" if is_uuid else "BadRequestError"
    yield Response(row, 500, unknown), whatever(world) if is_uuid else {world}
    # The service hands through the status of its backend, which runs the browsers. None settles
    # anything, a 404 as little as others: it may be that of the ingress in front of the backend.
    for status in statuses.from_backend:
        yield failure("ServiceUnavailableError", status, "Hangar request failed."), whatever(world)


# --- the network, and what is between --------------------------------------------------------


def pages(statuses: Statuses) -> Iterator[Response]:
    """What a gateway, a proxy or another server says in its own words."""
    for status in statuses.sent:
        yield Response(
            row_of_status(status), status, b"<html><h1>nginx</h1></html>", is_a_page=True
        )
    for status, body in (
        (200, b""),
        (200, b"{}"),
        (200, b'{"success":tr'),
        (204, b""),
        (403, b'{"error":"blocked"}'),
        (404, b'{"error":"Browser session not found."}'),
        (404, b'{"success":false,"message":"Route not found"}'),
        (404, b'{"success":false,"error":"Not Found"}'),
        (404, b'{"success":false,"errors":[{"code":7003}],"result":null}'),
        (410, b'{"success":false,"error":"Session expired"}'),
    ):
        yield Response(row_of_status(status), status, body, is_a_page=True)
    for status in (429, 503):
        waits = (("retry-after", "20"),)
        body = b'{"message":"busy"}'
        yield Response(row_of_status(status), status, body, waits, named_wait=20, is_a_page=True)


def send(world: World, statuses: Statuses, *, is_uuid: bool) -> Iterator[tuple[Seen, set[World]]]:
    """All that may become of one request, and what its sender sees."""
    for fault in NO_CONNECTION:
        yield fault, {world}
    yield from service(world, statuses, is_uuid=is_uuid)
    # What follows hides whether the service got the request.
    for fault in LOSSES:
        yield fault, whatever(world)
    for page in pages(statuses):
        yield page, {world} if page.status in REFUSED else whatever(world)

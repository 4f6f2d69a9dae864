"""What a request of a simulated run meets: responses, pages of gateways, and faults."""

import json
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from firecrawl_interact.core import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    TimedOutError,
)


class FaultyError(Exception):
    """What a transport, an iterator or a clock raises, and must not."""


class Kind(NamedTuple):
    """What the sender of a request sees, unless the service does what it should."""

    status: int = 0
    body: bytes = b""
    error: Callable[[], BaseException] | None = None
    headers: tuple[tuple[str, str], ...] = ()
    may_act: bool = True  # whether the service may have destroyed the session all the same
    fails_as_outage: bool = False
    is_a_page: bool = False  # of somebody who does not know the service
    is_spoken: bool = False  # it fails as in an outage, and the service itself says so
    seconds: float | None = None  # until it comes. None: as the weather has it

    def after(self, seconds: float) -> "Kind":
        return self._replace(seconds=seconds)


def _unsent(words: str, *, transient: bool) -> Kind:
    error = partial(ConnectFailedError, words, transient=transient)
    return Kind(error=error, may_act=False, fails_as_outage=transient)


def _failure(status: int, words: str, *, may_act: bool = True, outage: bool = False) -> Kind:
    body = json.dumps({"success": False, "error": words}).encode()
    return Kind(status, body, may_act=may_act, fails_as_outage=outage, is_spoken=outage)


def limited(seconds: int) -> Kind:
    """Return a 429 that asks for a wait of so many seconds."""
    return LIMITED._replace(headers=(("retry-after", str(seconds)),))


def _page(status: int, body: bytes = b"", *, may_act: bool = True) -> Kind:
    return Kind(status, body, may_act=may_act, fails_as_outage=True, is_a_page=True)


SERVED = Kind()
SILENCE = Kind(error=lambda: TimedOutError("silence"), fails_as_outage=True)
LOST = Kind(error=lambda: ConnectionLostError("lost"), fails_as_outage=True)
STALE = Kind(error=lambda: ConnectionLostError("closed", stale=True), fails_as_outage=True)
NO_CONNECTION = _unsent("no connection", transient=True)
BAD_CERTIFICATE = _unsent("bad certificate", transient=False)
NO_HTTP = Kind(error=lambda: BadResponseError("no HTTP", transient=False), fails_as_outage=True)
FAULTY = Kind(error=lambda: FaultyError("the transport has a bug"))
BROKEN_GATEWAY = Kind(502, b"<html>nginx</html>", fails_as_outage=True)
STOPPING = _failure(502, "Browser is still stopping. Retry deletion shortly.", outage=True)
BUSY = Kind(503, b"{}", headers=(("retry-after", "20"),), fails_as_outage=True)
CONFLICT = _failure(409, "Browser operation conflicts.", outage=True)
BACKEND = _failure(401, "Hangar request failed.", outage=True)
NOT_A_UUID = Kind(500, b'{"success":false,"code":"UNKNOWN_ERROR"}', may_act=False)  # No id is one.
BACKEND_404 = _failure(404, "Hangar request failed.", outage=True)
NOT_DELETED = _failure(200, "Not stopped.")
NOT_FOUND = _failure(404, "Browser session not found.")
PAGES = (
    _page(200, b"<html>Welcome</html>"),
    _page(302),
    _page(404, b"<html>Cannot DELETE</html>"),
    _failure(404, "Route not found", outage=True)._replace(is_a_page=True, is_spoken=False),
    _page(403, b"<html>", may_act=False),
)
UNAUTHORIZED = _failure(401, "Unauthorized: Invalid token", may_act=False)
FORBIDDEN = _failure(403, "Forbidden.", may_act=False)
LIMITED = _failure(429, "Rate limit exceeded.", may_act=False)
LIMITED_FOR_20 = limited(20)

OUTAGES = (NO_CONNECTION, SILENCE, LOST, BROKEN_GATEWAY, BUSY, STOPPING)
_OF_THE_BACKEND = (CONFLICT, BACKEND, BACKEND_404, NOT_DELETED)
_REFUSALS = (UNAUTHORIZED, FORBIDDEN, LIMITED, LIMITED_FOR_20)
TROUBLES = (*OUTAGES, STALE, BAD_CERTIFICATE, NO_HTTP, *_OF_THE_BACKEND, *PAGES, *_REFUSALS)

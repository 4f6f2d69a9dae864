"""What a request of a simulated run meets: responses, pages of gateways, and faults."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from firecrawl_interact.core import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    TimedOutError,
)

from ..core.service_responses import MEANINGS


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
    seconds: float | None = None  # until it comes. None: as the weather has it

    def after(self, seconds: float) -> "Kind":
        return self._replace(seconds=seconds)


def _unsent(words: str, *, transient: bool) -> Kind:
    error = partial(ConnectFailedError, words, transient=transient)
    return Kind(error=error, may_act=False, fails_as_outage=transient)


def _response(name: str) -> Kind:
    """Return what the table of all responses has under this name."""
    row = MEANINGS[name]
    fails = row.is_retried and not row.is_served and row.means != "RateLimitError"
    knows_service = row.means == "ServiceUnavailableError"
    return Kind(
        row.status,
        row.body,
        may_act=row.fate != "untouched",
        fails_as_outage=fails,
        is_a_page=fails and not knows_service,
    )


def limited(seconds: int) -> Kind:
    """Return a 429 that asks for a wait of so many seconds."""
    return LIMITED._replace(headers=(("retry-after", str(seconds)),))


SERVED = Kind()
SILENCE = Kind(error=lambda: TimedOutError("silence"), fails_as_outage=True)
LOST = Kind(error=lambda: ConnectionLostError("lost"), fails_as_outage=True)
STALE = Kind(error=lambda: ConnectionLostError("closed", stale=True), fails_as_outage=True)
NO_CONNECTION = _unsent("no connection", transient=True)
BAD_CERTIFICATE = _unsent("bad certificate", transient=False)
NO_HTTP = Kind(error=lambda: BadResponseError("no HTTP", transient=False), fails_as_outage=True)
FAULTY = Kind(error=lambda: FaultyError("the transport has a bug"))
BROKEN_GATEWAY = _response("bad gateway")
STOPPING = _response("still stopping")
NO_BACKEND = _response("no backend")
UNKNOWN_ERROR = _response("exception")
BUSY = _response("busy")._replace(headers=(("retry-after", "20"),))
CONFLICT = _response("conflict")
BACKEND = _response("backend's 401")
BACKEND_404 = _response("backend's 404")
NOT_DELETED = _response("not deleted")
NOT_FOUND = _response("not found")
_PAGES = ("welcome", "redirect", "web framework's 404", "no such route", "forbidden")
PAGES = tuple(map(_response, _PAGES))
UNAUTHORIZED = _response("wrong key")
FORBIDDEN = _response("another team")
LIMITED = _response("rate limit")
LIMITED_FOR_20 = limited(20)

OUTAGES = (NO_CONNECTION, SILENCE, LOST, BROKEN_GATEWAY, BUSY, STOPPING)
_OF_THE_BACKEND = (CONFLICT, BACKEND, BACKEND_404, NOT_DELETED)
_REFUSALS = (UNAUTHORIZED, FORBIDDEN, LIMITED, LIMITED_FOR_20)
TROUBLES = (*OUTAGES, STALE, BAD_CERTIFICATE, NO_HTTP, *_OF_THE_BACKEND, *PAGES, *_REFUSALS)

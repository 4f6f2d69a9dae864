"""The service's sessions: how long they live, and what they cost."""

import math
import secrets
import uuid
from datetime import UTC, datetime

import msgspec

_SETTLED_AFTER = 15
"""Seconds from the end of a session's time until the service notices it, and settles the bill."""

ADDRESSES = dict.fromkeys(("cdpUrl", "liveViewUrl", "interactiveLiveViewUrl"), "wss://127.0.0.1")
"""Where a session could be driven and seen: nobody is there."""


class Session(msgspec.Struct):
    """One session. Times are seconds since 1970."""

    name: str
    team: str
    scrape: str | None
    created: float
    ttl: float = 600  # seconds that it lives if nobody deletes it
    credits_per_hour: int = 120
    deleted: float = math.inf

    @property
    def ends(self) -> float:
        """When it ended, or will end by itself."""
        return min(self.deleted, self.created + self.ttl)

    def delete(self, now: float) -> dict[str, object]:
        """End it, unless it has ended, and return its receipt."""
        is_settled = now >= min(self.deleted, self.ends + _SETTLED_AFTER)
        self.deleted = min(self.deleted, now)
        # A float of seconds since 1970 is that inexact: this is seldom a whole number.
        milliseconds = (self.ends - self.created) * 1000
        rate = self.credits_per_hour
        credits_billed = max(math.ceil(rate / 60), math.ceil(milliseconds / 3_600_000 * rate))
        receipt = {"status": "stopped", "creditsBilled": credits_billed}
        return receipt if is_settled else {"sessionDurationMs": milliseconds, **receipt}

    def listed(self, now: float) -> dict[str, object]:
        """Return what the list of sessions says of it."""
        status = "active" if now < self.ends else "destroyed"
        times = dict.fromkeys(("createdAt", "lastActivity"), written(self.created))
        return {"id": self.name, "status": status, **ADDRESSES, "streamWebView": True, **times}


def written(time: float) -> str:
    """Return a time as the service writes it."""
    return datetime.fromtimestamp(time, UTC).isoformat().replace("+00:00", "Z")


def new_name(now: float) -> str:
    """Return a random UUID of version 7, which begins with the time (RFC 9562, 5.7)."""
    first = int(now * 1000) << 16 | 7 << 12 | secrets.randbits(12)
    return str(uuid.UUID(int=first << 64 | 2 << 62 | secrets.randbits(62)))


def as_uuid(text: str) -> str | None:
    """Return a UUID as the service keeps it. It reads one in upper case or in braces, too."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        return None


def name_of(session_id: str) -> str:
    """Return an id as the service keeps it, or as a test has opened it."""
    return as_uuid(session_id) or session_id

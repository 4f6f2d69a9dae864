"""The service's sessions and responses, word for word."""

import html
import math
import time

import msgspec

from firecrawl_interact.core.transport import Request, Response

EPOCH = 1764022586.0
"""Mon Nov 24 2025 22:16:26 UTC: the Unix time when the service's clock is at 0."""


class Session(msgspec.Struct):
    """One session. Times are seconds since 1970."""

    team: str
    credits_per_hour: int
    created: float
    ended: float | None = None

    def settle(self, now: float) -> dict[str, object]:
        """End the session, unless it has ended, and return its receipt."""
        is_first_time = self.ended is None
        if self.ended is None:
            self.ended = now
        # A float of seconds since 1970 is that inexact: this is seldom a whole number.
        milliseconds = (self.ended - self.created) * 1000
        rate = self.credits_per_hour
        credits_billed = max(math.ceil(rate / 60), math.ceil(milliseconds / 3_600_000 * rate))
        receipt = {"status": "stopped", "creditsBilled": credits_billed}
        return {"sessionDurationMs": milliseconds, **receipt} if is_first_time else receipt


def json_response(status: int, /, **content: object) -> Response:
    """Return a response with a JSON object."""
    headers = {"content-type": "application/json; charset=utf-8"}
    return Response(status, headers, msgspec.json.encode(content))


def unauthorized(authorization: str, token: str) -> Response:
    """Return the response to a request whose key the service does not know."""
    error = "Unauthorized"
    if authorization:
        error += ": Invalid token" if token else ": Token missing"
    return json_response(401, success=False, error=error)


def rate_limited(consumed: int, wait: float, resets_at: float) -> Response:
    """Return the response to a request above the rate limit.

    Args:
        consumed: the requests that count, this one included.
        wait: seconds until the service accepts requests again. The text has them rounded to whole
            seconds, as `Math.round(ms / 1000) || 1` does: up to half a second too short.
        resets_at: when the service accepts requests again, on its clock.
    """
    retry_after = math.floor(wait + 0.5) or 1
    resets_on = time.asctime(time.gmtime(EPOCH + resets_at))
    weekday, month, day, clock, year = resets_on.split()
    error = (
        f"Rate limit exceeded. Consumed (req/min): {consumed}, Remaining (req/min): 0. "
        "Upgrade your plan at https://firecrawl.dev/pricing for increased rate limits "
        f"or please retry after {retry_after}s, resets at {weekday} {month} {day:0>2} {year} "
        f"{clock} GMT+0000 (Coordinated Universal Time)"
    )
    return json_response(429, success=False, error=error)


def no_such_route(request: Request) -> Response:
    """Return the web framework's page for an unknown route."""
    text = html.escape(f"Cannot {request.method} {request.path.partition('?')[0]}")
    page = f"<!DOCTYPE html>\n<html><body>\n<pre>{text}</pre>\n</body></html>\n"
    return Response(404, {"content-type": "text/html; charset=utf-8"}, page.encode())

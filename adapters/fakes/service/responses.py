"""The service's responses, word for word, as its own source gives them when it is run."""

import base64
import hashlib
import math
import time
import uuid
from email.utils import formatdate

import msgspec

from firecrawl_interact.core.transport import Request, Response

_SIGN_IN = "https://www.firecrawl.dev/.well-known/oauth-protected-resource"
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Error</title>
</head>
<body>
<pre>{}</pre>
</body>
</html>
"""


def json_response(status: int, /, **content: object) -> Response:
    """Return a response with a JSON object."""
    body = msgspec.json.encode(content)
    digest = base64.b64encode(hashlib.sha1(body, usedforsecurity=False).digest()).decode()
    headers = {
        "content-type": "application/json; charset=utf-8",
        "etag": f'W/"{len(body):x}-{digest[:27]}"',
    }
    return Response(status, headers, body)


def failure(status: int, error: str, **content: object) -> Response:
    """Return a response that reports a failure."""
    return json_response(status, success=False, **content, error=error)


def unauthorized(authorization: str, token: str) -> Response:
    """Return the response to a request whose key the service does not know."""
    error = "Unauthorized"
    if authorization:
        error += ": Invalid token" if token else ": Token missing"
    response = failure(401, error)
    sign_in = {"www-authenticate": f'Bearer resource_metadata="{_SIGN_IN}"'}
    return Response(401, {**response.headers, **sign_in}, response.body)


def rate_limited(consumed: int, *, now: float, resets_at: float) -> Response:
    """Return the response to a request above the rate limit. Times are seconds since 1970."""
    # `Math.round(ms / 1000) || 1`: up to half a second too short.
    retry_after = math.floor(resets_at - now + 0.5) or 1
    weekday, month, day, clock, year = time.asctime(time.gmtime(resets_at)).split()
    return failure(
        429,
        f"Rate limit exceeded. Consumed (req/min): {consumed}, Remaining (req/min): 0. "
        "Upgrade your plan at https://firecrawl.dev/pricing for increased rate limits "
        f"or please retry after {retry_after}s, resets at {weekday} {month} {day:0>2} {year} "
        f"{clock} GMT+0000 (Coordinated Universal Time)",
    )


def no_uuid(kind: str) -> Response:
    """Return the response for an id that is not a UUID: the look-up of a session fails."""
    if kind == "scrape":
        return failure(400, "Invalid job ID format. Job ID must be a valid UUID.")
    error = "An unexpected error occurred. Please contact help@firecrawl.com for help."
    exception_id = f" Your exception ID is {uuid.uuid4().hex}"
    return failure(500, error + exception_id, code="UNKNOWN_ERROR")


def no_such_route(request: Request) -> Response:
    """Return the web framework's page for an unknown route."""
    text = f"Cannot {request.method} {request.path.partition('?')[0]}".translate(_ESCAPES)
    headers = {
        "content-security-policy": "default-src 'none'",
        "x-content-type-options": "nosniff",
        "content-type": "text/html; charset=utf-8",
    }
    return Response(404, headers, _PAGE.format(text).encode())


def sent(response: Response, *, seconds: float, now: float) -> Response:
    """Return a response as the server sends it, after so many seconds, at a time since 1970."""
    headers = {
        "access-control-allow-origin": "*",
        **response.headers,
        "content-length": str(len(response.body)),
        "x-response-time": f"{seconds * 1000:.3f}ms",
        "date": formatdate(now, usegmt=True),
        "connection": "keep-alive",
        "keep-alive": "timeout=5",
    }
    return Response(response.status, headers, response.body)

"""A transport on requests, and the conformance suite that tests it.

It opens a session, and so a connection, for each call. Give it an https:// URL, because it would
send the API key over plain http, too.
"""

import ssl
from collections.abc import Callable
from functools import partial
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, NewConnectionError

from firecrawl_interact import SystemTime
from firecrawl_interact.adapters.conformance import TransportTests
from firecrawl_interact.core import (
    MAX_BODY_BYTES,
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TimedOutError,
    TransportError,
)


class RequestsTransport(SystemTime):
    """Sends each request over a session of its own."""

    def __init__(self, make_session: Callable[[], requests.Session], api_url: str) -> None:
        self.make_session = make_session
        self.api_url = api_url.rstrip("/")

    def send(self, request: Request, timeout: float) -> Response:
        """Send one request, and return its response or raise a `TransportError`."""
        options = {"timeout": timeout, "stream": True, "allow_redirects": False}
        try:
            with self.make_session() as session:
                response = session.send(self.prepare(request), **options)
                check_head(response)
                body = b""
                for piece in response.raw.stream(16384, decode_content=False):
                    body += piece
                    if len(body) > MAX_BODY_BYTES:
                        raise BadResponseError("the body is too large")
        except (requests.RequestException, HTTPError, OSError) as error:
            failure = failure_of(error)
        else:
            headers = {k.lower(): v.strip() for k, v in response.headers.items()}
            return Response(response.status_code, headers, body)
        raise failure  # here, because in the block above it would have a context

    def prepare(self, request: Request) -> requests.PreparedRequest:
        """Return the request as requests sends it, with the path untouched."""
        url = self.api_url + request.path
        made = requests.Request(request.method, url, dict(request.headers)).prepare()
        made.url = url  # requests has decoded a part of it
        return made


def check_head(response: requests.Response) -> None:
    """Refuse what requests accepts although its end is ambiguous."""
    headers, status = response.headers, response.status_code
    is_chunked = headers.get("transfer-encoding") == "chunked"
    has_length = headers.get("content-length", "").isdecimal() or status == 204
    is_clear = has_length != (is_chunked and response.raw.version == 11)
    is_plain = headers.get("content-encoding", "identity") == "identity"
    if not (200 <= status <= 599 and is_clear and is_plain):
        raise BadResponseError(f"the response is ambiguous (status {status})")


def failure_of(error: Exception) -> TransportError:
    """Return which of the four kinds an exception of requests is."""
    name = type(error).__name__  # Its text may have the headers.
    reason = getattr(error.args[0], "reason", None) if error.args else None
    is_untrusted = "CERTIFICATE_VERIFY_FAILED" in str(reason)
    if is_untrusted or isinstance(reason, NewConnectionError):
        can_pass = not is_untrusted
        failure = ConnectFailedError(f"no connection: {name}", transient=can_pass)
        failure.__cause__ = error.with_traceback(None)
        return failure
    if isinstance(error, requests.Timeout):
        return TimedOutError(f"no whole response came in time: {name}")
    return ConnectionLostError(f"the connection broke: {name}")


# From here on, it is tested.


class TrustingAdapter(HTTPAdapter):
    """Verifies certificates by a context."""

    def __init__(self, ssl_context: ssl.SSLContext | None) -> None:
        self.ssl_context = ssl_context
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:  # Any: as requests passes it
        """Pass the context on."""
        super().init_poolmanager(*args, **options, ssl_context=self.ssl_context)


def new_session(ssl_context: ssl.SSLContext | None) -> requests.Session:
    """Return a session that reads no variables."""
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", TrustingAdapter(ssl_context))
    return session


KNOWN = {
    "test_calls_in_a_row_use_one_connection": "it keeps none",
    "test_a_kept_connection_that_ends_as_we_write_is_stale": "it keeps none",
    "test_a_connect_that_hangs_was_not_sent": ("each address has the whole timeout"),
    "test_a_handshake_that_fails_was_not_sent": "requests does not tell",
}
SLOW = "a dripped head", "a dripped body", "dripped chunks", "dripped interim responses"
for scheme in ("http", "https"):
    for fault in SLOW:
        name = f"test_a_timeout_holds_even_while_bytes_arrive[{scheme}-{fault}]"
        KNOWN[name] = "each read has the whole timeout"
    for name in (
        f"what_is_too_large_is_refused_and_not_held[{scheme}-endless trailers]",
        f"8_interim_responses_are_skipped[{scheme}-102 Processing]",
        f"8_interim_responses_are_skipped[{scheme}-103 Early Hints]",
        f"what_ends_early_is_lost_and_is_not_retried[{scheme}-in a header of a response"
        " without a body]",
    ):
        KNOWN["test_" + name] = "http.client reads so"


class TestRequestsTransport(TransportTests):
    """The conformance suite: `pytest requests_transport.py`."""

    known = KNOWN

    def make_transport(
        self, api_url: str, ssl_context: ssl.SSLContext | None = None
    ) -> RequestsTransport:
        """Return a transport. A `partial`, because a closure cannot be pickled."""
        return RequestsTransport(partial(new_session, ssl_context), api_url)

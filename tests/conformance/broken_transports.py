"""Transports that break one promise each about requests, connections, time and errors."""

import asyncio
import os
import re
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import unquote_to_bytes, urlsplit

from firecrawl_interact.adapters import AsyncSystemTime
from firecrawl_interact.adapters.conformance import Channel, MakeTransport
from firecrawl_interact.core.transport import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TimedOutError,
    TransportError,
)

from .right_transport import RightTransport, Wire

FOUND: list[tuple[MakeTransport, str, str, Channel]] = []
"""A broken transport, the case that finds it, what that says to have seen, and over which way."""

Rewrite = Callable[[bytes], bytes]
_Broken = TypeVar("_Broken", bound=MakeTransport)


def found_by(case: str, seen: str, over: Channel = "http") -> Callable[[_Broken], _Broken]:
    """Note of a broken transport which case finds it, and what that says to have seen."""

    def note(broken: _Broken) -> _Broken:
        FOUND.append((broken, case, seen, over))
        return broken

    return note


def breaks(cases: Mapping[str, str], over: Channel = "http", **attributes: object) -> None:
    """Note the same, case by case, of a transport that differs from the right one in these."""
    broken = type("Broken", (RightTransport,), attributes)
    FOUND.extend((broken, case, seen, over) for case, seen in cases.items())


def takes(pattern: bytes, text: bytes = b"") -> Rewrite:
    """Take what matches the pattern for something else."""
    return lambda data: re.sub(pattern, text, data)


def rewrites(what: str, table: Mapping[str, Mapping[str, Rewrite]]) -> None:
    """Note transports that rewrite what they send or receive, by what is seen, and by case."""
    for seen, cases in table.items():
        for case, rewrite in cases.items():
            broken = type("Broken", (RightTransport,), {what: staticmethod(rewrite)})
            FOUND.append((broken, case, seen, "http"))


NOT_ITS_OWN = "the next call got a response that is not its own"
LOST, FAILED = "instead of ConnectionLostError", "instead of ConnectFailedError"


@found_by("a-redirect-302-is-not-followed", "instead of a response with status 302")
class FollowsRedirects(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        response = super().send(request, timeout)
        while location := response.headers.get("location"):
            moved = Request("GET", urlsplit(location).path, request.headers)
            response = super().send(moved, timeout)
        return response


@found_by("a-close-before-the-response-is-a-lost-connection", f"{LOST}: a response with status 200")
@found_by("a-kept-connection-closed-as-we-write-is-stale", f"{LOST}, stale: a response with status")
class RetriesLostRequests(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        try:
            return super().send(request, timeout)
        except ConnectionLostError:
            return super().send(request, timeout)


@found_by("a-close-before-the-response-is-a-lost-connection", "2 requests reached the service")
class RetriesAndReportsTheFirstFailure(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        try:
            return super().send(request, timeout)
        except ConnectionLostError:
            super().send(request, timeout)
            raise


@found_by("cookies-are-not-kept", r"Cookie: \['visitor=1; Path=/'\]")
class KeepsCookies(RightTransport):
    cookie = ""

    def send(self, request: Request, timeout: float) -> Response:
        headers = {**request.headers, **({"Cookie": self.cookie} if self.cookie else {})}
        response = super().send(Request(request.method, request.path, headers), timeout)
        self.cookie = response.headers.get("set-cookie", self.cookie)
        return response


def guess_in_netrc(head: bytes) -> bytes:
    return head.replace(b"Bearer", b"Basic") if "NETRC" in os.environ else head


HEADS: dict[str, dict[str, Rewrite]] = {
    r"\['/v2/echo/\.\./a'\] for the path /v2/echo/%2E%2E/a": {
        "escapes-in-a-path-stay-as-they-are": unquote_to_bytes
    },
    "/v2/echo/call-0001 for /v2/echo/call-0001 below /api/v9": {
        "the-prefix-of-the-service-is-kept": takes(rb"/api\S*/v2", b"/v2")
    },
    r"Authorization: \['bearer ": {"headers-go-out-as-they-are": takes(b"Bearer ", b"bearer ")},
    r"Authorization: \['Bearer guest'\]": {
        "no-credential-is-made-up": takes(rb"\r\n\Z", b"Authorization: Bearer guest\r\n\r\n")
    },
    r"Authorization: \['Basic ": {"netrc-and-proxies-of-the-environment-stay-out": guess_in_netrc},
}
rewrites("rewrite_head", HEADS)


@found_by("netrc-and-proxies-of-the-environment-stay-out", "0 requests reached the service for one")
class UsesTheProxy(RightTransport):
    def connect(self, timeout: float) -> socket.socket:
        self.url = urlsplit(os.environ.get("http_proxy", self.url.geturl()))
        return super().connect(timeout)


right_addresses = RightTransport.addresses
breaks(
    {"every-address-of-a-name-is-tried": "the next call ended in ConnectFailedError"},
    addresses=lambda self: right_addresses(self)[:1],
)
SILENT = "the call ended in (TimedOutError|ConnectFailedError)"
breaks(
    {"an-address-that-is-silent-leaves-time-for-the-next": SILENT},
    share=lambda self, seconds, addresses: seconds,
)
LATE = r"after [1-9]\.\d+ s instead of 0\.4 s: "
breaks(
    {"all-addresses-of-a-name-share-one-timeout": f"{LATE}ConnectFailedError"},
    share=lambda self, seconds, addresses: 0.4,
)
TRUSTED = "not transient: a response with status 200"


@found_by("an-untrusted-certificate-is-refused", TRUSTED, "https")
@found_by("an-expired-certificate-is-refused", TRUSTED, "https")
@found_by("the-certificate-of-another-host-is-refused", TRUSTED, "https")
class TrustsAnyone(RightTransport):
    def connect(self, timeout: float) -> socket.socket:
        if self.ssl_context is not None:
            self.ssl_context.check_hostname = False
            self.ssl_context.verify_mode = ssl.CERT_NONE
        return super().connect(timeout)


breaks(
    {
        "an-unasked-response-is-never-used": f"{NOT_ITS_OWN}: .*neighbour",
        "a-connection-closed-while-idle-is-replaced": "the next call ended in ConnectionLostError",
        "a-second-response-is-never-used": f"{NOT_ITS_OWN}: .*neighbour",
    },
    bytes_at_once=1,  # So it leaves the surplus to the next call.
    is_usable=lambda self, wire: True,
)
breaks(
    {
        "calls-in-a-row-use-one-connection": "20 connections for 20 calls",
        "callers-side-by-side-share-connections": r"\d+ connections for 8 callers",
    },
    is_usable=lambda self, wire: False,
)
breaks(
    {"a-connection-about-to-be-closed-is-not-reused": "must not be used again"},
    keep_seconds=lambda self, headers: 30,
)


@found_by("a-fork-shares-no-connection", "(the next call|a call in the child)")
class SharesConnectionsAfterFork(RightTransport):
    def is_usable(self, wire: Wire) -> bool:
        wire.process = os.getpid()
        return super().is_usable(wire)


@found_by("callers-side-by-side-get-their-own-responses", "the call got a response that is not")
class MixesResponses(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        self.response = super().send(request, timeout)
        time.sleep(0.01)
        return self.response


@found_by("an-interrupt-passes-through", NOT_ITS_OWN)
@found_by("a-response-after-the-timeout-is-never-used", "the next call")
class KeepsConnectionsThatFailed(RightTransport):
    def end(self, wire: Wire) -> None:
        if isinstance(sys.exception(), KeyboardInterrupt | TimedOutError):
            self.idle.append(wire)
        else:
            super().end(wire)


LEFT_OPEN: list[Wire] = []
breaks(
    {
        "closing-ends-kept-connections": "1 open connections after the close",
        "nothing-is-left-behind": r"\d open connections after a failure and a close",
    },
    end=lambda self, wire: LEFT_OPEN.append(wire),
)
NOT_CLOSED = f"{FAILED}, not transient: a response with status 200"
breaks(
    {"a-closed-transport-sends-nothing": NOT_CLOSED},
    is_closed=property(lambda self: False, lambda self, value: None),
)
breaks(
    {"a-pickled-transport-sends-too": "TypeError: cannot pickle '_thread.lock' object"},
    __reduce__=lambda self: (str, (threading.Lock(),)),
)


@found_by("nothing-is-left-behind", "the threads ")
class LeavesThreads(RightTransport):
    go_on = threading.Event()

    def send(self, request: Request, timeout: float) -> Response:
        threading.Thread(target=self.go_on.wait, args=(5,), daemon=True).start()
        return super().send(request, timeout)


breaks(
    {"a-silent-server-ends-in-a-timeout": f"{LATE}ConnectionLostError"},
    seconds_left=lambda self, wire: 60,
)
DRIPPED = r"(instead of TimedOutError: |after \d\.\d+ s instead of 0\.4 s: )"
breaks({"a-dripped-body-ends-in-a-timeout": DRIPPED}, seconds_left=lambda self, wire: 1)
breaks(
    {"a-slow-response-is-waited-for": "the call ended in TimedOutError"},
    seconds_left=lambda self, wire: 0.1,
)
breaks(
    {"time-passes-while-it-sleeps": r"0\.0[0-3]\d s on its clock for a sleep of 0\.05 s"},
    sleep=lambda self, seconds: None,
)


def transient(self: RightTransport, error: TransportError, request: Request) -> Exception:
    error.transient = True
    return error


breaks(
    {
        "a-reset-before-the-response-is-a-lost-connection": f"{LOST}: ConnectFailedError",
        "an-unknown-failure-after-the-request-counts-as-sent": "sent=True: ConnectFailedError",
    },
    report=lambda self, error, request: ConnectFailedError(str(error)),
)
breaks(
    {"a-refused-connection-was-not-sent": "an error without its __cause__: ConnectFailedError"},
    report=lambda self, error, request: type(error)(str(error)),
)
OF_SYSTEM = "send raised ConnectionResetError.*, which is no TransportError"
breaks(
    {"a-reset-before-the-response-is-a-lost-connection": OF_SYSTEM},
    report=lambda self, error, request: error.__cause__ or error,
)
breaks(
    {"a-cut-body-is-no-response": "the API key in the text of ConnectionLostError: .*\\*{3}"},
    report=lambda self, error, request: type(error)(f"{error} for {dict(request.headers)}"),
)
TRANSIENT = "not transient: ConnectFailedError.*, transient"
breaks({"plain-http-instead-of-tls-is-not-transient": TRANSIENT}, "https", report=transient)
breaks(
    {"a-close-within-the-handshake-was-not-sent": f"{FAILED}.*: ConnectionLost"},
    "https",
    report=lambda self, error, request: ConnectionLostError(str(error)),
)
ENDED = "the connection ended early"
breaks(
    {"a-kept-connection-reset-as-we-write-is-stale": f"{LOST}, stale: ConnectionLostError[^,]*$"},
    lost=lambda self, wire: ConnectionLostError(ENDED),
)
breaks(
    {"a-kept-connection-lost-within-a-response-is-not-stale": f"{LOST}: ConnectionLost.*, stale"},
    lost=lambda self, wire: ConnectionLostError(ENDED, stale=True),
)


@found_by("an-interrupt-passes-through", "instead of a KeyboardInterrupt: TimedOutError")
@found_by("an-exception-of-a-signals-handler-passes-through", "instead of a HandlerError: TimedOut")
class SwallowsWhatHandlersRaise(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        try:
            return super().send(request, timeout)
        except BaseException as error:
            raise TimedOutError("interrupted") from error


@found_by("a-404-is-a-response", "instead of a response with status 404: ")
class RaisesForStatus(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        response = super().send(request, timeout)
        if response.status >= 400:
            raise BadResponseError(f"status {response.status}")
        return response


@found_by("an-interrupt-passes-through", "must not be used again")
class GoesOnWhenCancelled(AsyncSystemTime):
    """Awaited, but in a thread that nobody can interrupt."""

    def __init__(self, api_url: str, *, ssl_context: ssl.SSLContext | None = None) -> None:
        self.blocking = RightTransport(api_url, ssl_context=ssl_context)

    async def send(self, request: Request, timeout: float) -> Response:
        return await asyncio.to_thread(self.blocking.send, request, timeout)

    async def aclose(self) -> None:
        self.blocking.close()


@found_by("nothing-is-left-behind", "unfinished tasks")
class LeavesTasks(GoesOnWhenCancelled):
    async def send(self, request: Request, timeout: float) -> Response:
        self.task = asyncio.ensure_future(asyncio.sleep(1))
        return await super().send(request, timeout)

"""Transports that break one promise each about requests, connections, time and errors."""

import asyncio
import netrc
import os
import socket
import ssl
import sys
import threading
import time
from urllib.parse import quote, unquote, urlsplit

from firecrawl_interact.adapters import AsyncSystemTime
from firecrawl_interact.core.transport import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TimedOutError,
    TransportError,
)

from .found_by import found_by
from .right_transport import RightTransport, Wire


@found_by("a-redirect-302-is-not-followed", "instead of a response with status 302")
class FollowsRedirects(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        response = super().send(request, timeout)
        while location := response.headers.get("location"):
            moved = Request("GET", urlsplit(location).path, request.headers)
            response = super().send(moved, timeout)
        return response


@found_by(
    "a-close-before-the-response-is-a-lost-connection",
    "instead of ConnectionLostError: a response with status 200",
)
@found_by(
    "a-kept-connection-closed-as-we-write-is-stale",
    "instead of ConnectionLostError, stale: a response with status 200",
)
class RetriesLostRequests(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        try:
            return super().send(request, timeout)
        except ConnectionLostError:
            return super().send(request, timeout)


@found_by(
    "a-silent-server-ends-in-a-timeout", r"after 2\.\d+ s instead of 0\.4 s: ConnectionLostError"
)
class WaitsForEver(RightTransport):
    def wire(self, deadline: float) -> Wire:
        return super().wire(deadline + 60)


@found_by(
    "a-dripped-body-ends-in-a-timeout",
    r"(instead of TimedOutError: |after \d\.\d+ s instead of 0\.4 s: )",
)
class WaitsForEveryByte(RightTransport):
    class wire_class(Wire):  # noqa: N801 - overrides an attribute
        def seconds_left(self) -> float:
            return 1


class SaysSomethingElse(RightTransport):
    """Raises something else than the error that would be right."""

    def send(self, request: Request, timeout: float) -> Response:
        try:
            return super().send(request, timeout)
        except TransportError as error:
            raise self.instead_of(error, request)  # noqa: B904 - some hide their cause

    def instead_of(self, error: TransportError, request: Request) -> Exception:
        raise NotImplementedError


@found_by(
    "a-reset-before-the-response-is-a-lost-connection",
    "instead of ConnectionLostError: ConnectFailedError",
)
class CallsAllNotSent(SaysSomethingElse):
    def instead_of(self, error: TransportError, request: Request) -> Exception:
        return ConnectFailedError(str(error))


class CallsAllLost(SaysSomethingElse):
    def instead_of(self, error: TransportError, request: Request) -> Exception:
        return ConnectionLostError(str(error))


@found_by("a-refused-connection-was-not-sent", "an error without its __cause__: ConnectFailedError")
class HidesCauses(SaysSomethingElse):
    def instead_of(self, error: TransportError, request: Request) -> Exception:
        error.__cause__ = None
        return error


@found_by(
    "a-reset-before-the-response-is-a-lost-connection",
    "send raised ConnectionResetError.*, which is no TransportError",
)
class LeaksSocketErrors(SaysSomethingElse):
    def instead_of(self, error: TransportError, request: Request) -> Exception:
        return error.__cause__ if isinstance(error.__cause__, OSError) else error


@found_by("a-cut-body-is-no-response", "the API key in the text of an error")
class QuotesTheKey(SaysSomethingElse):
    def instead_of(self, error: TransportError, request: Request) -> Exception:
        return type(error)(f"{error} for {dict(request.headers)}")


@found_by(
    "a-closed-transport-sends-nothing",
    "instead of ConnectFailedError, not transient: ConnectFailedError.*, transient",
)
class CallsAllTransient(SaysSomethingElse):
    def instead_of(self, error: TransportError, request: Request) -> Exception:
        error.transient = True
        return error


@found_by(
    "a-kept-connection-reset-as-we-write-is-stale",
    "instead of ConnectionLostError, stale: ConnectionLostError[^,]*$",
)
class NeverSaysStale(RightTransport):
    class wire_class(Wire):  # noqa: N801 - overrides an attribute
        def lost(self) -> ConnectionLostError:
            return ConnectionLostError("the connection ended early")


@found_by(
    "a-kept-connection-lost-within-a-response-is-not-stale",
    "instead of ConnectionLostError: ConnectionLostError.*, stale",
)
class AlwaysSaysStale(RightTransport):
    class wire_class(Wire):  # noqa: N801 - overrides an attribute
        def lost(self) -> ConnectionLostError:
            return ConnectionLostError("the connection ended early", stale=True)


@found_by(
    "an-unasked-response-is-never-used",
    "the next call got a response that is not its own: .*neighbour",
)
@found_by(
    "a-connection-closed-while-idle-is-replaced", "the next call ended in ConnectionLostError"
)
class TrustsKeptConnections(RightTransport):
    class wire_class(Wire):  # noqa: N801 - overrides an attribute
        def is_usable(self) -> bool:
            return True


@found_by(
    "a-second-response-is-never-used",
    "the next call got a response that is not its own: .*neighbour",
)
class KeepsSurplus(TrustsKeptConnections):
    def may_keep(self, wire: Wire, response: Response) -> bool:
        return True


@found_by(
    "an-announced-close-is-believed",
    "the next call went over a connection that must not be used again",
)
class ForgetsAnnouncedCloses(RightTransport):
    def may_keep(self, wire: Wire, response: Response) -> bool:
        return not wire.buffer


@found_by("a-fork-shares-no-connection", "(the next call|a call in the child)")
class SharesConnectionsAfterFork(RightTransport):
    class wire_class(Wire):  # noqa: N801 - overrides an attribute
        def is_usable(self) -> bool:
            self.process = os.getpid()
            return super().is_usable()


@found_by("cookies-are-not-kept", r"Cookie: \['visitor=1; Path=/'\]")
class KeepsCookies(RightTransport):
    cookie = ""

    def send(self, request: Request, timeout: float) -> Response:
        headers = {**request.headers, **({"Cookie": self.cookie} if self.cookie else {})}
        response = super().send(Request(request.method, request.path, headers), timeout)
        self.cookie = response.headers.get("set-cookie", self.cookie)
        return response


@found_by(
    "escapes-in-a-path-stay-as-they-are", r"\['/v2/echo/\.\./a'\] for the path /v2/echo/%2E%2E/a"
)
class ReencodesPaths(RightTransport):
    def head(self, request: Request) -> bytes:
        path = quote(unquote(request.path))
        return super().head(Request(request.method, path, request.headers))


@found_by(
    "the-prefix-of-the-service-is-kept", "/v2/echo/call-0001 for /v2/echo/call-0001 below /api/v9"
)
class DropsThePrefix(RightTransport):
    def head(self, request: Request) -> bytes:
        self.url = self.url._replace(path="")
        return super().head(request)


@found_by("headers-go-out-as-they-are", r"Authorization: \['bearer ")
class RenamesTheCredential(RightTransport):
    def head(self, request: Request) -> bytes:
        return super().head(request).replace(b": Bearer ", b": bearer ")


@found_by("no-credential-is-made-up", r"Authorization: \['Bearer guest'\]")
class MakesUpACredential(RightTransport):
    def head(self, request: Request) -> bytes:
        headers = {"Authorization": "Bearer guest", **request.headers}
        return super().head(Request(request.method, request.path, headers))


@found_by("netrc-and-proxies-of-the-environment-stay-out", r"Authorization: \['Basic ")
class ReadsNetrc(RightTransport):
    def head(self, request: Request) -> bytes:
        head = super().head(request)
        found = netrc.netrc(os.environ["NETRC"]) if "NETRC" in os.environ else None
        return head.replace(b"Bearer", b"Basic") if found else head


@found_by(
    "netrc-and-proxies-of-the-environment-stay-out", "0 requests reached the service for one call"
)
class UsesTheProxy(RightTransport):
    def connect(self, timeout: float) -> socket.socket:
        self.url = urlsplit(os.environ.get("http_proxy", self.url.geturl()))
        return super().connect(timeout)


@found_by("every-address-of-a-name-is-tried", "the next call ended in ConnectFailedError")
class TriesOneAddress(RightTransport):
    def connect(self, timeout: float) -> socket.socket:
        *_, address = socket.getaddrinfo(self.url.hostname, self.url.port)[0]
        sock = socket.socket()
        sock.settimeout(timeout)
        try:
            sock.connect(address)
        except OSError as error:
            sock.close()
            raise ConnectFailedError("no connection") from error
        return sock


@found_by("an-address-that-is-silent-leaves-time-for-the-next", "the call ended in TimedOutError")
@found_by(
    "all-addresses-of-a-name-share-one-timeout",
    r"after 1\.\d+ s instead of 0\.4 s: ConnectFailedError",
)
class TimesEachAddress(RightTransport):
    def connect(self, timeout: float) -> socket.socket:
        try:
            return socket.create_connection((self.url.hostname or "", self.url.port), timeout)
        except OSError as error:
            raise ConnectFailedError("no connection") from error


@found_by("closing-ends-kept-connections", "1 open connections after the close")
@found_by("nothing-is-left-behind", r"\d open connections after a failure and a close")
class NeverCloses(RightTransport):
    left_open: list[Wire] = []  # noqa: RUF012 - shared on purpose, for the test to close them

    def end(self, wire: Wire) -> None:
        self.left_open.append(wire)


@found_by(
    "a-closed-transport-sends-nothing",
    "instead of ConnectFailedError, not transient: a response with status 200",
)
class IgnoresItsClose(RightTransport):
    def close(self) -> None:
        super().close()
        self.is_closed = False


@found_by("calls-in-a-row-use-one-connection", "20 connections for 20 calls")
@found_by("callers-side-by-side-share-connections", r"\d+ connections for 8 callers")
class ConnectsEachTime(RightTransport):
    def wire(self, deadline: float) -> Wire:
        while self.idle:
            self.end(self.idle.pop())
        return super().wire(deadline)


@found_by("a-pickled-transport-sends-too", "TypeError: cannot pickle '_thread.lock' object")
class CannotBePickled(RightTransport):
    def __reduce__(self) -> tuple[type[RightTransport], tuple[str]]:
        raise TypeError("cannot pickle '_thread.lock' object")


@found_by("nothing-is-left-behind", "the threads ")
class LeavesThreads(RightTransport):
    go_on = threading.Event()

    def send(self, request: Request, timeout: float) -> Response:
        threading.Thread(target=self.go_on.wait, args=(5,), daemon=True).start()
        return super().send(request, timeout)


@found_by(
    "callers-side-by-side-get-their-own-responses", "the call got a response that is not its own"
)
class MixesResponses(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        self.response = super().send(request, timeout)
        time.sleep(0.01)
        return self.response


@found_by("an-interrupt-passes-through", "the next call got a response that is not its own")
class KeepsInterruptedConnections(RightTransport):
    def end(self, wire: Wire) -> None:
        if isinstance(sys.exception(), KeyboardInterrupt):
            self.idle.append(wire)
        else:
            super().end(wire)


@found_by("an-interrupt-passes-through", "instead of a KeyboardInterrupt: TimedOutError")
class SwallowsInterrupts(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        try:
            return super().send(request, timeout)
        except KeyboardInterrupt as error:
            raise TimedOutError("interrupted") from error


@found_by("an-exception-of-a-signals-handler-passes-through", "instead of a HandlerError: TimedOut")
class SwallowsWhatHandlersRaise(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        try:
            return super().send(request, timeout)
        except TransportError:
            raise
        except Exception as error:
            raise TimedOutError("the task has used up its time") from error


class TrustsAnyone(RightTransport):
    def connect(self, timeout: float) -> socket.socket:
        if self.ssl_context is not None:
            self.ssl_context.check_hostname = False
            self.ssl_context.verify_mode = ssl.CERT_NONE
        return super().connect(timeout)


@found_by("a-response-after-the-timeout-is-never-used", "the next call")
class KeepsConnectionsAfterTimeouts(RightTransport):
    def end(self, wire: Wire) -> None:
        if isinstance(sys.exception(), TimedOutError):
            self.idle.append(wire)
        else:
            super().end(wire)


@found_by(
    "an-unknown-failure-after-the-request-counts-as-sent",
    "instead of an error that says sent=True: ConnectFailedError",
)
class CallsTheUnknownUnsent(RightTransport):
    def unknown(self, error: Exception) -> TransportError:
        return ConnectFailedError(str(error))


@found_by("surplus-bytes-leave-the-response-as-it-is", "BadResponseError")
@found_by("a-body-behind-a-204-leaves-it-as-it-is", "BadResponseError")
class RefusesSurplus(RightTransport):
    def may_keep(self, wire: Wire, response: Response) -> bool:
        if wire.buffer:
            self.end(wire)
            raise BadResponseError("more came than was asked for")
        return super().may_keep(wire, response)


@found_by("a-404-is-a-response", "instead of a response with status 404: ")
class RaisesForStatus(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        response = super().send(request, timeout)
        if response.status >= 400:
            raise BadResponseError(f"status {response.status}")
        return response


@found_by("a-slow-response-is-waited-for", "the call ended in TimedOutError")
class IsImpatient(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        return super().send(request, min(timeout, 0.1))


@found_by("time-passes-while-it-sleeps", r"0\.000 s on its clock for a sleep of 0\.05 s")
class NeverSleeps(RightTransport):
    def sleep(self, seconds: float) -> None:
        pass


class GoesOnWhenCancelled(AsyncSystemTime):
    """Awaited, but in a thread that nobody can interrupt."""

    def __init__(self, api_url: str, *, ssl_context: ssl.SSLContext | None = None) -> None:
        self.blocking = RightTransport(api_url, ssl_context=ssl_context)

    async def send(self, request: Request, timeout: float) -> Response:
        return await asyncio.to_thread(self.blocking.send, request, timeout)

    async def aclose(self) -> None:
        self.blocking.close()


class SwallowsCancellation(GoesOnWhenCancelled):
    async def send(self, request: Request, timeout: float) -> Response:
        try:
            return await super().send(request, timeout)
        except asyncio.CancelledError as error:
            raise TimedOutError("cancelled") from error


class LeavesTasks(GoesOnWhenCancelled):
    async def send(self, request: Request, timeout: float) -> Response:
        self.task = asyncio.ensure_future(asyncio.sleep(1))
        return await super().send(request, timeout)

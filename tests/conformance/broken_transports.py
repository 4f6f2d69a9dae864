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

from .right_transport import RightTransport, Wire


class FollowsRedirects(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        response = super().send(request, timeout)
        while location := response.headers.get("location"):
            moved = Request("GET", urlsplit(location).path, request.headers)
            response = super().send(moved, timeout)
        return response


class RetriesLostRequests(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        try:
            return super().send(request, timeout)
        except ConnectionLostError:
            return super().send(request, timeout)


class WaitsForEver(RightTransport):
    def wire(self, deadline: float) -> Wire:
        return super().wire(deadline + 60)


class WaitsForEveryByte(RightTransport):
    class wire_class(Wire):  # noqa: N801 - overrides an attribute
        def seconds_left(self) -> float:
            return 1


class CallsAllNotSent(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        try:
            return super().send(request, timeout)
        except TransportError as error:
            raise ConnectFailedError(str(error)) from error


class CallsAllLost(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        try:
            return super().send(request, timeout)
        except TransportError as error:
            raise ConnectionLostError(str(error)) from error


class HidesCauses(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        try:
            return super().send(request, timeout)
        except TransportError as error:
            error.__cause__ = None
            raise


class LeaksSocketErrors(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        try:
            return super().send(request, timeout)
        except TransportError as error:
            raise error.__cause__ or error from None


class QuotesTheKey(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        try:
            return super().send(request, timeout)
        except TransportError as error:
            error.args = (f"{error} for {dict(request.headers)}",)
            raise


class CallsAllTransient(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        try:
            return super().send(request, timeout)
        except TransportError as error:
            error.transient = True
            raise


class NeverSaysStale(RightTransport):
    class wire_class(Wire):  # noqa: N801 - overrides an attribute
        def lost(self) -> ConnectionLostError:
            return ConnectionLostError("the connection ended early")


class AlwaysSaysStale(RightTransport):
    class wire_class(Wire):  # noqa: N801 - overrides an attribute
        def lost(self) -> ConnectionLostError:
            return ConnectionLostError("the connection ended early", stale=True)


class TrustsKeptConnections(RightTransport):
    class wire_class(Wire):  # noqa: N801 - overrides an attribute
        def is_usable(self) -> bool:
            return True


class KeepsSurplus(TrustsKeptConnections):
    def may_keep(self, wire: Wire, response: Response) -> bool:
        return True


class ForgetsAnnouncedCloses(RightTransport):
    def may_keep(self, wire: Wire, response: Response) -> bool:
        return not wire.buffer


class SharesConnectionsAfterFork(RightTransport):
    class wire_class(Wire):  # noqa: N801 - overrides an attribute
        def is_usable(self) -> bool:
            self.process = os.getpid()
            return super().is_usable()


class KeepsCookies(RightTransport):
    cookie = ""

    def send(self, request: Request, timeout: float) -> Response:
        headers = {**request.headers, **({"Cookie": self.cookie} if self.cookie else {})}
        response = super().send(Request(request.method, request.path, headers), timeout)
        self.cookie = response.headers.get("set-cookie", self.cookie)
        return response


class ReencodesPaths(RightTransport):
    def head(self, request: Request) -> bytes:
        path = quote(unquote(request.path))
        return super().head(Request(request.method, path, request.headers))


class DropsThePrefix(RightTransport):
    def head(self, request: Request) -> bytes:
        self.url = self.url._replace(path="")
        return super().head(request)


class RenamesTheCredential(RightTransport):
    def head(self, request: Request) -> bytes:
        return super().head(request).replace(b": Bearer ", b": bearer ")


class MakesUpACredential(RightTransport):
    def head(self, request: Request) -> bytes:
        headers = {"Authorization": "Bearer guest", **request.headers}
        return super().head(Request(request.method, request.path, headers))


class ReadsNetrc(RightTransport):
    def head(self, request: Request) -> bytes:
        head = super().head(request)
        found = netrc.netrc(os.environ["NETRC"]) if "NETRC" in os.environ else None
        return head.replace(b"Bearer", b"Basic") if found else head


class UsesTheProxy(RightTransport):
    def connect(self, timeout: float) -> socket.socket:
        self.url = urlsplit(os.environ.get("http_proxy", self.url.geturl()))
        return super().connect(timeout)


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


class TimesEachAddress(RightTransport):
    def connect(self, timeout: float) -> socket.socket:
        try:
            return socket.create_connection((self.url.hostname or "", self.url.port), timeout)
        except OSError as error:
            raise ConnectFailedError("no connection") from error


class NeverCloses(RightTransport):
    left_open: list[Wire] = []  # noqa: RUF012 - shared on purpose, for the test to close them

    def end(self, wire: Wire) -> None:
        self.left_open.append(wire)


class IgnoresItsClose(RightTransport):
    def close(self) -> None:
        super().close()
        self.is_closed = False


class ConnectsEachTime(RightTransport):
    def wire(self, deadline: float) -> Wire:
        while self.idle:
            self.end(self.idle.pop())
        return super().wire(deadline)


class CannotBePickled(RightTransport):
    def __reduce__(self) -> tuple[type[RightTransport], tuple[str]]:
        raise TypeError("cannot pickle '_thread.lock' object")


class LeavesThreads(RightTransport):
    go_on = threading.Event()

    def send(self, request: Request, timeout: float) -> Response:
        threading.Thread(target=self.go_on.wait, args=(5,), daemon=True).start()
        return super().send(request, timeout)


class MixesResponses(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        self.response = super().send(request, timeout)
        time.sleep(0.01)
        return self.response


class KeepsInterruptedConnections(RightTransport):
    def end(self, wire: Wire) -> None:
        if isinstance(sys.exception(), KeyboardInterrupt):
            self.idle.append(wire)
        else:
            super().end(wire)


class SwallowsInterrupts(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        try:
            return super().send(request, timeout)
        except KeyboardInterrupt as error:
            raise TimedOutError("interrupted") from error


class TrustsAnyone(RightTransport):
    def connect(self, timeout: float) -> socket.socket:
        if self.ssl_context is not None:
            self.ssl_context.check_hostname = False
            self.ssl_context.verify_mode = ssl.CERT_NONE
        return super().connect(timeout)


class KeepsConnectionsAfterTimeouts(RightTransport):
    def end(self, wire: Wire) -> None:
        if isinstance(sys.exception(), TimedOutError):
            self.idle.append(wire)
        else:
            super().end(wire)


class CallsTheUnknownUnsent(RightTransport):
    def unknown(self, error: Exception) -> TransportError:
        return ConnectFailedError(str(error))


class RefusesSurplus(RightTransport):
    def may_keep(self, wire: Wire, response: Response) -> bool:
        if wire.buffer:
            self.end(wire)
            raise BadResponseError("more came than was asked for")
        return super().may_keep(wire, response)


class RaisesForStatus(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        response = super().send(request, timeout)
        if response.status >= 400:
            raise BadResponseError(f"status {response.status}")
        return response


class IsImpatient(RightTransport):
    def send(self, request: Request, timeout: float) -> Response:
        return super().send(request, min(timeout, 0.1))


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

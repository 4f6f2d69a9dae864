"""Transports that break one promise each about what a response is."""

import gzip
import re
from collections.abc import Mapping

from firecrawl_interact.core.transport import (
    MAX_BODY_BYTES,
    BadResponseError,
    ConnectionLostError,
    Response,
)

from .right_transport import RightTransport, Wire


class QuotesAllThatCame(RightTransport):
    def status(self, wire: Wire) -> int:
        line = wire.line()
        if not line.startswith("HTTP/1.1 200 "):
            raise BadResponseError(f"no HTTP/1: {line}")
        return 200


class DecodesBodies(RightTransport):
    def body(self, wire: Wire, status: int, headers: Mapping[str, str]) -> bytes:
        plain = {name: value for name, value in headers.items() if name != "content-encoding"}
        body = super().body(wire, status, plain)
        return gzip.decompress(body) if plain != headers else body


class AcceptsCutHeads(RightTransport):
    def headers(self, wire: Wire) -> dict[str, str]:
        try:
            return super().headers(wire)
        except ConnectionLostError:
            return {"content-length": "0"}


class AcceptsCutBodies(RightTransport):
    def body(self, wire: Wire, status: int, headers: Mapping[str, str]) -> bytes:
        try:
            return super().body(wire, status, headers)
        except ConnectionLostError:
            return wire.buffer


class HoldsLargeBodies(RightTransport):
    def check_size(self, size: int) -> None:
        pass


class RefusesTheLargestBody(RightTransport):
    def check_size(self, size: int) -> None:
        super().check_size(size + 1)


class RefusesLargeBodiesLate(RightTransport):
    def body(self, wire: Wire, status: int, headers: Mapping[str, str]) -> bytes:
        left = int(headers.get("content-length", 0))
        while left > MAX_BODY_BYTES:
            wire.receive()
            left -= len(wire.buffer)
            wire.buffer = b""
        return super().body(wire, status, headers)


class ForgetsTheStatus(RightTransport):
    def body(self, wire: Wire, status: int, headers: Mapping[str, str]) -> bytes:
        return super().body(wire, 0, headers)


class IsTooStrict(RightTransport):
    class wire_class(Wire):  # noqa: N801 - overrides an attribute
        def line(self) -> str:
            line = super().line()
            form = r"HTTP/1\.1 \d{3} .+|(?!Content-Encoding|X-Many)[\w-]+: [^;]{0,8000}|"
            if not re.fullmatch(form, line):
                raise BadResponseError("a form that it does not know")
            return line


class TakesBareLfs(RightTransport):
    class wire_class(Wire):  # noqa: N801 - overrides an attribute
        def without_end(self, line: bytes) -> bytes:
            return line.removesuffix(b"\r")


class TakesAnyStatusLine(RightTransport):
    def status(self, wire: Wire) -> int:
        while not (line := wire.line()):
            pass
        return int(line.split(" ")[1])


class TakesAnyHeader(RightTransport):
    def headers(self, wire: Wire) -> dict[str, str]:
        headers = {}
        while line := wire.line():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip(" ")
        return headers


class TakesOddLengthsForNone(RightTransport):
    def body(self, wire: Wire, status: int, headers: Mapping[str, str]) -> bytes:
        length = headers.get("content-length", "0")
        return super().body(wire, status, headers) if length.isascii() and length else b""


class TakesChunksInOldHttp(RightTransport):
    def body(self, wire: Wire, status: int, headers: Mapping[str, str]) -> bytes:
        wire.is_old = False
        return super().body(wire, status, headers)


class SkipsFewInterimResponses(RightTransport):
    most_interim_responses = 7


class SkipsManyInterimResponses(RightTransport):
    most_interim_responses = 50


class TakesHintsForResponses(RightTransport):
    def read(self, wire: Wire) -> Response:
        status = self.status(wire)
        headers = self.headers(wire)
        body = self.body(wire, status, headers) if status >= 200 else b""
        return Response(status, headers, body)


class GuessesLengths(RightTransport):
    def body(self, wire: Wire, status: int, headers: Mapping[str, str]) -> bytes:
        if "transfer-encoding" in headers:
            headers = {"transfer-encoding": headers["transfer-encoding"]}
        return super().body(wire, status, headers)


class KeepsNamesAsTheyCame(RightTransport):
    def read(self, wire: Wire) -> Response:
        response = super().read(wire)
        headers = {name.title(): value for name, value in response.headers.items()}
        return Response(response.status, headers, response.body)

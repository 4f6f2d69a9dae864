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

from .found_by import found_by
from .right_transport import RightTransport, Wire


@found_by("a-long-line-of-another-protocol-is-hardly-quoted", r"a message of 600\d\d characters")
class QuotesAllThatCame(RightTransport):
    def status(self, wire: Wire) -> int:
        line = wire.line()
        if not line.startswith("HTTP/1.1 200 "):
            raise BadResponseError(f"no HTTP/1: {line}")
        return 200


@found_by(
    "a-response-coded-as-gzip-is-refused",
    "instead of BadResponseError: a response with status 200 and 17 bytes",
)
class DecodesBodies(RightTransport):
    def body(self, wire: Wire, status: int, headers: Mapping[str, str]) -> bytes:
        plain = {name: value for name, value in headers.items() if name != "content-encoding"}
        body = super().body(wire, status, plain)
        return gzip.decompress(body) if plain != headers else body


@found_by(
    "a-head-without-its-end-is-no-response",
    "instead of ConnectionLostError, .* a response with status 200 and 0 bytes",
)
class AcceptsCutHeads(RightTransport):
    def headers(self, wire: Wire) -> dict[str, str]:
        try:
            return super().headers(wire)
        except ConnectionLostError:
            return {"content-length": "0"}


@found_by(
    "a-cut-body-is-no-response",
    "instead of ConnectionLostError, transient: a response with status 200 and 16 bytes",
)
class AcceptsCutBodies(RightTransport):
    def body(self, wire: Wire, status: int, headers: Mapping[str, str]) -> bytes:
        try:
            return super().body(wire, status, headers)
        except ConnectionLostError:
            return wire.buffer


@found_by(
    "a-body-above-1-mib-is-refused",
    "instead of BadResponseError: a response with status 200 and 1048577 bytes",
)
class HoldsLargeBodies(RightTransport):
    def check_size(self, size: int) -> None:
        pass


@found_by("chunks-of-1-mib-are-taken", "the call ended in BadResponseError")
class RefusesTheLargestBody(RightTransport):
    def check_size(self, size: int) -> None:
        super().check_size(size + 1)


@found_by("a-body-of-50-mb-is-not-held", r"\d+ MB were taken before the call failed")
class RefusesLargeBodiesLate(RightTransport):
    def body(self, wire: Wire, status: int, headers: Mapping[str, str]) -> bytes:
        left = int(headers.get("content-length", 0))
        while left > MAX_BODY_BYTES:
            wire.receive()
            left -= len(wire.buffer)
            wire.buffer = b""
        return super().body(wire, status, headers)


@found_by(
    "a-response-that-ends-with-the-connection-names-its-status",
    "an error that does not name 503: BadResponseError",
)
class ForgetsTheStatus(RightTransport):
    def body(self, wire: Wire, status: int, headers: Mapping[str, str]) -> bytes:
        return super().body(wire, 0, headers)


@found_by("a-status-line-without-reason-is-taken", "BadResponseError")
@found_by("a-header-without-space-is-taken", "BadResponseError")
@found_by("a-folded-header-is-taken", "BadResponseError")
@found_by("100-headers-are-taken", "BadResponseError")
@found_by("a-header-line-of-64-kib-is-taken", "BadResponseError")
@found_by("a-body-coded-as-identity-is-taken", "BadResponseError")
@found_by("an-http-1-0-response-is-taken", "BadResponseError")
@found_by("chunks-of-one-byte-and-a-trailer-are-taken", "BadResponseError")
class IsTooStrict(RightTransport):
    class wire_class(Wire):  # noqa: N801 - overrides an attribute
        def line(self) -> str:
            line = super().line()
            form = r"HTTP/1\.1 \d{3} .+|(?!Content-Encoding|X-Many)[\w-]+: [^;]{0,8000}|"
            if not re.fullmatch(form, line):
                raise BadResponseError("a form that it does not know")
            return line


@found_by("a-head-with-bare-lfs-is-refused", "a response with status 200")
@found_by("a-header-that-ends-with-a-bare-lf-is-refused", "a response with status 200")
class TakesBareLfs(RightTransport):
    class wire_class(Wire):  # noqa: N801 - overrides an attribute
        def without_end(self, line: bytes) -> bytes:
            return line.removesuffix(b"\r")


@found_by("another-minor-version-is-refused", "a response with status 200")
@found_by("an-empty-line-before-the-status-line-is-refused", "a response with status 200")
class TakesAnyStatusLine(RightTransport):
    def status(self, wire: Wire) -> int:
        while not (line := wire.line()):
            pass
        return int(line.split(" ")[1])


@found_by("a-space-before-the-first-header-is-refused", "a response with status 200")
@found_by("a-space-before-the-colon-is-refused", "a response with status 200")
@found_by("a-nul-in-a-header-is-refused", "a response with status 200")
@found_by("a-cr-in-a-header-is-refused", "a response with status 200")
@found_by("a-trailer-without-colon-is-refused", "a response with status 200")
class TakesAnyHeader(RightTransport):
    def headers(self, wire: Wire) -> dict[str, str]:
        headers = {}
        while line := wire.line():
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip(" ")
        return headers


@found_by("a-length-in-other-digits-is-refused", "with status 200 and 0 bytes")
@found_by("an-empty-length-is-refused", "with status 200 and 0 bytes")
class TakesOddLengthsForNone(RightTransport):
    def body(self, wire: Wire, status: int, headers: Mapping[str, str]) -> bytes:
        length = headers.get("content-length", "0")
        return super().body(wire, status, headers) if length.isascii() and length else b""


@found_by("chunks-in-http-1-0-are-refused", "a response with status 200")
class TakesChunksInOldHttp(RightTransport):
    def body(self, wire: Wire, status: int, headers: Mapping[str, str]) -> bytes:
        wire.is_old = False
        return super().body(wire, status, headers)


@found_by("8-interim-responses-are-skipped", "BadResponseError")
class SkipsFewInterimResponses(RightTransport):
    most_interim_responses = 7


@found_by("more-than-8-interim-responses-are-refused", "a response with status 200")
class SkipsManyInterimResponses(RightTransport):
    most_interim_responses = 50


@found_by("a-103-early-hints-is-skipped", "the call got a response that is not its own")
class TakesHintsForResponses(RightTransport):
    def read(self, wire: Wire) -> Response:
        status = self.status(wire)
        headers = self.headers(wire)
        body = self.body(wire, status, headers) if status >= 200 else b""
        return Response(status, headers, body)


@found_by(
    "a-length-with-chunks-is-refused",
    "instead of BadResponseError, transient: a response with status 200",
)
class GuessesLengths(RightTransport):
    def body(self, wire: Wire, status: int, headers: Mapping[str, str]) -> bytes:
        if "transfer-encoding" in headers:
            headers = {"transfer-encoding": headers["transfer-encoding"]}
        return super().body(wire, status, headers)


@found_by("header-names-are-in-lower-case", "the headers {'X-Two': ")
class KeepsNamesAsTheyCame(RightTransport):
    def read(self, wire: Wire) -> Response:
        response = super().read(wire)
        headers = {name.title(): value for name, value in response.headers.items()}
        return Response(response.status, headers, response.body)

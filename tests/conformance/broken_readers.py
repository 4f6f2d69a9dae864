"""Transports that break one promise each about what a response is: they take it for another one."""

import re

from firecrawl_interact.core.transport import BadResponseError, ConnectionLostError, Response

from .broken_transports import Rewrite, found_by, rewrites, takes
from .right_transport import RightTransport, Wire

TAKEN = "a response with status 200"
REFUSED = "BadResponseError"


def refuses(pattern: bytes) -> Rewrite:
    """Refuse all in which the pattern is found."""

    def rewrite(received: bytes) -> bytes:
        if re.search(pattern, received, re.DOTALL):
            raise BadResponseError("more, or another form, than it knows")
        return received

    return rewrite


def quote_another_protocol(received: bytes) -> bytes:
    if received.startswith(b"HTTP/1."):
        return received
    if received.endswith(b"\n"):
        raise BadResponseError(f"no HTTP/1: {received!r}")
    return b""


READERS: dict[str, dict[str, Rewrite]] = {
    TAKEN: {
        "a-head-with-bare-lfs-is-refused": takes(rb"\r?\n", b"\r\n"),
        "a-header-that-ends-with-a-bare-lf-is-refused": takes(rb"\r?\n", b"\r\n"),
        "another-minor-version-is-refused": takes(rb"HTTP/1\.2", b"HTTP/1.1"),
        "an-empty-line-before-the-status-line-is-refused": takes(rb"\A\r\n"),
        "a-space-before-the-first-header-is-refused": takes(rb"(?<=\n) "),
        "a-space-before-the-colon-is-refused": takes(rb" :", b":"),
        "a-nul-in-a-header-is-refused": takes(rb"\0"),
        "a-cr-in-a-header-is-refused": takes(rb"\r(?!\n)"),
        "a-trailer-without-colon-is-refused": takes(rb"X-Odd\r\n"),
        "a-length-with-chunks-is-refused": takes(rb"Content-Length: 17\r\n(?=T)"),
        "chunks-in-http-1-0-are-refused": takes(rb"HTTP/1\.0", b"HTTP/1.1"),
        "more-than-8-interim-responses-are-refused": takes(rb"HTTP/1.1 103.*\r\n\r\n"),
        "a-response-coded-as-gzip-is-refused": takes(rb"Content-Encoding: gzip\r\n"),
        "a-body-above-1-mib-is-refused": takes(rb"1048577", b"1"),
    },
    f"{TAKEN} and 0 bytes": {
        "a-length-in-other-digits-is-refused": takes(rb"\xb2", b"0"),
        "an-empty-length-is-refused": takes(rb": \r", b": 0\r"),
    },
    REFUSED: {
        "a-status-line-without-reason-is-taken": refuses(rb"200\r"),
        "a-header-without-space-is-taken": refuses(rb":1"),
        "a-folded-header-is-taken": refuses(rb"\n b"),
        "100-headers-are-taken": refuses(rb"(X-Many: 1\r\n){99}"),
        "a-header-line-of-64-kib-is-taken": refuses(rb"[^\n]{65000}"),
        "a-body-coded-as-identity-is-taken": refuses(rb"Content-Encoding"),
        "an-http-1-0-response-is-taken": refuses(rb"HTTP/1\.0"),
        "chunks-of-one-byte-and-a-trailer-are-taken": refuses(rb"X-Trailer"),
        "chunks-of-1-mib-are-taken": refuses(rb".{1048577}"),
        "8-interim-responses-are-skipped": refuses(rb"(.*102 Processing){8}"),
    },
    r"a message of 600\d\d characters": {
        "a-long-line-of-another-protocol-is-hardly-quoted": quote_another_protocol
    },
    r"\d+ MB were taken before the call failed": {
        "a-body-of-50-mb-is-not-held": takes(rb"(?s)\A.{,9000000}\Z")
    },
    "an error that does not name 503: BadResponseError": {
        "a-response-that-ends-with-the-connection-names-its-status": takes(rb"503", b"200")
    },
    "the next call went over a connection that must not be used again": {
        "an-announced-close-is-believed": takes(rb"Connection: close\r\n")
    },
    "the call got a response that is not its own": {
        "a-103-early-hints-is-skipped": takes(rb"103.*", b"204 Hints\r")
    },
}
rewrites("rewrite", READERS)


@found_by("a-head-without-its-end-is-no-response", f"instead of .*: {TAKEN} and 0 bytes")
@found_by("a-cut-body-is-no-response", f"instead of ConnectionLostError: {TAKEN} and 16 bytes")
class TakesCutResponses(RightTransport):
    def read(self, wire: Wire) -> Response:
        try:
            return super().read(wire)
        except ConnectionLostError:
            return Response(200, {}, wire.received.partition(b"\r\n\r\n")[2])


@found_by("surplus-bytes-leave-the-response-as-it-is", REFUSED)
@found_by("a-body-behind-a-204-leaves-it-as-it-is", REFUSED)
class RefusesSurplus(RightTransport):
    def read(self, wire: Wire) -> Response:
        response = super().read(wire)
        if not wire.is_reusable:
            raise BadResponseError("more came than was asked for")
        return response


@found_by("header-names-are-in-lower-case", "the headers {'X-Two': ")
class KeepsNamesAsTheyCame(RightTransport):
    def read(self, wire: Wire) -> Response:
        response = super().read(wire)
        headers = {name.title(): value for name, value in response.headers.items()}
        return Response(response.status, headers, response.body)

"""Cases in which the response is no HTTP/1, leaves its length in doubt, or is too large."""

import gzip
import zlib

from firecrawl_interact.core.transport import MAX_BODY_BYTES

from ...fake_service.faults import Reply
from ..case import EVERYWHERE, Case, Severity
from ..expectations import BAD, BAD_OR_UNWANTED, LOST, TIMED_OUT, UNWANTED, Failure
from ..scenarios import SHORT, fails, reply_bytes
from ..server import FaultFunction
from ..wire_faults import CHUNKED, sends, sends_and_closes, sends_and_floods

_NO_HTTP = "what is not an HTTP/1 response is a BadResponseError, however it begins"
_FRAMING = "a response that leaves its length in doubt is a BadResponseError: no length is guessed"
_TOO_LARGE = "a body above 1 MiB is a BadResponseError, and is never held"
_ENDLESS = "a response without an end is given up, when the timeout is over at the latest"
_CODED = "a coded body is a BadResponseError, and is never decoded"

_QUOTES_LITTLE = "the message of an error quotes little of what came"
_BOUNDED = "too many bytes of headers are a BadResponseError"

_SEVERITIES = {
    _NO_HTTP: Severity.STRICTNESS,
    _FRAMING: Severity.MAY_LOSE_SESSIONS,
    _TOO_LARGE: Severity.MAY_HANG,
    _ENDLESS: Severity.MAY_HANG,
    _CODED: Severity.MAY_HANG,
    _QUOTES_LITTLE: Severity.STRICTNESS,
    _BOUNDED: Severity.MAY_HANG,
}

_OK = b"HTTP/1.1 200 OK\r\n"
_BODY = b'{"success": true}'
_LENGTH = b"Content-Length: 17\r\n"
_WHOLE = _LENGTH + b"\r\n" + _BODY
_GZIPPED = gzip.compress(_BODY)
_TOO_MUCH = Reply(200, b"x" * (MAX_BODY_BYTES + 1))


def _case(name: str, promise: str, fault: FaultFunction, *expected: Failure) -> Case:
    timeout = SHORT if TIMED_OUT in expected else 1.5
    return Case(name, promise, _SEVERITIES[promise], fails(fault, *expected, timeout=timeout))


def _coded(coding: str, body: bytes) -> Case:
    reply = Reply(200, body, {"Content-Encoding": coding})
    scenario = fails(sends(reply_bytes(reply)), UNWANTED, in_memory=reply)
    name = f"a-response-coded-as-{coding}-is-refused"
    return Case(name, _CODED, _SEVERITIES[_CODED], scenario, EVERYWHERE)


_STATUS_LINES = {
    "a-status-of-four-digits": b"HTTP/1.1 2000 OK",
    "a-status-below-100": b"HTTP/1.1 099 Low",
    "a-status-above-599": b"HTTP/1.1 999 High",
    "a-status-with-a-sign": b"HTTP/1.1 +200 OK",
    "a-status-with-an-underscore": b"HTTP/1.1 2_00 OK",
    "a-status-in-words": b"HTTP/1.1 OK",
    "an-http-2-status-line": b"HTTP/2.0 200 OK",
    "an-http-0-status-line": b"HTTP/0.9 200 OK",
    "a-version-of-four-digits": b"HTTP/1.1000 200 OK",
    "another-minor-version": b"HTTP/1.2 200 OK",
    "another-protocols-status-line": b"ICY 200 OK",
    "an-empty-line-before-the-status-line": b"\r\nHTTP/1.1 200 OK",
}

_HEADERS = {
    "a-header-without-colon": b"X-Odd",
    "a-space-before-the-first-header": b" X-Odd: fine",
    "a-space-before-the-colon": b"X-Odd : fine",
    "a-nul-in-a-header": b"X-Odd: \0",
    "a-cr-in-a-header": b"X-Odd: a\rb",
    "a-header-that-ends-with-a-bare-lf": b"X-Odd: a\nX-Odder: b",
}

_FRAMINGS = {
    "a-pair-of-unlike-lengths": (b"Content-Length: 17\r\nContent-Length: 5\r\n", _BODY),
    "a-line-of-unlike-lengths": (b"Content-Length: 17, 5\r\n", _BODY),
    "a-length-in-words": (b"Content-Length: abc\r\n", _BODY),
    "a-negative-length": (b"Content-Length: -5\r\n", _BODY),
    "a-length-with-a-sign": (b"Content-Length: +17\r\n", _BODY),
    "a-length-with-an-underscore": (b"Content-Length: 1_7\r\n", _BODY),
    "a-length-in-other-digits": (b"Content-Length: \xb2\r\n", _BODY),
    "an-empty-length": (b"Content-Length:\r\n", _BODY),
    "a-length-with-chunks": (
        _LENGTH + b"Transfer-Encoding: chunked\r\n",
        b"11\r\n" + _BODY + b"\r\n0\r\n\r\n",
    ),
    "an-unknown-transfer-coding": (b"Transfer-Encoding: cow\r\n", _BODY),
    "a-compressed-transfer": (
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"%x\r\n%b\r\n0\r\n\r\n" % (len(_GZIPPED), _GZIPPED),
    ),
}

_CHUNKS = {
    "a-chunk-size-in-words": b"zz\r\n",
    "a-negative-chunk-size": b"-2\r\n",
    "a-chunk-size-of-20-digits": b"F" * 20 + b"\r\n",
    "a-chunk-size-with-0x": b"0x11\r\n" + _BODY + b"\r\n0\r\n\r\n",
    "a-chunk-size-with-an-underscore": b"1_1\r\n" + _BODY + b"\r\n0\r\n\r\n",
    "an-empty-chunk-size": b"\r\n" + _BODY + b"\r\n0\r\n\r\n",
    "a-chunk-without-its-end": b"11\r\n" + _BODY + b"0\r\n\r\n",
    "a-trailer-without-colon": b"11\r\n" + _BODY + b"\r\n0\r\nX-Odd\r\n\r\n",
}

_ENDLESS_RESPONSES = {
    "an-endless-status-line": (b"HTTP/1.1 200 ", b"O" * 65536),
    "an-endless-head": (_OK, b"X-More: more\r\n" * 1000),
    "an-endless-row-of-interim-responses": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "an-endless-chunk-size": (CHUNKED, b"0" * 65536),
    "an-endless-chunk-extension": (CHUNKED + b"11;note=", b"x" * 65536),
    "an-endless-trailer": (CHUNKED + b"0\r\n", b"X-More: more\r\n" * 1000),
}

CASES = [
    *(
        _case(f"{name}-is-refused", _NO_HTTP, sends(line + b"\r\n" + _WHOLE), BAD)
        for name, line in _STATUS_LINES.items()
    ),
    _case("another-protocols-greeting-is-refused", _NO_HTTP, sends(b"SSH-2.0-Server\r\n"), BAD),
    _case(
        "an-http-0-9-response-is-refused",
        _NO_HTTP,
        sends_and_closes(b"<html>\r\n" + _BODY + b"</html>\r\n"),
        BAD,
    ),
    _case(
        "an-http-2-preface-is-refused",
        _NO_HTTP,
        sends_and_closes(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64" + b"\0\0\x08\x07" + b"\0" * 13),
        BAD,
    ),
    _case(
        "a-switch-of-protocols-unasked-is-refused",
        _NO_HTTP,
        sends(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
        ),
        BAD,
    ),
    *(
        _case(f"{name}-is-refused", _NO_HTTP, sends(_OK + line + b"\r\n" + _WHOLE), BAD)
        for name, line in _HEADERS.items()
    ),
    _case(
        "a-long-line-of-another-protocol-is-hardly-quoted",
        _QUOTES_LITTLE,
        sends_and_closes(b"ICY " + b"A" * 60_000 + b"\r\n"),
        BAD_OR_UNWANTED,
    ),
    _case(
        "a-status-line-above-64-kib-is-refused",
        _NO_HTTP,
        sends(b"HTTP/1.1 200 " + b"O" * 66_000 + b"\r\n" + _WHOLE),
        BAD_OR_UNWANTED,
    ),
    _case(
        "a-header-above-64-kib-is-refused",
        _NO_HTTP,
        sends(_OK + b"X-Long: " + b"x" * 66_000 + b"\r\n" + _WHOLE),
        BAD_OR_UNWANTED,
    ),
    _case(
        "more-than-100-headers-are-refused",
        _NO_HTTP,
        sends(_OK + b"X-Many: 1\r\n" * 100 + _WHOLE),
        BAD_OR_UNWANTED,
    ),
    _case(
        "6-mb-of-headers-are-refused",
        _BOUNDED,
        sends_and_floods(_OK, b"X-Long: " + b"x" * 65_000 + b"\r\n", size=6_400_000),
        UNWANTED,
    ),
    _case(
        "a-head-with-bare-lfs-is-refused",
        _NO_HTTP,
        sends((_OK + _LENGTH + b"\r\n").replace(b"\r\n", b"\n") + _BODY),
        BAD,
    ),
    _case(
        "more-than-8-interim-responses-are-refused",
        _NO_HTTP,
        sends(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 9 + _OK + _WHOLE),
        BAD_OR_UNWANTED,
    ),
    *(
        _case(f"{name}-is-refused", _FRAMING, sends(_OK + header + b"\r\n" + body), BAD)
        for name, (header, body) in _FRAMINGS.items()
    ),
    _case(
        "chunks-in-http-1-0-are-refused",
        _FRAMING,
        sends(CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"11\r\n" + _BODY + b"\r\n0\r\n\r\n"),
        BAD,
    ),
    _case(
        "a-response-that-ends-with-the-connection-is-refused",
        _FRAMING,
        sends_and_closes(_OK + b"\r\n" + _BODY[:-1]),
        BAD,
    ),
    Case(
        "a-response-that-ends-with-the-connection-names-its-status",
        "a response that is refused for its body is named by its status",
        Severity.STRICTNESS,
        fails(sends_and_closes(b"HTTP/1.1 503 Busy\r\n\r\nbusy"), BAD, names="503"),
    ),
    *(
        _case(f"{name}-is-refused", _FRAMING, sends(CHUNKED + chunks), BAD, LOST)
        for name, chunks in _CHUNKS.items()
    ),
    *(
        _case(
            f"a-length-of-{length}-is-refused",
            _TOO_LARGE,
            sends(_OK + b"Content-Length: %d\r\n\r\n" % length + _BODY),
            UNWANTED,
        )
        for length in (10**13, 2**63)
    ),
    _case(
        "a-length-of-5000-digits-is-refused",
        _TOO_LARGE,
        sends(_OK + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n" + _BODY),
        BAD_OR_UNWANTED,
    ),
    Case(
        "a-body-above-1-mib-is-refused",
        _TOO_LARGE,
        _SEVERITIES[_TOO_LARGE],
        fails(sends(reply_bytes(_TOO_MUCH)), UNWANTED, in_memory=_TOO_MUCH),
        EVERYWHERE,
    ),
    _case(
        "chunks-above-1-mib-are-refused",
        _TOO_LARGE,
        sends(CHUNKED + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 16 + b"1\r\nx\r\n0\r\n\r\n"),
        UNWANTED,
    ),
    _case(
        "a-body-of-50-mb-is-not-held",
        _TOO_LARGE,
        sends_and_floods(_OK + b"Content-Length: 50000000\r\n\r\n", b"x" * 50_000, size=50_000_000),
        UNWANTED,
    ),
    _case(
        "endless-chunks-are-not-held",
        _TOO_LARGE,
        sends_and_floods(CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
        UNWANTED,
    ),
    *(
        _case(
            f"{name}-is-given-up",
            _ENDLESS,
            sends_and_floods(head, piece),
            BAD_OR_UNWANTED,
            TIMED_OUT,
        )
        for name, (head, piece) in _ENDLESS_RESPONSES.items()
    ),
    _coded("gzip", _GZIPPED),
    _coded("deflate", zlib.compress(_BODY)),
    _coded("br", b"\x0b\x08\x80" + _BODY + b"\x03"),
    _coded("zstd", b"\x28\xb5\x2f\xfd\x04\x00\x89\x00\x00" + _BODY),
    _case(
        "a-bomb-in-gzip-is-not-decoded",
        _CODED,
        sends(reply_bytes(Reply(200, gzip.compress(bytes(10**7)), {"Content-Encoding": "gzip"}))),
        UNWANTED,
    ),
]

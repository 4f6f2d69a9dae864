"""Cases in which the response is not HTTP/1, has an ambiguous length, or is too large."""

import gzip
import zlib
from collections.abc import Mapping

from firecrawl_interact.core.transport import MAX_BODY_BYTES

from ...fakes.service.faults import Reply
from ..case import Scenario, cases
from ..expectations import BAD, LOST, TIMED_OUT, Failure, Severity
from ..scenarios import fails, reply_bytes
from ..server import FaultFunction
from ..wire_faults import CHUNKED, sends, sends_and_closes, sends_and_floods

_OK = b"HTTP/1.1 200 OK\r\n"
_BODY = b'{"success": true}'
_LENGTH = b"Content-Length: 17\r\n"
_WHOLE = _LENGTH + b"\r\n" + _BODY
_GZIPPED = gzip.compress(_BODY)
_BOMB = reply_bytes(Reply(200, gzip.compress(bytes(10**7)), {"Content-Encoding": "gzip"}))


_IN_CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n11\r\n" + _BODY + b"\r\n0\r\n\r\n"


def _refused(
    responses: Mapping[str, bytes], before: bytes = b"", after: bytes = b""
) -> Mapping[str, FaultFunction]:
    return {
        f"{name}-is-refused": sends(before + response + after)
        for name, response in responses.items()
    }


_NO_HTTP = {
    **_refused(
        {
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
            "a-status-line-above-64-kib": b"HTTP/1.1 200 " + b"O" * 66_000,
        },
        after=b"\r\n" + _WHOLE,
    ),
    "another-protocols-greeting-is-refused": sends(b"SSH-2.0-Server\r\n"),
    "an-http-0-9-response-is-refused": sends_and_closes(b"<html>\r\n" + _BODY + b"</html>\r\n"),
    "an-http-2-preface-is-refused": sends_and_closes(
        b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64" + b"\0\0\x08\x07" + b"\0" * 13
    ),
    "a-switch-of-protocols-unasked-is-refused": sends(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n"
    ),
    **_refused(
        {
            "a-header-without-colon": b"X-Odd",
            "a-space-before-the-first-header": b" X-Odd: fine",
            "a-space-before-the-colon": b"X-Odd : fine",
            "a-nul-in-a-header": b"X-Odd: \0",
            "a-cr-in-a-header": b"X-Odd: a\rb",
            "a-header-that-ends-with-a-bare-lf": b"X-Odd: a\nX-Odder: b",
            "a-header-above-64-kib": b"X-Long: " + b"x" * 66_000,
        },
        _OK,
        b"\r\n" + _WHOLE,
    ),
    "more-than-100-headers-are-refused": sends(_OK + b"X-Many: 1\r\n" * 100 + _WHOLE),
    "a-head-with-bare-lfs-is-refused": sends(
        (_OK + _LENGTH + b"\r\n").replace(b"\r\n", b"\n") + _BODY
    ),
    "more-than-8-interim-responses-are-refused": sends(
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 9 + _OK + _WHOLE
    ),
}

_FRAMINGS = {
    **_refused(
        {
            "a-pair-of-unlike-lengths": b"17\r\nContent-Length: 5",
            "a-line-of-unlike-lengths": b"17, 5",
            "a-length-in-words": b"abc",
            "a-negative-length": b"-5",
            "a-length-with-a-sign": b"+17",
            "a-length-with-an-underscore": b"1_7",
            "a-length-in-other-digits": b"\xb2",
            "an-empty-length": b"",
        },
        _OK + b"Content-Length: ",
        b"\r\n\r\n" + _BODY,
    ),
    **_refused(
        {
            "a-length-with-chunks": _LENGTH + _IN_CHUNKS,
            "an-unknown-transfer-coding": b"Transfer-Encoding: cow\r\n\r\n" + _BODY,
            "a-compressed-transfer": b"Transfer-Encoding: gzip, chunked\r\n\r\n"
            b"%x\r\n%b\r\n0\r\n\r\n" % (len(_GZIPPED), _GZIPPED),
        },
        _OK,
    ),
    "chunks-in-http-1-0-are-refused": sends(b"HTTP/1.0 200 OK\r\n" + _IN_CHUNKS),
    "a-response-that-ends-with-the-connection-is-refused": sends_and_closes(
        _OK + b"\r\n" + _BODY[:-1]
    ),
}

_CHUNKS = _refused(
    {
        "a-chunk-size-in-words": b"zz\r\n",
        "a-negative-chunk-size": b"-2\r\n",
        "a-chunk-size-of-20-digits": b"F" * 20 + b"\r\n",
        "a-chunk-size-with-0x": b"0x11\r\n" + _BODY + b"\r\n0\r\n\r\n",
        "a-chunk-size-with-an-underscore": b"1_1\r\n" + _BODY + b"\r\n0\r\n\r\n",
        "an-empty-chunk-size": b"\r\n" + _BODY + b"\r\n0\r\n\r\n",
        "a-chunk-without-its-end": b"11\r\n" + _BODY + b"0\r\n\r\n",
        "a-trailer-without-colon": b"11\r\n" + _BODY + b"\r\n0\r\nX-Odd\r\n\r\n",
    },
    CHUNKED,
)

_ENDLESS = {
    "an-endless-status-line-is-given-up": sends_and_floods(b"HTTP/1.1 200 ", b"O" * 65536),
    "an-endless-head-is-given-up": sends_and_floods(_OK, b"X-More: more\r\n" * 1000),
    "an-endless-row-of-interim-responses-is-given-up": sends_and_floods(
        b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000
    ),
    "an-endless-chunk-size-is-given-up": sends_and_floods(CHUNKED, b"0" * 65536),
    "an-endless-chunk-extension-is-given-up": sends_and_floods(CHUNKED + b"11;x=", b"x" * 65536),
    "an-endless-trailer-is-given-up": sends_and_floods(
        CHUNKED + b"0\r\n", b"X-More: more\r\n" * 1000
    ),
}

_TOO_LARGE = {
    **_refused(
        {
            f"a-length-of-{10**13}": b"%d" % 10**13,
            f"a-length-of-{2**63}": b"%d" % 2**63,
            "a-length-of-5000-digits": b"9" * 5000,
        },
        _OK + b"Content-Length: ",
        b"\r\n\r\n" + _BODY,
    ),
    "chunks-above-1-mib-are-refused": sends(
        CHUNKED + (b"10000\r\n" + b"x" * 65536 + b"\r\n") * 16 + b"1\r\nx\r\n0\r\n\r\n"
    ),
    "a-body-of-50-mb-is-not-held": sends_and_floods(
        _OK + b"Content-Length: 50000000\r\n\r\n", b"x" * 50_000, size=50_000_000
    ),
    "endless-chunks-are-not-held": sends_and_floods(CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
}


def _fail(faults: Mapping[str, FaultFunction], *expected: Failure) -> Mapping[str, Scenario]:
    return {name: fails(fault, *expected) for name, fault in faults.items()}


def _replies(replies: Mapping[str, Reply]) -> Mapping[str, Scenario]:
    return {
        f"{name}-is-refused": fails(sends(reply_bytes(reply)), BAD, in_memory=reply)
        for name, reply in replies.items()
    }


CASES = [
    *cases(
        "anything but an HTTP/1 response is a BadResponseError",
        Severity.STRICTNESS,
        _fail(_NO_HTTP, BAD),
    ),
    *cases(
        "the message of an error quotes little of what came",
        Severity.STRICTNESS,
        {
            "a-long-line-of-another-protocol-is-hardly-quoted": fails(
                sends_and_closes(b"ICY " + b"A" * 60_000 + b"\r\n"), BAD
            )
        },
    ),
    *cases(
        "an error about a body names the status of its response",
        Severity.STRICTNESS,
        {
            f"a-response-{name}-names-its-status": fails(
                sends_and_closes(b"HTTP/1.1 503 Busy\r\n" + fields + b"\r\n" + _BODY),
                BAD,
                names="503",
            )
            for name, fields in {
                "that-ends-with-the-connection": b"",
                "coded-as-gzip": _LENGTH + b"Content-Encoding: gzip\r\n",
                "above-1-mib": b"Content-Length: 1048577\r\n",
            }.items()
        },
    ),
    *cases(
        "too many bytes of headers are a BadResponseError",
        Severity.MAY_HANG,
        {
            "6-mb-of-headers-are-refused": fails(
                sends_and_floods(_OK, b"X-Long: " + b"x" * 65_000 + b"\r\n", size=6_400_000), BAD
            )
        },
    ),
    *cases(
        "a response with an ambiguous length is a BadResponseError: no length is guessed",
        Severity.MAY_LOSE_SESSIONS,
        {**_fail(_FRAMINGS, BAD), **_fail(_CHUNKS, BAD, LOST)},
    ),
    *cases(
        "an endless response is a BadResponseError, or a TimedOutError when the timeout is over",
        Severity.MAY_HANG,
        _fail(_ENDLESS, BAD, TIMED_OUT),
    ),
    *cases(
        "a body above 1 MiB is a BadResponseError, and is never held",
        Severity.MAY_HANG,
        {
            **_fail(_TOO_LARGE, BAD),
            **_replies({"a-body-above-1-mib": Reply(200, b"x" * (MAX_BODY_BYTES + 1))}),
        },
    ),
    *cases(
        "an encoded body is a BadResponseError, and is never decoded",
        Severity.MAY_HANG,
        {
            "a-bomb-in-gzip-is-not-decoded": fails(sends(_BOMB), BAD),
            **_replies(
                {
                    f"a-response-coded-as-{coding}": Reply(200, body, {"Content-Encoding": coding})
                    for coding, body in {
                        "gzip": _GZIPPED,
                        "deflate": zlib.compress(_BODY),
                        "br": b"\x0b\x08\x80" + _BODY + b"\x03",
                        "zstd": b"\x28\xb5\x2f\xfd\x04\x00\x89\x00\x00" + _BODY,
                    }.items()
                }
            ),
        },
    ),
]

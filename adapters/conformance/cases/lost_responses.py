"""Cases in which no response comes, or half of one, or one that takes too long."""

from ...fake_service.faults import DrippedResponse, LostResponse, NoResponse
from ...fake_service.faults import Fault as MemoryFault
from .. import wire_faults
from ..case import EVERYWHERE, SOCKETS, Case
from ..expectations import BAD, LOST, RESET, TIMED_OUT, Failure
from ..scenarios import SHORT, fails
from ..server import FaultFunction
from ..wire_faults import (
    CHUNKED,
    sends_and_closes,
    sends_and_drips,
    sends_and_resets,
    sends_and_stalls,
)

_LOST = (
    "a connection that ends before the whole response is a ConnectionLostError,"
    " never a response and never sent=False"
)
_TIMED_OUT = "a call ends in a TimedOutError when its timeout is over, whatever bytes still come"

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n"
_BODY = b'{"success": true}'


def _lost(
    name: str, fault: FaultFunction, *expected: Failure, in_memory: MemoryFault | None = None
) -> Case:
    scenario = fails(fault, *expected, in_memory=in_memory)
    return Case(name, _LOST, scenario, EVERYWHERE if in_memory else SOCKETS)


def _timed_out(name: str, fault: FaultFunction, in_memory: MemoryFault | None = None) -> Case:
    scenario = fails(fault, TIMED_OUT, in_memory=in_memory, timeout=SHORT)
    return Case(name, _TIMED_OUT, scenario, EVERYWHERE if in_memory else SOCKETS)


CASES = [
    _lost("a-close-just-after-connecting-is-a-lost-connection", wire_faults.closes_at_once, LOST),
    _lost(
        "a-reset-with-the-request-unread-is-a-lost-connection",
        wire_faults.resets_with_the_request_unread,
        RESET,
    ),
    _lost(
        "a-close-before-the-response-is-a-lost-connection",
        sends_and_closes(b""),
        LOST,
        in_memory=LostResponse(),
    ),
    _lost("a-reset-before-the-response-is-a-lost-connection", sends_and_resets(b""), RESET),
    _lost("a-cut-status-line-is-no-response", sends_and_closes(b"HTTP/1.1 20"), LOST, BAD),
    _lost("a-cut-header-line-is-no-response", sends_and_closes(_HEAD[:-10]), LOST, BAD),
    _lost("a-head-without-its-end-is-no-response", sends_and_closes(_HEAD[:-2]), LOST, BAD),
    _lost("a-body-that-never-begins-is-no-response", sends_and_closes(_HEAD), LOST),
    _lost("a-cut-body-is-no-response", sends_and_closes(_HEAD + _BODY[:-1]), LOST),
    _lost("a-reset-within-the-body-is-a-lost-connection", sends_and_resets(_HEAD + b"{"), RESET),
    _lost("a-cut-chunk-is-no-response", sends_and_closes(CHUNKED + b"11\r\n{"), LOST),
    _lost(
        "an-end-before-the-last-chunk-is-no-response",
        sends_and_closes(CHUNKED + b"11\r\n" + _BODY + b"\r\n"),
        LOST,
    ),
    _lost(
        "a-reset-before-the-last-chunk-is-a-lost-connection",
        sends_and_resets(CHUNKED + b"11\r\n" + _BODY + b"\r\n"),
        RESET,
    ),
    _timed_out("a-silent-server-ends-in-a-timeout", wire_faults.stays_silent, NoResponse()),
    _timed_out(
        "a-dripped-head-ends-in-a-timeout", sends_and_drips(b"", _HEAD + _BODY), DrippedResponse()
    ),
    _timed_out("a-dripped-body-ends-in-a-timeout", sends_and_drips(_HEAD, _BODY)),
    _timed_out("dripped-chunks-end-in-a-timeout", sends_and_drips(CHUNKED, b"1\r\nx\r\n" * 50)),
    _timed_out(
        "dripped-trailers-end-in-a-timeout", sends_and_drips(CHUNKED + b"0\r\n", b"X: y\r\n" * 50)
    ),
    _timed_out(
        "dripped-interim-responses-end-in-a-timeout",
        sends_and_drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 5),
    ),
    _timed_out("a-head-that-stalls-ends-in-a-timeout", sends_and_stalls(_HEAD[:30])),
    _timed_out("a-body-that-stalls-ends-in-a-timeout", sends_and_stalls(_HEAD + b"{")),
    _timed_out("chunks-that-stall-end-in-a-timeout", sends_and_stalls(CHUNKED + b"1\r\n{\r\n")),
    _timed_out("a-response-after-the-timeout-is-never-used", wire_faults.responds_too_late),
]

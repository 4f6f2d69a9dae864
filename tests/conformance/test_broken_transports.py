"""The kit can fail: a case finds each transport that breaks its promise, and explains it."""

import re
import threading
from collections.abc import Iterator

import pytest

from firecrawl_interact.adapters.conformance import CASES, Case, MakeTransport

from . import broken_readers  # noqa: F401 - its transports are found, too
from . import broken_transports as broken
from .found_by import FOUND
from .right_transport import RightTransport

pytestmark = [pytest.mark.enable_socket, pytest.mark.slow]

BY_NAME = {case.name: case for case in CASES}


@pytest.fixture(autouse=True)
def _clean_up() -> Iterator[None]:
    yield
    broken.LeavesThreads.go_on.set()
    broken.LeavesThreads.go_on = threading.Event()
    while broken.NeverCloses.left_open:
        broken.NeverCloses.left_open.pop().sock.close()


@pytest.mark.parametrize(
    ("make_transport", "name", "seen"),
    [pytest.param(*row, id=f"{row[0].__name__}-{row[1]}") for row in FOUND],
)
def test_a_broken_transport_is_found(make_transport: MakeTransport, name: str, seen: str) -> None:
    case = BY_NAME[name]
    expected = f"(?s)^Promised: {re.escape(case.promise)}. Seen: .*{seen}"
    with pytest.raises(AssertionError, match=expected):
        case.run(make_transport)


@pytest.mark.parametrize(
    "name",
    [
        "an-untrusted-certificate-is-refused",
        "an-expired-certificate-is-refused",
        "the-certificate-of-another-host-is-refused",
    ],
)
def test_one_that_trusts_anyone_is_found(name: str) -> None:
    with pytest.raises(AssertionError, match=r"not transient: a response with status 200"):
        BY_NAME[name].run(broken.TrustsAnyone, over="https")


@pytest.mark.parametrize(
    "name",
    ["an-expired-certificate-is-refused", "plain-http-instead-of-tls-is-not-transient"],
)
def test_one_that_calls_each_failed_handshake_transient_is_found(name: str) -> None:
    with pytest.raises(AssertionError, match=r"not transient: ConnectFailedError.*, transient"):
        BY_NAME[name].run(broken.CallsAllTransient, over="https")


def test_one_that_says_a_failed_handshake_was_sent_is_found() -> None:
    with pytest.raises(AssertionError, match=r"instead of ConnectFailedError.*: ConnectionLost"):
        BY_NAME["a-close-within-the-handshake-was-not-sent"].run(broken.CallsAllLost, over="https")


@pytest.mark.parametrize(
    ("make_transport", "name", "seen"),
    [
        (broken.SwallowsCancellation, "an-interrupt-passes-through", "a CancelledError: TimedOut"),
        (broken.GoesOnWhenCancelled, "an-interrupt-passes-through", "must not be used again"),
        (broken.LeavesTasks, "nothing-is-left-behind", "unfinished tasks"),
    ],
)
def test_a_broken_asynchronous_transport_is_found(
    make_transport: MakeTransport, name: str, seen: str
) -> None:
    with pytest.raises(AssertionError, match=seen):
        BY_NAME[name].run(make_transport)


@pytest.mark.parametrize("case", [case for case in CASES if "blocking" in case.kinds], ids=str)
def test_a_right_transport_keeps_every_promise(case: Case) -> None:
    case.run(RightTransport, over="https" if "https" in case.over else "http")

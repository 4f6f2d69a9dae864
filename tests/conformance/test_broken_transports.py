"""The kit can fail: a case finds each transport that breaks its promise, and explains it."""

import re
import threading
from collections.abc import Iterator

import pytest

from firecrawl_interact.adapters.conformance import CASES, Case, Channel, MakeTransport

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
    ("make_transport", "name", "seen", "over"),
    [pytest.param(*row, id=f"{row[0].__name__}-{row[1]}") for row in FOUND],
)
def test_a_broken_transport_is_found(
    make_transport: MakeTransport, name: str, seen: str, over: Channel
) -> None:
    case = BY_NAME[name]
    expected = f"(?s)^Promised: {re.escape(case.promise)}. Seen: .*{seen}"
    with pytest.raises(AssertionError, match=expected):
        case.run(make_transport, over=over)


@pytest.mark.parametrize("case", [case for case in CASES if "blocking" in case.kinds], ids=str)
def test_a_right_transport_keeps_every_promise(case: Case) -> None:
    case.run(RightTransport, over="https" if "https" in case.over else "http")

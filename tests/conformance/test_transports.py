"""Each transport keeps every promise of the port, and the kit finds each that breaks one."""

import asyncio
import re
import threading
from collections.abc import Iterator

import pytest

from firecrawl_interact.adapters import (
    AsyncInMemoryTransport,
    AsyncioTransport,
    InMemoryTransport,
    Urllib3Transport,
)
from firecrawl_interact.adapters.conformance import CASES, Case, Channel, MakeTransport, check

from . import broken_readers  # noqa: F401 - its transports are found, too
from . import broken_transports as broken
from .right_transport import RightTransport

pytestmark = pytest.mark.enable_socket

ADAPTERS: list[tuple[str, MakeTransport, Channel]] = [
    ("blocking", Urllib3Transport, "http"),
    ("blocking", Urllib3Transport, "https"),
    ("async", AsyncioTransport, "http"),
    ("async", AsyncioTransport, "https"),
    ("blocking", InMemoryTransport, "memory"),
    ("async", AsyncInMemoryTransport, "memory"),
]


@pytest.mark.parametrize(
    ("case", "make_transport", "over"),
    [
        pytest.param(case, make_transport, over, id=f"{make_transport.__name__}-{over}-{case}")
        for kind, make_transport, over in ADAPTERS
        for case in CASES
        if over in case.over and kind in case.kinds
    ],
)
def test_it_keeps_its_promise(case: Case, make_transport: MakeTransport, over: Channel) -> None:
    case.run(make_transport, over=over)


@pytest.mark.slow
def test_the_asynchronous_transport_keeps_every_promise_on_uvloop_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    uvloop = pytest.importorskip("uvloop")
    monkeypatch.setattr(asyncio, "new_event_loop", uvloop.new_event_loop)
    report = check(AsyncioTransport, over="https")
    assert {case.kinds for case in report.skipped} == {frozenset({"blocking"})}


@pytest.fixture
def _clean_up() -> Iterator[None]:
    yield
    broken.LeavesThreads.go_on.set()
    broken.LeavesThreads.go_on = threading.Event()
    while broken.LEFT_OPEN:
        broken.LEFT_OPEN.pop().sock.close()


@pytest.mark.slow
@pytest.mark.usefixtures("_clean_up")
@pytest.mark.parametrize(
    ("make_transport", "name", "seen", "over"),
    [pytest.param(*row, id=f"{row[0].__name__}-{row[1]}") for row in broken.FOUND],
)
def test_a_broken_transport_is_found(
    make_transport: MakeTransport, name: str, seen: str, over: Channel
) -> None:
    [case] = [one for one in CASES if one.name == name]
    expected = f"(?s)^Promised: {re.escape(case.promise)}. Seen: .*{seen}"
    with pytest.raises(AssertionError, match=expected):
        case.run(make_transport, over=over)


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in CASES if "blocking" in case.kinds], ids=str)
def test_a_right_transport_keeps_every_promise(case: Case) -> None:
    case.run(RightTransport, over="https" if "https" in case.over else "http")

"""Every adapter, and the fake, keeps every promise of the port."""

import asyncio

import pytest

from firecrawl_interact.adapters import (
    AsyncInMemoryTransport,
    AsyncioTransport,
    InMemoryTransport,
    Urllib3Transport,
)
from firecrawl_interact.adapters.conformance import CASES, Case, Channel, MakeTransport, check

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

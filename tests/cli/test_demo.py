"""The demo: what it says of the cost comes from its fakes, and changes with what goes wrong."""

import os
import runpy
from pathlib import Path

import pytest

from .commands import on_unix
from .transcripts import BIN

pytestmark = [pytest.mark.enable_socket, on_unix]


DEMO = Path(__file__).parents[2] / "docs" / "examples" / "demo.py"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("faults", "cost"),
    [
        (
            {"lost_responses": 0, "served_before_outage": 99, "killed": 0},
            ["Cost: bare client 14 credits, firecrawl-interact 14."],
        ),
        (
            {"lost_responses": 1, "served_before_outage": 2, "killed": 2},
            [
                "Cost: bare client 126 credits, firecrawl-interact 18.",
                "The bare client left 6 sessions. Each runs until it expires, at 20 credits.",
            ],
        ),
    ],
)
def test_the_cost_is_what_the_fakes_have_billed(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    faults: dict[str, int],
    cost: list[str],
) -> None:
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FIRECRAWL_API_URL", "")  # The demo sets both, and they are put back.
    monkeypatch.setenv("FIRECRAWL_API_KEY", "")
    demo = runpy.run_path(str(DEMO))
    demo["main"](demo["Plot"](sessions=6, outage=0.4, **faults))
    assert capfd.readouterr().out.splitlines()[-len(cost) :] == cost

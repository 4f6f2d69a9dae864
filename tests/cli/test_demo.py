"""The demo: what it says of the cost comes from its fakes, and changes with what goes wrong."""

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import pytest

from .commands import on_unix
from .transcripts import BIN

pytestmark = [pytest.mark.enable_socket, on_unix]


@pytest.fixture
def demo(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FIRECRAWL_API_URL", "")  # The demo sets both, and they are put back.
    monkeypatch.setenv("FIRECRAWL_API_KEY", "")
    path = Path(__file__).parents[2] / "docs" / "examples" / "demo.py"
    spec = importlib.util.spec_from_file_location("demo", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
    demo: ModuleType, capfd: pytest.CaptureFixture[str], faults: dict[str, int], cost: list[str]
) -> None:
    demo.main(demo.Plot(sessions=6, outage=0.4, **faults))
    assert capfd.readouterr().out.splitlines()[-len(cost) :] == cost

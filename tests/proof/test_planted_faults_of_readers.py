"""Fuzzing alone notices each fault of what reads bytes from outside."""

import re
from pathlib import Path

import pytest

from .planted_faults import ROOT, Fault
from .planted_faults_of_readers import FAULTS, copy_with, fuzz


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.what for fault in FAULTS])
def test_fuzzing_alone_notices(fault: Fault, tmp_path: Path) -> None:
    copy = copy_with(fault, fault.breaks, tmp_path)
    with pytest.raises((AssertionError, ValueError)):
        fuzz(fault.breaks, copy)


def counts_of_the_page(of_what: str) -> dict[str, int]:
    """The counts of one of the tables of CONTRIBUTING.md."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = page.partition(f"\n| {of_what} |")[2].partition("\n\n")[0]
    return {name: int(count) for name, count in re.findall(r"^\| (.+) \| (\d+) \|$", table, re.M)}


@pytest.mark.parametrize(
    ("of_what", "table"), [("wire", "fuzzed responses"), ("framing", "fuzzed streams")]
)
def test_a_copy_without_a_fault_passes_and_the_page_has_about_the_counts(
    of_what: str, table: str, tmp_path: Path
) -> None:
    counts = counts_of_the_page(table)
    seen = fuzz(of_what, copy_with(None, of_what, tmp_path))
    # Another release of Python or Hypothesis takes other examples.
    assert seen.keys() == counts.keys()
    assert {
        name for name in seen if abs(seen[name] - counts[name]) > counts[name] / 2 + 10
    } == set()

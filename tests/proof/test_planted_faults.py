"""Each planted fault breaks a claim, and the proof says which."""

from pathlib import Path

import pytest

from . import claims, claims_of_runs, scrapes
from .figures import NoteFigure
from .planted_faults import FAULTS, Fault, claims_broken_by, plant

CLAIMS = {"calls": claims.CLAIMS, "runs": claims_of_runs.CLAIMS, "scrapes": scrapes.CLAIMS}
EACH = {f"{one.what}, {kind}": (kind, one) for kind, faults in FAULTS.items() for one in faults}


@pytest.mark.parametrize(("of_what", "fault"), EACH.values(), ids=EACH)
def test_a_planted_fault_is_caught(of_what: str, fault: Fault, tmp_path: Path) -> None:
    assert fault.breaks in claims_broken_by(fault, of_what, tmp_path)


def test_for_each_claim_a_fault_is_planted_that_breaks_it(note_figure: NoteFigure) -> None:
    for of_what, faults in FAULTS.items():
        assert {fault.breaks for fault in faults} == CLAIMS[of_what].keys()
    note_figure("planted faults, each caught", len(EACH))


@pytest.mark.parametrize(
    ("old", "count"), [("return 7", 0), ("return", 2), ("if 1 ... return 4", 0)]
)
def test_a_quotation_that_does_not_fit_says_so(old: str, count: int, tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("def one():\n    if 1:\n        return 2\n    return 3\n")
    with pytest.raises(AssertionError, match=f"which stands {count} times in the core"):
        plant(Fault("a claim", "a fault", old, ""), tmp_path)

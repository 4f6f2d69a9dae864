"""No schedule makes a call that names a scrape say more than its page claims."""

from pathlib import Path

import pytest

from .figures import NoteFigure
from .planted_faults import OF_SCRAPES, Fault, claims_broken_by
from .scrapes import CLAIMS, check_every_schedule_of_a_scrape


def test_every_claim_of_a_scrape_holds_for_all_that_may_happen(note_figure: NoteFigure) -> None:
    played = check_every_schedule_of_a_scrape(attempts=3)
    note_figure("calls played: the session of a scrape", played)


@pytest.mark.parametrize("fault", OF_SCRAPES, ids=[fault.what for fault in OF_SCRAPES])
def test_a_fault_that_is_planted_for_a_scrape_is_caught(fault: Fault, tmp_path: Path) -> None:
    assert fault.breaks in claims_broken_by(fault, tmp_path)


def test_a_fault_is_planted_for_each_claim_of_a_scrape() -> None:
    assert {fault.breaks for fault in OF_SCRAPES} == CLAIMS.keys()

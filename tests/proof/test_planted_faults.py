"""The proof finds what is wrong: each planted fault breaks a claim, and the run says which."""

from functools import partial
from pathlib import Path

import pytest

from .claims import CLAIMS, ClaimBrokenError
from .figures import NoteFigure
from .model import NAMED, send
from .planted_faults import FAULTS, PlantedFault, planted
from .schedules import Alphabet, check_every_schedule

pytestmark = pytest.mark.usefixtures("quiet_log")


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.what for fault in FAULTS])
def test_a_planted_fault_is_caught(fault: PlantedFault, tmp_path: Path) -> None:
    alphabets = [Alphabet(partial(send, statuses=NAMED))] * 3
    with planted(fault, tmp_path) as core, pytest.raises(ClaimBrokenError) as caught:
        check_every_schedule(alphabets, core=core, policy=core.policy(max_attempts=3))
    assert caught.value.claim == fault.breaks


def test_for_each_claim_a_fault_is_planted_that_breaks_it(note_figure: NoteFigure) -> None:
    assert {fault.breaks for fault in FAULTS} == CLAIMS.keys()
    note_figure("planted faults, each caught", len(FAULTS))

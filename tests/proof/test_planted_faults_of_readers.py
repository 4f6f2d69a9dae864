"""Fuzzing alone notices each fault of what reads bytes from outside."""

from pathlib import Path

import pytest

from .planted_faults import Fault
from .planted_faults_of_readers import FAULTS, copy_with, fuzz


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.what for fault in FAULTS])
def test_fuzzing_alone_notices(fault: Fault, tmp_path: Path) -> None:
    copy = copy_with(fault, fault.breaks, tmp_path)
    with pytest.raises((AssertionError, ValueError)):
        fuzz(fault.breaks, copy)


@pytest.mark.parametrize("of_what", ["wire", "framing"])
def test_a_copy_without_a_fault_passes(of_what: str, tmp_path: Path) -> None:
    assert fuzz(of_what, copy_with(None, of_what, tmp_path))

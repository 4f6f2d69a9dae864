"""Whoever builds the wheel from the same sources gets the same bytes."""

import os
from pathlib import Path

from .builds import build, copy_sources


def wheel_bytes(folder: Path) -> bytes:
    (wheel,) = folder.glob("*.whl")
    return wheel.read_bytes()


def test_a_wheel_built_elsewhere_from_younger_files_is_the_same(
    distributions: Path, tmp_path: Path
) -> None:
    source = copy_sources(tmp_path / "elsewhere")
    for path in source.rglob("*.py"):
        os.utime(path, (2_000_000_000, 2_000_000_000))
    assert wheel_bytes(build(source)) == wheel_bytes(distributions)

"""The source distribution has all that its tests and its pages need, and nothing else."""

import tarfile
from pathlib import Path

import pytest

from .builds import copy_sources


@pytest.fixture(scope="module")
def names(distributions: Path) -> set[str]:
    """The files of the source distribution."""
    (path,) = distributions.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        members = [member.name for member in archive if member.isfile()]
    return {name.partition("/")[2] for name in members}


def test_it_holds_every_file_that_was_written(names: set[str], tmp_path: Path) -> None:
    source = copy_sources(tmp_path)
    written = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    made = {"PKG-INFO", "setup.cfg"}
    assert {name for name in names if ".egg-info/" not in name} == written | made


@pytest.mark.parametrize(
    "name",
    [
        ".ci/run",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "LICENSE",
        "Makefile",
        "SECURITY.md",
        "docs/conf.py",
        "tests/conftest.py",
        "tests/core/test_outcomes.py",
    ],
)
def test_it_holds_what_a_packager_looks_for(names: set[str], name: str) -> None:
    assert name in names

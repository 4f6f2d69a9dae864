"""What an installation puts on a machine, and nothing more."""

import zipfile
from pathlib import Path, PurePosixPath

import pytest

from .builds import ROOT

PACKAGES = {
    "firecrawl_interact/core": ROOT / "core",
    "firecrawl_interact/adapters": ROOT / "adapters",
}


@pytest.fixture(scope="module")
def names(distributions: Path) -> set[str]:
    """The files of the wheel."""
    (wheel,) = distributions.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_installs_one_name_and_its_metadata(names: set[str]) -> None:
    tops = {PurePosixPath(name).parts[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"firecrawl_interact"}


def test_leaves_the_namespace_open(names: set[str]) -> None:
    assert "firecrawl_interact/__init__.py" not in names


def test_holds_every_source_file_and_nothing_else(names: set[str]) -> None:
    sources = {
        f"{package}/{path.relative_to(folder).as_posix()}"
        for package, folder in PACKAGES.items()
        for pattern in ("**/*.py", "py.typed")
        for path in folder.glob(pattern)
    }
    assert {name for name in names if ".dist-info/" not in name} == sources


@pytest.mark.parametrize("package", PACKAGES)
def test_says_to_type_checkers_that_it_is_typed(names: set[str], package: str) -> None:
    assert f"{package}/py.typed" in names


def test_carries_the_licence(names: set[str]) -> None:
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]

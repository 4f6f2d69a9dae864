"""What is built: nothing is missing, nothing is too much, and anybody gets the same bytes."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What earlier work left would get into a distribution.
LEFT_BY_WORK = shutil.ignore_patterns(
    *("*.egg-info", "__pycache__", "_build", "build", "dist"),
    *(".[!cg]*", ".git", ".gitignore", ".coverage*"),
)


def copy_sources(folder: Path) -> Path:
    """Copy what is written by hand."""
    shutil.copytree(ROOT, folder, ignore=LEFT_BY_WORK, dirs_exist_ok=True)
    return folder


def build(source: Path) -> Path:
    """Build both, the wheel from the source distribution, as an installer does."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1764000000"}
    made = subprocess.run(
        command, cwd=source, env=environment, check=False, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return source / "dist"


def wheel(folder: Path) -> Path:
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(copy_sources(tmp_path_factory.mktemp("source")))


def test_the_source_distribution_holds_every_file_that_was_written(
    distributions: Path, tmp_path: Path
) -> None:
    source = copy_sources(tmp_path)
    written = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
    (archive,) = distributions.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        files = [member.name.partition("/")[2] for member in opened if member.isfile()]
    made = {"PKG-INFO", "setup.cfg"}
    assert {name for name in files if ".egg-info/" not in name} == written | made


def test_the_wheel_holds_the_two_packages_as_typed_and_its_licence(distributions: Path) -> None:
    with zipfile.ZipFile(wheel(distributions)) as archive:
        names = set(archive.namelist())
    sources = {
        f"firecrawl_interact/{path.relative_to(ROOT).as_posix()}"
        for package in ("core", "adapters")
        for path in [*(ROOT / package).glob("**/*.py"), ROOT / package / "py.typed"]
    }
    assert {name for name in names if ".dist-info/" not in name} == sources
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]


def test_a_wheel_built_elsewhere_from_younger_files_is_the_same(
    distributions: Path, tmp_path: Path
) -> None:
    source = copy_sources(tmp_path / "elsewhere")
    for path in source.rglob("*.py"):
        os.utime(path, (2_000_000_000, 2_000_000_000))
    assert wheel(build(source)).read_bytes() == wheel(distributions).read_bytes()

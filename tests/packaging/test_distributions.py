"""What is built and released: nothing is missing or too much, and what it brings is named."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What is built

# What earlier work left would get into a distribution.
LEFT_BY_WORK = shutil.ignore_patterns(
    *("*.egg-info", "__pycache__", "_build", "build", "dist"),
    *(".[!cg]*", ".git", ".gitignore", ".coverage*"),
)


def copy_sources(folder: Path) -> set[Path]:
    """Copy what is written by hand, and return these files."""
    shutil.copytree(ROOT, folder, ignore=LEFT_BY_WORK, dirs_exist_ok=True)
    return {path for path in folder.rglob("*") if path.is_file()}


def build(source: Path) -> tuple[Path, Path]:
    """Build both, the wheel from the source distribution, as an installer does."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist"]
    made = subprocess.run(command, cwd=source, check=False, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    [archive, wheel] = sorted((source / "dist").iterdir(), key=lambda path: path.suffix)
    return archive, wheel


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    copy_sources(source := tmp_path_factory.mktemp("source"))
    return build(source)


def test_the_source_distribution_holds_every_file_that_was_written(
    distributions: tuple[Path, Path], tmp_path: Path
) -> None:
    written = {path.relative_to(tmp_path).as_posix() for path in copy_sources(tmp_path)}
    with tarfile.open(distributions[0]) as archive:
        files = [member.name.partition("/")[2] for member in archive if member.isfile()]
    made = {"PKG-INFO", "setup.cfg"}
    assert {name for name in files if ".egg-info/" not in name} == written | made


def test_the_wheel_holds_the_package_as_typed_and_its_licence(
    distributions: tuple[Path, Path],
) -> None:
    with zipfile.ZipFile(distributions[1]) as archive:
        names = set(archive.namelist())
    written = [path for folder in ("core", "adapters") for path in (ROOT / folder).glob("**/*.py")]
    sources = {f"firecrawl_interact/{path.relative_to(ROOT).as_posix()}" for path in written}
    facade = {name for name in sources if name.startswith("firecrawl_interact/adapters/facade/")}
    sources |= {name.replace("adapters/facade/", "") for name in facade}
    sources = (sources - facade) | {"firecrawl_interact/py.typed"}
    assert {name for name in names if ".dist-info/" not in name} == sources
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]


# A release


@pytest.mark.parametrize(
    ("version", "branch", "reasons"),
    [
        ("1.2.3", "main", []),
        ("1.2.4", "main", ["says version 1.2.3, not 1.2.4.", "heading '## [1.2.4] - YYYY-MM-DD'."]),
        ("1.2.5", "main", ["heading '## [1.2.5] - YYYY-MM-DD'."]),  # no date
        ("1.2.3", "draft", ["A release is made from main, not from draft."]),
    ],
)
def test_only_what_is_ready_is_released(
    tmp_path: Path, version: str, branch: str, reasons: list[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.3"\n')
    (tmp_path / "CHANGELOG.md").write_text("## [1.2.5]\n\n## [1.2.3] - 2026-12-01\n")
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    script = str(tmp_path / ".ci" / "check_release.py")
    command = [sys.executable, script, version, branch]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert bool(done.returncode) == bool(done.stderr) == bool(reasons)
    assert all(reason in done.stderr for reason in reasons)


def test_a_release_leads_to_the_repository_that_it_is_made_in(tmp_path: Path) -> None:
    for name in ("README.md", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    subprocess.run([sys.executable, tmp_path / ".ci" / "absolute_links.py", "a/fork"], check=True)
    links = re.findall(r"(?<=\]\()[^)]+", (tmp_path / "README.md").read_text("utf-8"))
    assert "https://github.com/a/fork/blob/main/SECURITY.md" in links
    assert "https://github.com/a/fork/raw/main/docs/pictures/demo.svg" in links
    assert not [link for link in links if not link.startswith("https://")]
    urls = tomllib.loads((tmp_path / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
    assert urls["Source"] == "https://github.com/a/fork"
    assert urls["Issues"] == "https://github.com/a/fork/issues"

"""A release is made by a maintainer alone, from what the workflow has built, without a token."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

WORKFLOW = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
BUILD, PUBLISH = WORKFLOW.split("\n  publish:\n")
REPOSITORY = "firecrawl-interact/firecrawl-interact"

PROJECT = """
[project]
version = "1.2.3"
[project.urls]
Source = "https://github.com/firecrawl-interact/firecrawl-interact"
Service = "https://docs.firecrawl.dev"
"""


def test_it_is_started_by_hand_alone() -> None:
    [triggers] = re.findall(r"^on:\n((?: .*\n)+)", WORKFLOW, re.MULTILINE)
    assert re.findall(r"^  (\w+):", triggers, re.MULTILINE) == ["workflow_dispatch"]


def test_only_the_protected_job_has_an_identity_and_no_job_a_secret() -> None:
    for words in ("environment: pypi", "id-token: write", "attestations: true"):
        assert words in PUBLISH
    assert "permissions: {}" in BUILD
    assert "write" not in BUILD
    assert "secrets." not in WORKFLOW


def check(root: Path, *arguments: str) -> str:
    """What speaks against a release."""
    shutil.copytree(ROOT / ".ci", root / ".ci")
    command = [sys.executable, str(root / ".ci" / "check_release.py"), *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert bool(done.returncode) == bool(done.stderr)
    return done.stderr


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """One that is ready to be released as 1.2.3."""
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "CHANGELOG.md").write_text("## [Unreleased]\n\n## [1.2.3] - 2026-12-01\n")
    return tmp_path


def test_what_is_ready_is_released(project: Path) -> None:
    assert check(project, "1.2.3", REPOSITORY, "main") == ""


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("1.2.4", REPOSITORY, "main"), "pyproject.toml says version 1.2.3, not 1.2.4."),
        (("1.2.4", REPOSITORY, "main"), "CHANGELOG.md has no heading '## [1.2.4] - YYYY-MM-DD'."),
        (("1.2.3", "someone/fork", "main"), "which is not in https://github.com/someone/fork."),
        (("1.2.3", REPOSITORY, "draft"), "A release is made from main, not from draft."),
    ],
)
def test_what_is_not_ready_is_not_released(
    project: Path, arguments: tuple[str, str, str], reason: str
) -> None:
    assert reason in check(project, *arguments)

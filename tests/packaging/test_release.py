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

READY = """
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


@pytest.mark.parametrize(
    ("version", "repository", "branch", "reasons"),
    [
        ("1.2.3", REPOSITORY, "main", []),
        (
            "1.2.4",
            REPOSITORY,
            "main",
            [
                "pyproject.toml says version 1.2.3, not 1.2.4.",
                "CHANGELOG.md has no heading '## [1.2.4] - YYYY-MM-DD'.",
            ],
        ),
        ("1.2.3", "someone/fork", "main", ["which is not in https://github.com/someone/fork."]),
        ("1.2.3", REPOSITORY, "draft", ["A release is made from main, not from draft."]),
    ],
)
def test_only_what_is_ready_is_released(
    tmp_path: Path, version: str, repository: str, branch: str, reasons: list[str]
) -> None:
    (tmp_path / "pyproject.toml").write_text(READY)
    (tmp_path / "CHANGELOG.md").write_text("## [Unreleased]\n\n## [1.2.3] - 2026-12-01\n")
    shutil.copytree(ROOT / ".ci", tmp_path / ".ci")
    script = str(tmp_path / ".ci" / "check_release.py")
    command = [sys.executable, script, version, repository, branch]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert bool(done.returncode) == bool(done.stderr) == bool(reasons)
    assert all(reason in done.stderr for reason in reasons)

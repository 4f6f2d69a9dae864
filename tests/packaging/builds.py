"""Builds the source distribution and the wheel from a copy of the sources."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
_LEFT_BY_WORK = shutil.ignore_patterns(
    "*.egg-info",
    "__pycache__",
    "_build",
    "build",
    "dist",
    ".[!cg]*",
    ".git",
    ".gitignore",
    ".coverage*",
)


def copy_sources(folder: Path) -> Path:
    """Copy what is written by hand: what earlier builds left would get into the next one."""
    shutil.copytree(ROOT, folder, ignore=_LEFT_BY_WORK, dirs_exist_ok=True)
    return folder


def build(source: Path) -> Path:
    """Build both, the wheel from the source distribution, as an installer does.

    The environment says when: `SOURCE_DATE_EPOCH`.

    Returns:
        The folder with both.
    """
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist"]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1764000000"}
    made = subprocess.run(
        command, cwd=source, env=environment, check=False, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return source / "dist"

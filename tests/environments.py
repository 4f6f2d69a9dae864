"""Environments of their own, in which other packages stand beside the library."""

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

venv = pytest.importorskip("venv")  # The embeddable Python for Windows has none.


def environment(folder: Path, *requirements: str) -> str:
    """Make an environment with these packages, and behind them those of the tests' own.

    Return its Python.
    """
    venv.create(folder, symlinks=True)
    python = str(folder / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps"]
    subprocess.run([*pip, *requirements], check=True)
    [packages] = folder.glob("lib/python*/site-packages")
    behind = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
    (packages / "behind.pth").write_text(behind)
    return python

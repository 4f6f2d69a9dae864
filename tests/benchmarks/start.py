"""What an import, and the command's help, cost: CPU time less that of the bare interpreter."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import Figure

from firecrawl_interact import adapters, core

# Measured as installed packages run: from a plain folder, with their bytecode cached. An editable
# install looks for each module in a way of its own, which costs more than some of them.
_SITE = tempfile.TemporaryDirectory()
for _package in (core, adapters):
    shutil.copytree(
        _package.__path__[0], Path(_SITE.name, *_package.__name__.split(".")), symlinks=False
    )
_ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
} | {"PYTHONPATH": _SITE.name}


def _seconds(*commands: list[str], rounds: int = 25) -> list[float]:
    """Return the least CPU time of each command: what else the machine does can only add to it."""
    times: list[list[float]] = [[] for _ in commands]
    for turn in range(rounds + 1):
        for command, taken in zip(commands, times, strict=True):
            with subprocess.Popen(
                [sys.executable, *command], stdout=subprocess.DEVNULL, env=_ENVIRONMENT
            ) as process:
                _, status, spent = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0, command
            if turn:
                taken.append(spent.ru_utime + spent.ru_stime)
    return [min(taken) for taken in times]


def _ratio(ours: str, bare: str) -> float:
    nothing, other, own = _seconds(["-c", "pass"], ["-c", bare], ["-c", ours])
    return (own - nothing) / (other - nothing)


def of_the_core() -> Figure:
    ratio = _ratio("import firecrawl_interact.core", "import msgspec")
    return Figure("import of the core, to msgspec", ratio, 1.35)


def with_urllib3() -> Figure:
    ratio = _ratio(
        "import firecrawl_interact.core\nfrom firecrawl_interact.adapters import Urllib3Transport",
        "import msgspec, urllib3",
    )
    return Figure("import with Urllib3Transport, to msgspec and urllib3", ratio, 1.15)


def with_asyncio() -> Figure:
    ratio = _ratio(
        "import firecrawl_interact.core\nfrom firecrawl_interact.adapters import AsyncioTransport",
        "import asyncio, msgspec, ssl",
    )
    return Figure("import with AsyncioTransport, to asyncio, msgspec and ssl", ratio, 1.15)


def of_the_command() -> Figure:
    bare, own = _seconds(
        ["-c", "import click, rich.progress, msgspec, urllib3"],
        ["-m", "firecrawl_interact.adapters.cli", "delete", "--help"],
    )
    return Figure("`delete --help`, to its bare imports", own / bare, 2.5)

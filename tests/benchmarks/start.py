"""What it costs to start: CPU time of imports, and of the command until it does something."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from measure import Figure
from service import service

from firecrawl_interact import adapters, core

COMMAND = ["-m", "firecrawl_interact.adapters.cli", "delete"]

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


def imports() -> Iterator[Figure]:
    for what, adapter, libraries, limit in [
        ("of the core", None, "msgspec", 1.35),
        ("with Urllib3Transport", "Urllib3Transport", "msgspec and urllib3", 1.15),
        ("with AsyncioTransport", "AsyncioTransport", "asyncio, msgspec and ssl", 1.15),
    ]:
        ours = "import firecrawl_interact.core"
        if adapter is not None:
            ours += f"\nfrom firecrawl_interact.adapters import {adapter}"
        bare = f"import {libraries.replace(' and', ',')}"
        nothing, other, own = _seconds(["-c", "pass"], ["-c", bare], ["-c", ours])
        ratio = (own - nothing) / (other - nothing)
        yield Figure(f"import {what}, to {libraries}", ratio, limit)


def of_the_command() -> Iterator[Figure]:
    bare, own = _seconds(
        ["-c", "import click, rich.progress, msgspec, urllib3"], [*COMMAND, "--help"]
    )
    yield Figure("`delete --help`, to its bare imports", own / bare, 2.5)


def a_million_ids() -> Iterator[Figure]:
    with tempfile.NamedTemporaryFile("w") as ids, service(1) as (api_url, _):
        ids.writelines(f"0199a7c4-5d1e-7b60-9f3a-{number:012}\n" for number in range(1_000_000))
        ids.flush()
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *COMMAND, "--missing-ok", "--from", ids.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"FIRECRAWL_API_URL": api_url, "FIRECRAWL_API_KEY": "fc-test"},
        )
        with process:
            assert process.stdout is not None
            process.stdout.readline()
            seconds = time.perf_counter() - began
            process.kill()
            _, _, used = os.wait4(process.pid, 0)
            process.returncode = -signal.SIGKILL
    yield Figure("`delete` of 1,000,000 ids, to its first outcome", seconds, 3, "s")
    yield Figure("its peak memory", used.ru_maxrss / 2**10, 300, "MiB")

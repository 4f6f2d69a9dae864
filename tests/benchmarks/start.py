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

COMMAND = ["-c", "from firecrawl_interact.adapters.cli import main; main()", "delete"]

# Measured as installed packages run: from a plain folder, with their bytecode cached. An editable
# install looks for each module in a way of its own, which costs more than some of them.
_SITE = tempfile.TemporaryDirectory()
for _package in (core, adapters):
    shutil.copytree(_package.__path__[0], Path(_SITE.name, *_package.__name__.split(".")))
_ENVIRONMENT = {**os.environ, "PYTHONPATH": _SITE.name}
_ENVIRONMENT.pop("PYTHONDONTWRITEBYTECODE", None)


def _cpu_seconds(*commands: list[str]) -> list[float]:
    """Return the least CPU time of each command: what else the machine does can only add to it."""
    rounds = []
    for _ in range(26):
        taken = []
        for command in commands:
            with subprocess.Popen(
                [sys.executable, *command], stdout=subprocess.DEVNULL, env=_ENVIRONMENT
            ) as process:
                _, status, spent = os.wait4(process.pid, 0)
                process.returncode = os.waitstatus_to_exitcode(status)
            assert process.returncode == 0, command
            taken.append(spent.ru_utime + spent.ru_stime)
        rounds.append(taken)
    return [min(taken) for taken in zip(*rounds[1:], strict=True)]  # The first writes bytecode.


def imports() -> Iterator[Figure]:
    core = "import firecrawl_interact.core"
    with_a = f"{core}\nfrom firecrawl_interact.adapters import "
    for what, own, libraries, limit in [
        ("of the core", core, "msgspec", 2.0),
        ("with Urllib3Transport", f"{with_a}Urllib3Transport", "msgspec and urllib3", 1.15),
        ("with AsyncioTransport", f"{with_a}AsyncioTransport", "asyncio, msgspec and ssl", 1.15),
    ]:
        bare = f"import {libraries.replace(' and', ',')}"
        nothing, other, ours = _cpu_seconds(["-c", "pass"], ["-c", bare], ["-c", own])
        yield Figure(f"import {what}, to {libraries}", (ours - nothing) / (other - nothing), limit)


def of_the_command() -> Iterator[Figure]:
    imported = "import click, msgspec, urllib3"
    bare, own = _cpu_seconds(["-c", imported], [*COMMAND, "--help"])
    yield Figure("`delete --help`, to its bare imports", own / bare, 2.5)


def a_million_ids() -> Iterator[Figure]:
    with tempfile.NamedTemporaryFile("w") as ids, service(1) as (api_url, _):
        ids.writelines(f"0199a7c4-5d1e-7b60-9f3a-{number:012}\n" for number in range(1_000_000))
        ids.flush()
        began = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, *COMMAND, "--missing-ok", "--from", ids.name],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"FIRECRAWL_API_URL": api_url, "FIRECRAWL_API_KEY": "fc-test"},
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            seconds = time.perf_counter() - began
            process.kill()
            _, _, used = os.wait4(process.pid, 0)
            process.returncode = -signal.SIGKILL
    yield Figure("`delete` of 1,000,000 ids, to its first outcome", seconds, 3, "s")
    yield Figure("its peak memory", used.ru_maxrss / 2**10, 300, "MiB")

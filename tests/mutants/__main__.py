"""Changes what ships in thousands of small ways: do the tests notice?

    python -m tests.mutants retry http.framing --sample 60

A sample is one of what the newest ten commits changed in a room, if no module is named. Each mutant
runs in a fork of this process, with all tests of its room, the quickest that reach it first, until
one fails.
`survivors.toml` lists the mutants that no test notices, each with its reason, and must be right.
"""

import argparse
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import hypothesis.internal.conjecture.engine  # noqa: F401 - or each fork would
import pytest
import pytest_asyncio.plugin  # noqa: F401
from coverage import Coverage

from .mutations import Mutant, mutants_of

ROOT = Path(__file__).parents[2]
QUICKEST = 30
AT_ONCE = 1 + (os.cpu_count() or 1)  # Some tests wait.
PYTEST = ["--quiet", "-pno:cacheprovider", "--hypothesis-profile=mutants"]


class Room(NamedTuple):
    """Some modules, and the tests that must notice a change of them."""

    modules: list[str]
    tests: list[str]
    options: list[str]

    def paths(self) -> list[Path]:
        """Return its modules. An `__init__` hands names on, and a test compares them."""
        found = [path for pattern in self.modules for path in sorted(ROOT.glob(pattern))]
        return [path for path in found if path.stem != "__init__"]


# A server of PostgreSQL for each mutant would take too long, but for those of its own module.
_WITHOUT_SERVER = ["-knot PostgreSQL and not postgresql"]
ROOMS = [
    Room(["core/*.py"], ["tests/core"], []),
    Room(
        [
            "adapters/journals/base.py",
            "adapters/journals/file.py",
            "adapters/journals/in_memory.py",
        ],
        [
            "tests/adapters/test_file_journal.py",
            "tests/adapters/test_all_journals.py",
            "tests/conformance/test_journals.py::test_a_directory_keeps_every_promise",
            "tests/proof/test_power_cuts.py",
        ],
        _WITHOUT_SERVER,
    ),
    Room(["adapters/journals/postgres.py"], ["tests/adapters/test_postgres_journal.py"], []),
    Room(
        ["adapters/*_time.py", "adapters/api_url.py"]
        + [f"adapters/{name}/*.py" for name in ("http", "urllib3", "asyncio")],
        [
            "tests/transports",
            "tests/adapters/test_framing.py",
            "tests/adapters/test_settings.py",
            "tests/conformance/test_transports.py",
        ],
        [],
    ),
    Room(
        ["adapters/fakes/*.py", "adapters/fakes/service/*.py"],
        [
            "tests/adapters/test_fake_service.py",
            "tests/adapters/test_in_memory.py",
            "tests/adapters/test_rate_limit.py",
            "tests/service",
        ],
        [],
    ),
    Room(["adapters/environment.py"], ["tests/adapters/test_environment.py"], []),
    Room(["adapters/cli/*.py"], ["tests/cli"], _WITHOUT_SERVER),
]


def listed_survivors() -> set[tuple[str, str, str, int]]:
    """Read which mutants may survive."""
    entries = tomllib.loads(Path(__file__).with_name("survivors.toml").read_text())["survivor"]
    if without := [entry for entry in entries if not entry["reason"]]:
        sys.exit(f"this entry gives no reason: {without[0]}")
    return {(one["place"], one["before"], one["after"], one.get("number", 1)) for one in entries}


class Reach(NamedTuple):
    """How long each test takes that is not slow, the quickest first, and which run which line."""

    seconds: dict[str, float]
    by_line: dict[str, dict[int, set[str]]]
    room: Room

    def rounds_for(self, mutant: Mutant) -> list[tuple[list[str], float]]:
        """Return all tests, near ones first, each time with the seconds that they may take."""
        by_line = self.by_line.get(str(mutant.path), {})
        # Those that run its function; its module, if it is in none.
        near = set[str]().union(*(by_line.get(line, ()) for line in mutant.lines or by_line))
        tests = [test for test in self.seconds if test in near]
        rounds = [one for one in (tests[:QUICKEST], tests[QUICKEST:]) if one]
        each = [(one, 15 + 1.5 * sum(map(self.seconds.__getitem__, one))) for one in rounds]
        # At the end the slow ones, too, and those that reach it in a process that they start.
        every = [*each, (["-mnot nightly", f"--numprocesses={AT_ONCE}", *self.room.tests], 600)]
        return [([*self.room.options, *tests], seconds) for tests, seconds in every]


def _node(test: str) -> str:
    """Name a test as pytest does, not as coverage and JUnit do."""
    module, _, name = test.rpartition(".")
    return f"{module.replace('.', '/')}.py::{name}"


def _run(*command: str) -> bool:
    """Run a module of Python, and show the end of what it prints if it fails."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        print(done.stdout[-4_000:], flush=True)
    return not done.returncode


def measure(room: Room, work: Path) -> Reach:
    """Run the tests of a room without any change."""
    settings, times = work / "settings", work / "times.xml"
    settings.write_text(
        "[run]\ndynamic_context = test_function\ncore = ctrace\npatch = subprocess\n"
        "disable_warnings = no-data-collected\n"
        f"data_file = {work / 'data'}\ninclude = core/*, adapters/*\n"
    )
    which = room.options if "postgres" in room.modules[0] else [*room.options, "-mnot slow"]
    tests = [f"--numprocesses={AT_ONCE}", f"--junit-xml={times}", *which, *PYTEST, *room.tests]
    measured = ("coverage", "run", f"--rcfile={settings}", "-m", "pytest", *tests)
    if not (_run(*measured) or _run(*measured)):  # A machine that is busy may fail one that waits.
        sys.exit("the tests fail without any change")
    (coverage := Coverage(config_file=str(settings))).combine()
    lines = coverage.get_data()
    seconds: dict[str, float] = defaultdict(float)
    for case in ElementTree.parse(times).iter("testcase"):  # noqa: S314 - pytest has written it
        name = case.attrib["name"].partition("[")[0]
        seconds[_node(f"{case.attrib['classname']}.{name}")] += float(case.attrib["time"])
    if not _run("pytest", *PYTEST, "--collect-only", *seconds):
        sys.exit("pytest does not know its own tests by these names")
    by_line = {
        file: {line: {*map(_node, ones)} for line, ones in lines.contexts_by_lineno(file).items()}
        for file in lines.measured_files()
    }
    return Reach(dict(sorted(seconds.items(), key=lambda item: item[1])), by_line, room)


def pass_with(directory: str, tests: Sequence[str], seconds: float) -> bool:
    """Run tests on a copy, in a fork of this process; taking too long is a failure."""
    child = os.fork()
    if not child:
        os.setsid()
        signal.alarm(int(seconds))  # It ends this process, since nobody handles it.
        # A mutant may write to a wrong descriptor.
        os.closerange(0, 256)
        for _ in range(3):
            os.open(os.devnull, os.O_RDWR)
        os.chdir(ROOT)
        sys.path.insert(0, directory)
        sys.dont_write_bytecode = True
        os.environ |= {"PYTHONPATH": directory, "PYTHONDONTWRITEBYTECODE": "1"}
        # What is imported already is no longer changed for its assertions.
        about_imports = "-Wignore::pytest.PytestAssertRewriteWarning"
        os._exit(pytest.main([*PYTEST, "--exitfirst", about_imports, *tests]))
    try:
        return os.waitpid(child, 0)[1] == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)


def survives(path: Path, source: str, rounds: list[tuple[list[str], float]]) -> bool:
    """Say whether all tests pass on a copy of the library in which one module is changed."""
    with tempfile.TemporaryDirectory() as name:
        library = Path(name) / "firecrawl_interact"
        for package in ("core", "adapters"):
            shutil.copytree(ROOT / package, library / package)
        (library / path.relative_to(ROOT)).write_text(source, encoding="utf-8")
        return all(pass_with(name, tests, seconds) for tests, seconds in rounds)


def wanted_modules(names: Sequence[str]) -> dict[str, list[Mutant]]:
    """Return the mutants of each module that is named, by a part at least; of all, if none is."""
    paths = [path for room in ROOMS for path in room.paths()]
    by_name = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}
    found = {
        name: path
        for name, path in by_name.items()
        if not names or any(f".{one}." in f".{name}." for one in names)
    }
    if unknown := [one for one in names if not any(f".{one}." in f".{it}." for it in found)]:
        sys.exit(f"no such module: {', '.join(unknown)}")
    return {name: mutants_of(path, ROOT) for name, path in found.items()}


def sampled(mutants: list[Mutant], size: int, *, of_changes: bool) -> list[Mutant]:
    """Draw some mutants, others for each commit: of all, or of one room that changed lately."""
    log = ["git", "log", "-10", "--format=%H", "--name-only"]
    commit, *paths = subprocess.check_output(log, cwd=ROOT, text=True).split()
    draw = random.Random(commit)  # noqa: S311
    if of_changes:  # One room: the tests of each that is drawn are measured first.
        mutants = [one for one in mutants if str(one.path.relative_to(ROOT)) in paths]
        changed = {one.path for one in mutants}
        rooms = [each for room in ROOMS if not changed.isdisjoint(each := room.paths())]
        of_room = draw.choice(rooms) if rooms else []
        mutants = [one for one in mutants if one.path in of_room]
    draw.shuffle(mutants)
    # Each of those on the list takes a minute.
    listed = listed_survivors()
    return [one for one in mutants if one.identity not in listed][:size]


def run(mutants: list[Mutant], room: Room) -> set[tuple[str, str, str, int]]:
    """Run the mutants of one room, and return those that live."""
    with tempfile.TemporaryDirectory() as name:
        reach = measure(room, Path(name))
    tasks = [(one.path, one.source(), reach.rounds_for(one)) for one in mutants]
    with ProcessPoolExecutor(AT_ONCE, multiprocessing.get_context("fork")) as pool:
        results = pool.map(survives, *zip(*tasks, strict=True))
        return {one.identity for one, lives in zip(mutants, results, strict=True) if lives}


def main() -> bool:
    """Run the mutants, and return whether the list of survivors is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--sample", type=int)
    wanted = parser.parse_args()
    known, listed = wanted_modules(wanted.modules), listed_survivors()
    existing = {one.identity for one in chain(*wanted_modules([]).values())}
    if stale := sorted(listed - existing):
        sys.exit(f"on the list, and not a mutant: {stale[0]}")
    mutants = list(chain(*known.values()))
    if wanted.sample:
        mutants = sampled(mutants, wanted.sample, of_changes=not wanted.modules)
    alive = set[tuple[str, str, str, int]]()
    for room in ROOMS:
        paths = room.paths()
        if of_room := [one for one in mutants if one.path in paths]:
            living = run(of_room, room)
            alive |= living
            print(f"{room.modules[0]}: {len(of_room)} mutants, {len(living)} survive", flush=True)
    if wanted.sample:  # It measures. A whole run says which of them may live.
        print(*(" | ".join(map(str, identity)) for identity in sorted(alive)), sep="\n")
        most = max(1, len(mutants) // 10)  # The draw may meet the one that nobody has listed yet.
        print(f"{len(mutants)} mutants, {len(alive)} survive; at most {most} may")
        return len(alive) > most
    tried = {one.identity for one in mutants}
    wrong = {
        "no test notices this, and the list does not have it": alive - listed,
        "a test notices this: take it off the list": listed & tried - alive,
    }
    for problem, identities in wrong.items():
        for identity in sorted(identities):
            print(f"\n{problem}:", *identity, sep="\n    ")
    print(f"\n{len(mutants)} mutants, {len(alive)} survive")
    return any(wrong.values())


if __name__ == "__main__":
    sys.exit(main())

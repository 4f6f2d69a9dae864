"""Changes core and `FileJournal` in thousands of small ways: do the tests notice?

    python -m tools.mutants retry wire --sample 60 --seed x

Each mutant gets processes of its own, which import a changed copy and run the tests that reach it,
the quickest first, until one fails. `survivors.toml` lists the mutants that no test notices, each
with its reason, and must be right.
"""

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import NamedTuple
from xml.etree import ElementTree

from .mutations import Mutant, mutants_of

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
QUICKEST = 30
PATIENCE = 600  # seconds: a mutant can wait for ever
TESTS = [
    "tests/core",
    "tests/adapters/test_file_journal.py",
    "tests/adapters/test_all_journals.py",
    "tests/conformance/test_journals.py::test_a_directory_keeps_every_promise",
]
PYTEST = ["pytest", "--quiet", "-p", "no:cacheprovider", "--hypothesis-profile=mutants"]
PYTEST += ["-k", "not PostgreSQL"]  # A server for each mutant would take too long.

Identity = tuple[str, str, str, int]


def all_mutants(modules: Sequence[str]) -> list[Mutant]:
    """Return the mutants of some modules; of all, if none is named."""
    names = ("core/*.py", "adapters/file_journal.py", "adapters/owned_journal.py")
    # `__init__` hands names on, and a test compares them.
    paths = sorted(path for name in names for path in ROOT.glob(name))
    known = {path.stem: path for path in paths if path.stem != "__init__"}
    if unknown := set(modules) - known.keys():
        sys.exit(f"no such module: {', '.join(sorted(unknown))}")
    return [one for name in modules or known for one in mutants_of(known[name], ROOT)]


def listed_survivors() -> set[Identity]:
    """Read which mutants may survive."""
    entries = tomllib.loads((HERE / "survivors.toml").read_text(encoding="utf-8"))["survivor"]
    if without := [entry for entry in entries if not entry["reason"]]:
        sys.exit(f"this entry gives no reason: {without[0]}")
    return {(one["place"], one["before"], one["after"], one.get("number", 1)) for one in entries}


def run(command: Sequence[str], path: str, seconds: float | None = None) -> int:
    """Run a command in a process group of its own; ending it for taking too long is a failure."""
    # The tests without any change fill the caches of bytecode, and no mutant gets into them.
    writes_none = "1" if path != str(ROOT) else ""
    environment = os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": writes_none}
    words = [sys.executable, "-m", *command]
    with open(os.devnull, "w") as nothing:
        child = Popen(  # noqa: S603 - the tests of this repository
            words, cwd=ROOT, env=environment, stdout=nothing, stderr=nothing, start_new_session=True
        )
    try:
        return child.wait(seconds)
    except TimeoutExpired:
        return 1
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)


class Reach(NamedTuple):
    """The tests, the quickest first, and which of them run which line of which file."""

    tests: list[str]
    by_line: dict[str, dict[int, set[str]]]

    def of(self, mutant: Mutant) -> list[str]:
        """Return the tests that run a line of a mutant's function; of its module, if in none."""
        by_line = self.by_line.get(str(mutant.path.relative_to(ROOT)), {})
        near = set[str]().union(*(by_line.get(line, ()) for line in mutant.lines or by_line))
        return [test for test in self.tests if test in near]


def _node(test: str) -> str:
    """Name a test as pytest does, not as coverage and JUnit do."""
    module, _, name = test.rpartition(".")
    return f"{module.replace('.', '/')}.py::{name}"


def measure(work: Path) -> Reach:
    """Run the tests without any change."""
    settings, found, times = (work / name for name in ("settings", "lines.json", "times.xml"))
    settings.write_text(
        "[run]\ndynamic_context = test_function\ncore = ctrace\n"
        f"data_file = {work / 'data'}\ninclude = core/*, adapters/*_journal.py\n"
    )
    with_settings, tests = f"--rcfile={settings}", [*PYTEST, f"--junit-xml={times}", *TESTS]
    if run(["coverage", "run", with_settings, "-m", *tests], str(ROOT)):
        sys.exit("the tests fail without any change")
    run(["coverage", "json", with_settings, "--show-contexts", "-o", str(found)], str(ROOT))
    seconds: dict[str, float] = defaultdict(float)
    for case in ElementTree.parse(times).iter("testcase"):  # noqa: S314 - pytest has written it
        name = case.attrib["name"].partition("[")[0]
        seconds[_node(f"{case.attrib['classname']}.{name}")] += float(case.attrib["time"])
    if run([*PYTEST, "--collect-only", *seconds], str(ROOT)):
        sys.exit("pytest does not know its own tests by these names")
    files = json.loads(found.read_text(encoding="utf-8"))["files"]
    by_line = {
        name: {int(line): set(map(_node, tests)) for line, tests in file["contexts"].items()}
        for name, file in files.items()
    }
    return Reach(sorted(seconds, key=seconds.__getitem__), by_line)


def survives(mutant: Mutant, source: str, reach: Reach, work: Path) -> bool:
    """Say whether all tests pass, the quickest that reach it first, on a copy with a mutant."""
    directory = Path(tempfile.mkdtemp(dir=work))
    for package in ("core", "adapters"):
        copy = directory / "firecrawl_interact" / package
        copy.mkdir(parents=True)
        for path in (ROOT / package).iterdir():
            if path != mutant.path:
                (copy / path.name).symlink_to(path)
    changed = directory / "firecrawl_interact" / mutant.path.relative_to(ROOT)
    changed.write_text(source, encoding="utf-8")
    near = reach.of(mutant)
    # At the end all tests: some reach it in a process that they start.
    for tests in (near[:QUICKEST], near[QUICKEST:], TESTS):
        if tests and run([*PYTEST, "--exitfirst", *tests], str(directory), PATIENCE):
            return False
    return True


def print_each(heading: str, identities: set[Identity]) -> None:
    """Print mutants, each on lines of its own."""
    for identity in sorted(identities):
        print(f"\n{heading}:", *identity, sep="\n    ")


def main() -> int:
    """Run the mutants, and return whether the list of survivors is wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("modules", nargs="*")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", default="")
    wanted = parser.parse_args()
    listed, mutants = listed_survivors(), all_mutants(wanted.modules)
    stale = listed - {one.identity for one in all_mutants([])}
    if wanted.sample and wanted.sample < len(mutants):
        mutants = random.Random(wanted.seed).sample(mutants, wanted.sample)  # noqa: S311
    with tempfile.TemporaryDirectory() as name:
        reach = measure(Path(name))
        with ThreadPool(2) as pool:
            sources = [(mutant, mutant.source()) for mutant in mutants]
            results = pool.starmap(partial(survives, reach=reach, work=Path(name)), sources, 1)
    alive = {one.identity for one, lives in zip(mutants, results, strict=True) if lives}
    new, noticed = alive - listed, listed & {one.identity for one in mutants} - alive
    print_each("no test notices this, and the list does not have it", new)
    print_each("a test notices this: take it off the list", noticed)
    print_each("this is on the list, and is no mutant", stale)
    print(f"\n{len(mutants)} mutants, {len(alive)} survive")
    return 1 if new or noticed or stale else 0


if __name__ == "__main__":
    sys.exit(main())

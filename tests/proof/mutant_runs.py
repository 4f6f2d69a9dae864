"""Whether a test notices a mutant: which tests reach its line, and how they run on it."""

import ast
import gc
import json
import os
import re
import shutil
import signal
import sys
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from pathlib import Path
from types import CodeType, FunctionType
from typing import NamedTuple, NoReturn

import coverage
import pytest

from .mutant_import import import_instead
from .mutations import Mutant

ROOT = Path(__file__).parents[2]
AT_A_TIME = 2

PYTEST = [
    *("--quiet", "--capture=no", "-p", "no:cacheprovider", "--hypothesis-profile=mutants"),
    "tests/core",
    "tests/adapters/test_file_journal.py",
    "tests/adapters/test_in_memory_journal.py",
    "tests/conformance/test_journals.py::test_a_directory_keeps_every_promise",
    "tests/proof/test_power_cuts.py",
]

# These start processes: they would run for every mutant, and take seconds or leave a mount.
SLOW = re.compile(
    r"every_promise\[.*(process|killed|fork|child|come-and-go)|test_a_disk_that_takes"
)

SURVIVED, KILLED, MUST_BE_IMPORTED, BROKEN = range(10, 14)

# What each process that a test starts does first.
SITE = """
import sys
sys.path.insert(0, {root!r})
from tests.proof.mutant_import import import_instead
sys.path.remove({root!r})
with open({source!r}, encoding="utf-8") as file:
    import_instead({name!r}, {path!r}, compile(file.read(), {path!r}, "exec"))
"""

Items = Mapping[str, pytest.Item]
Functions = Mapping[tuple[str, str], list[FunctionType]]


class Reach(NamedTuple):
    """What is known of the tests, each by its node id."""

    seconds: dict[str, float]  #: that each takes
    by_line: dict[str, list[str]]  #: who runs a line of a file
    starting_processes: list[str]  #: these may run any line, in another process

    def tests_for(self, mutant: Mutant) -> list[str]:
        """Return the tests that can notice a mutant, the quickest first."""
        path = mutant.module.path
        if mutant.lines:
            tests = {one for line in mutant.lines for one in self.by_line.get(f"{path}:{line}", ())}
            tests.update(self.starting_processes)
            return sorted(tests, key=self.seconds.__getitem__)
        near = {one for line, ids in self.by_line.items() if line.startswith(path) for one in ids}
        return sorted(self.seconds, key=lambda one: (one not in near, self.seconds[one]))


class OwnLoop:
    """A plugin of pytest: it collects the tests as usual, and runs them otherwise."""

    def __init__(self, loop: Callable[[Items], None]) -> None:
        self._loop = loop
        self._has_failed = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._has_failed = self._has_failed or report.failed

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if not session.testsfailed:
            items = [item for item in session.items if not SLOW.search(item.nodeid)]
            self._loop({item.nodeid: item for item in items})
        return True

    def collect_and_run(self) -> None:
        pytest.main(PYTEST, plugins=[self])

    def has_failure(self, items: Iterable[pytest.Item], usual: Mapping[str, float]) -> bool:
        """Run tests until one fails. One that takes much longer than usual ends the process."""
        for item in items:
            seconds = usual.get(item.nodeid, 10)
            # What these signals do by default is to end it: for deadlocks, and for endless loops.
            signal.setitimer(signal.ITIMER_REAL, 10 + 20 * seconds)
            signal.setitimer(signal.ITIMER_PROF, 1 + 5 * seconds)
            try:
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            except (KeyboardInterrupt, pytest.exit.Exception):
                return True
            if self._has_failed:
                return True
        return False


def run_all(mutants: list[Mutant], work: Path) -> list[int]:
    """Run the mutants, and say of each whether it survived."""
    found = work / "found.json"
    in_a_fork(partial(run_functions, mutants, work, found), work)
    if not found.exists():
        raise SystemExit("the tests could not be run")
    known, results = json.loads(found.read_text())
    left = [mutant for mutant, result in zip(mutants, results, strict=True) if is_left(result)]
    imported = iter(fork_each(left, partial(run_imported, Reach(*known)), work))
    return [next(imported) if is_left(result) else result for result in results]


def is_left(result: int) -> bool:
    return result == MUST_BE_IMPORTED


def run_functions(mutants: list[Mutant], work: Path, found: Path) -> None:
    """Run the mutants of functions, each in a fork of a process that has collected the tests."""

    def loop(items: Items) -> None:
        in_a_fork(partial(measure, own_loop, items, found), work)
        reach = Reach(*json.loads(found.read_text()))
        functions = functions_by_place()
        gc.freeze()

        def run(mutant: Mutant) -> int:
            try:
                is_replaced = replace_code(mutant, functions)
            except SyntaxError:  # Not even Python takes it.
                return KILLED
            return outcome(own_loop, items, reach, mutant) if is_replaced else MUST_BE_IMPORTED

        found.write_text(json.dumps([reach, fork_each(mutants, run, work)]))

    own_loop = OwnLoop(loop)
    own_loop.collect_and_run()


def run_imported(reach: Reach, mutant: Mutant) -> int:
    """Run a mutant in a process that has not imported the library yet."""

    def loop(items: Items) -> None:  # What pytest does afterwards may fail, and is of no interest.
        end_with(partial(outcome, own_loop, items, reach, mutant))

    path = mutant.module.path
    import_instead(mutant.module.name, path, compile(mutant.apply(), path, "exec"))
    signal.setitimer(signal.ITIMER_PROF, 60)
    own_loop = OwnLoop(loop)
    with suppress(Exception):
        own_loop.collect_and_run()
    return KILLED  # Without the library, the tests cannot be collected.


def measure(own_loop: OwnLoop, items: Items, found: Path) -> None:
    """Run each test, and write down how long it takes and which lines it runs."""
    seconds: dict[str, float] = {}
    starting: set[str] = set()
    current = ""

    def note_process(event: str, _: object) -> None:
        if event == "subprocess.Popen":
            starting.add(current)

    sys.addaudithook(note_process)
    mutated = [f"{ROOT}/core/*", f"{ROOT}/adapters/*_journal.py"]
    measured = coverage.Coverage(data_file=None, config_file=False, include=mutated)
    measured.start()
    for current, item in items.items():
        measured.switch_context(current)
        begun = time.process_time()
        if own_loop.has_failure([item], {}):
            raise RuntimeError(f"{current} fails without any change")
        seconds[current] = time.process_time() - begun
    measured.stop()
    data = measured.get_data()
    by_line = {
        f"{path}:{line}": [one for one in tests if one]
        for path in data.measured_files()
        for line, tests in data.contexts_by_lineno(path).items()
    }
    found.write_text(json.dumps(Reach(seconds, by_line, sorted(starting))))


def outcome(own_loop: OwnLoop, items: Items, reach: Reach, mutant: Mutant) -> int:
    """Run the tests on a mutant that is in place in this process."""
    pass_on(mutant)
    # A mutant can change what a test is called, by the repr of what the test is given.
    tests = [items[one] for one in reach.tests_for(mutant) if one in items]
    return KILLED if own_loop.has_failure(tests, reach.seconds) else SURVIVED


def pass_on(mutant: Mutant) -> None:
    """Let the processes that a test starts have the mutant too."""
    directory = Path(os.environ["TMPDIR"])
    source = directory / "mutant.py"
    source.write_text(ast.unparse(mutant.module.tree), encoding="utf-8")
    name, path = mutant.module.name, mutant.module.path
    site = SITE.format(root=str(ROOT), source=str(source), name=name, path=path)
    (directory / "sitecustomize.py").write_text(site, encoding="utf-8")
    os.environ["PYTHONPATH"] = str(directory)


def functions_by_place() -> Functions:
    """Find all live functions, by the file and the names around them."""
    functions = defaultdict(list)
    for one in gc.get_objects():
        if isinstance(one, FunctionType):
            functions[one.__code__.co_filename, one.__code__.co_qualname].append(one)
    return functions


def replace_code(mutant: Mutant, functions: Functions) -> bool:
    """Change a function where it is. False: its module must be executed anew."""
    if not mutant.function:
        return False
    path = mutant.module.path
    changed = find_code(compile(mutant.apply(), path, "exec"), mutant.function)
    live = functions.get((path, mutant.function), [])
    if not live or any(shape(one.__code__) != shape(changed) for one in live):
        return False
    for one in live:
        one.__code__ = changed
    return True


def shape(code: CodeType) -> tuple[object, ...]:
    """Return what the code of a function must keep."""
    return code.co_freevars, code.co_flags & (CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR)


def find_code(code: CodeType, qualname: str) -> CodeType:
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            if inner.co_qualname == qualname:
                return inner
            if qualname.startswith(f"{inner.co_qualname}."):
                return find_code(inner, qualname)
    raise LookupError(qualname)


def fork_each(mutants: list[Mutant], run: Callable[[Mutant], int], work: Path) -> list[int]:
    """Run each mutant in a fork of this process, and return what came of each."""
    running: dict[int, int] = {}
    results: dict[int, int] = {}
    for number, mutant in enumerate(mutants):
        running[fork(partial(run, mutant), work)] = number
        while len(running) >= AT_A_TIME or (running and number == len(mutants) - 1):
            child, status = os.wait()
            tidy_up(child, work)
            code = os.waitstatus_to_exitcode(status)
            result = code if code in {SURVIVED, MUST_BE_IMPORTED, BROKEN} else KILLED
            results[running.pop(child)] = result
    return [results[number] for number in range(len(mutants))]


def in_a_fork(function: Callable[[], None], work: Path) -> None:
    def run() -> int:
        function()
        return 0

    child = fork(run, work)
    _, status = os.waitpid(child, 0)
    tidy_up(child, work)
    if status:
        raise SystemExit("the tests could not be run")


def fork(function: Callable[[], int], work: Path) -> int:
    """Let a child call the function, with a directory and a process group of its own."""

    def begin() -> int:
        os.setsid()
        directory = work / str(os.getpid())
        directory.mkdir()
        for name in ("TMPDIR", "PYTEST_DEBUG_TEMPROOT"):
            os.environ[name] = str(directory)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return function()

    return os.fork() or end_with(begin)


def end_with(function: Callable[[], int]) -> NoReturn:
    """End this process with what the function returns, or with `BROKEN`."""
    code = BROKEN
    try:
        code = function()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def tidy_up(child: int, work: Path) -> None:
    """Remove what a child may have left: its processes, and its files."""
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    shutil.rmtree(work / str(child), ignore_errors=True)

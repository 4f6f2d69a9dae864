"""How the tests run; and how hard hypothesis looks: `--hypothesis-profile=thorough`, longer."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings

if TYPE_CHECKING:
    from .postgres import Postgres

settings.register_profile("usual", max_examples=200, deadline=None)
settings.register_profile("quick", max_examples=25, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=5_000, deadline=None)
settings.register_profile(
    "mutants",  # The same examples each time, and no time lost with the smallest one that fails.
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile("usual")

# A shell's background job ignores Ctrl-C, and `nohup` SIGHUP. Tests send both to what they start,
# which would ignore them too.
signal.signal(signal.SIGINT, signal.default_int_handler)
if os.name == "posix" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)


# What the gate may skip, by a part of the reason, with why it is not needed there.
MAY_BE_SKIPPED = {
    "this Python has no other mode": "a Python without a global lock is a build of its own",
    "this is not about transports of the kind": "a case of the kit is for the other kind alone",
    "this transport has no close": "a case of the kit is about closing",
}


def _is_needed(reason: str) -> bool:
    return not any(known in reason for known in MAY_BE_SKIPPED)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests were skipped, and why: a quiet run shows a letter alone."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = Counter(report.longrepr[2].removeprefix("Skipped: ") for report in reports)
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"Skipped {count}: {reason}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run with `CI_STRICT` that skipped what the gate needs: a skip would hide a fault."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or not os.environ.get("CI_STRICT"):
        return
    reasons = {report.longrepr[2] for report in reporter.stats.get("skipped", [])}
    if missing := sorted(filter(_is_needed, reasons)):
        reporter.write_line(f"\nCI_STRICT: these may not be skipped: {'; '.join(missing)}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


# What a gate of ten minutes leaves out, by a part of the test's id, with what looks there instead.
NIGHTLY = {
    "test_beside_careful_lines": "the list of the pages' figures notices a table that is changed",
    "[four attempts, one of each kind]": "three attempts, and every status",
    "[at any time]": "each policy's waits in simulated runs",
    "in_simulated_runs[1]": "a quarter of the simulated runs",
    "in_simulated_runs[2]": "a quarter of the simulated runs",
    "in_simulated_runs[3]": "a quarter of the simulated runs",
    "run_costs_no_outcome[meets0-None]": "the same run, left after its first outcome",
    "run_costs_no_outcome[meets2-None]": "the same run, left after its first outcome",
    "the_same_on_httpx": "the same code on httpx2",
    # The gate plays each pair of an interruption, a block and a delete, not every three.
    "KeyboardInterrupt-block-failing delete": "the other half of the interrupted blocks",
    "KeyboardInterrupt-failing block-delete": "the other half of the interrupted blocks",
    "SystemExit-block-delete": "the other half of the interrupted blocks",
    "SystemExit-failing block-failing delete": "the other half of the interrupted blocks",
    "test_postgresql_keeps_every_promise[any-order": "the same case in a directory and in memory",
    "test_the_journal_keeps_every_promise[any-order": "the other cases of the page's journal",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what needs a server of PostgreSQL, and what is about pages and packages."""
    for item in items:
        if any(part in item.nodeid for part in NIGHTLY):
            item.add_marker(pytest.mark.nightly)
        folder = item.nodeid.split("/")[1]
        if folder in {"docs", "packaging"} or "postgres" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


def pytest_report_teststatus(report: pytest.TestReport, config: pytest.Config) -> None:
    """Print each figure as it was counted: pytest asks this where the terminal is."""
    terminal = config.pluginmanager.get_plugin("terminalreporter")
    if report.when == "call" and terminal is not None:
        for what, figure in report.user_properties:
            terminal.write_line(f"{what}: {figure}")


@pytest.fixture(scope="session")
def postgres() -> "Iterator[Postgres]":
    """A PostgreSQL with the table of a `PostgresJournal`."""
    from . import postgres

    if postgres.program("initdb") is None:
        pytest.skip("there is no PostgreSQL: initdb is neither on PATH nor where Debian puts it")
    with postgres.server() as server:
        server.execute(postgres.ShortLease.TABLE)
        yield server

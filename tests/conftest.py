"""How the tests run; and how hard hypothesis looks: `--hypothesis-profile=thorough`, longer."""

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, settings

if TYPE_CHECKING:
    from .postgres import Postgres

settings.register_profile("usual", max_examples=200, deadline=None)
settings.register_profile("quick", max_examples=25, deadline=None)
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what needs a server of PostgreSQL, and what is about pages and packages."""
    for item in items:
        folder = item.nodeid.split("/")[1]
        if folder in {"docs", "packaging"} or "postgres" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def postgres() -> "Iterator[Postgres]":
    """A PostgreSQL with the table of a `PostgresJournal`."""
    from . import postgres

    if postgres.program("initdb") is None:
        pytest.skip("there is no PostgreSQL: initdb is neither on PATH nor where Debian puts it")
    with postgres.server() as server:
        server.execute(postgres.ShortLease.TABLE)
        yield server

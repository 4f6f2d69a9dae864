"""How the tests run."""

import os
import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from .postgres import Postgres

settings.register_profile("usual", max_examples=200, deadline=None)
settings.register_profile("quick", max_examples=25, deadline=None, derandomize=True)
settings.load_profile("quick" if os.environ.get("CI") else "usual")

# A shell's background job ignores Ctrl-C, and `nohup` SIGHUP. Tests send both to what they start,
# which would ignore them too.
signal.signal(signal.SIGINT, signal.default_int_handler)
if os.name == "posix" and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, lambda *_: None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(
        key=lambda item: not item.nodeid.startswith(("tests/proof/", "tests/conformance/test_kit"))
    )


@pytest.fixture(scope="session")
def postgres() -> "Iterator[Postgres]":
    """A PostgreSQL with the table of a `PostgresJournal`. In CI it may not be missing."""
    from . import postgres

    if missing := postgres.missing():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)
    with postgres.server() as server:
        server.execute(postgres.ShortLease.TABLE)
        yield server

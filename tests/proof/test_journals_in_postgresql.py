"""A journal in a real PostgreSQL keeps what the kit asks, which finds what others do there."""

import sys
from functools import partial

import pytest

from firecrawl_interact.adapters.conformance import JOURNAL_CASES, JournalCase

from ..conformance.broken_leases import AdvisoryLock, NeverWatches
from ..postgres import PASSWORD, Postgres, ShortLease

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(sys.platform == "win32", reason="it has no fork"),
]
cases = pytest.mark.parametrize("case", JOURNAL_CASES, ids=str)
BY_NAME = {case.name: case for case in JOURNAL_CASES}


@cases
def test_postgresql_keeps_every_promise(case: JournalCase, postgres: Postgres) -> None:
    make = partial(ShortLease, postgres.url)
    case.run(make, patience=2, outage=postgres.stopped, secrets=[PASSWORD])


@pytest.mark.parametrize("name", ["an-outage-is-a-journal-error", "an-outage-makes-no-orphan"])
def test_a_postgresql_that_is_frozen_is_an_outage(name: str, postgres: Postgres) -> None:
    make = partial(ShortLease, postgres.url)
    BY_NAME[name].run(make, patience=2, outage=postgres.frozen, secrets=[PASSWORD])


@pytest.mark.parametrize(
    "name",
    [
        "a-living-journals-session-is-no-orphan",
        "two-threads-share-the-orphans",
        "processes-killed-at-any-moment-lose-nothing",
        "a-fork-amid-records-leaves-both-whole",
    ],
)
def test_pgbouncer_may_stand_before_it(name: str, postgres: Postgres) -> None:
    with postgres.behind_pgbouncer() as url:
        BY_NAME[name].run(partial(ShortLease, url), patience=2)


def test_a_lease_without_a_watch_is_found(postgres: Postgres) -> None:
    case = BY_NAME["an-outage-makes-no-orphan"]
    with pytest.raises(AssertionError, match=r"the orphans are \['one'\] instead of \[\]"):
        case.run(partial(NeverWatches, postgres.url), patience=2, outage=postgres.stopped)


@pytest.mark.parametrize(
    "name", ["a-living-journals-session-is-no-orphan", "an-adopted-session-is-its-adopters"]
)
def test_an_advisory_lock_is_found_behind_pgbouncer(name: str, postgres: Postgres) -> None:
    with postgres.behind_pgbouncer() as url, pytest.raises(AssertionError, match=r"^Promised: "):
        BY_NAME[name].run(partial(AdvisoryLock, url))

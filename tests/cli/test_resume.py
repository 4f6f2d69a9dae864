"""Whoever starts again makes progress: which ids `--resume` takes first."""

import json
import random
from collections.abc import Sequence
from io import BytesIO

import pytest

from firecrawl_interact.adapters.cli.lines import json_line
from firecrawl_interact.adapters.cli.record import in_order, read_record, write_line
from firecrawl_interact.core import RetryPolicy

from ..simulation.kinds import BACKEND_404, NOT_A_UUID, STOPPING, Kind
from ..simulation.play import play
from ..simulation.watch import Scenario
from ..simulation.ways import Blocking
from ..simulation.world import Weather


@pytest.mark.parametrize(
    ("ids", "record", "expected"),
    [
        ("abcde", {}, "eadbc"),
        ("abcd", {}, "dacb"),
        ("a", {}, "a"),
        ("", {}, ""),
        ("abcdefg", {"b": "ServiceUnavailableError", "f": "deleted"}, "gaecdb"),
        ("abcdef", {"e": "UnreachableError", "b": "RateLimitError"}, "fadceb"),
        ("abc", {"a": "not-tried", "c": "NotDeletedError"}, "bac"),
        ("ab", {"a": "deleted", "b": "deleted"}, ""),
    ],
)
def test_ids_that_were_never_tried_come_first_from_both_ends_in_turn(
    ids: str, record: dict[str, str], expected: str
) -> None:
    assert (
        "".join(in_order({name: name for name in ids}, record, missing_is_done=False)) == expected
    )


@pytest.mark.parametrize("kind", [BACKEND_404, NOT_A_UUID, STOPPING])
@pytest.mark.parametrize("bad", [8, 60, 300])
def test_whatever_ids_fail_for_ever_three_runs_leave_no_good_one(bad: int, kind: Kind) -> None:
    names = [f"bad-{number}" for number in range(bad)] + [f"good-{number}" for number in range(20)]
    meets = {name: [kind.after(0.1)] * 500 for name in names[:bad]}
    assert _gone_after_three_runs(names, meets, []) == set(names[bad:])


@pytest.mark.parametrize("place", [0, 20, 40])
def test_a_good_id_that_failed_once_is_not_kept_waiting_by_ids_that_fail_for_ever(
    place: int,
) -> None:
    names = [f"bad-{number}" for number in range(40)]
    meets = {name: [NOT_A_UUID.after(0.1)] * 500 for name in names}
    names.insert(place, "good")
    have_failed = [(name, "ServiceUnavailableError") for name in meets]
    have_failed.insert(25, ("good", "RateLimitError"))
    assert _gone_after_three_runs(names, meets, have_failed) == {"good"}


def _gone_after_three_runs(
    names: Sequence[str], meets: dict[str, list[Kind]], lines: Sequence[tuple[str, str]]
) -> set[str]:
    record = BytesIO()
    for name, error in lines:
        write_line(record, json.dumps({"session_id": name, "outcome": error}))
    for _ in range(3):
        recorded = read_record(record)
        left = in_order({name: name for name in names}, recorded, missing_is_done=False)
        weather, retry = Weather(seconds=[0.2]), RetryPolicy(deadline=12)
        scenario = Scenario(ids=left, meets=meets, weather=weather, retry=retry)
        choose = random.Random(1).choice  # noqa: S311 - no secret
        for outcome in play(scenario, Blocking, choose).outcomes:
            if outcome.attempts:
                write_line(record, json_line(outcome, "2026-11-28T00:00:00Z"))
    return {name for name, outcome in read_record(record).items() if outcome == "deleted"}

"""Whoever starts again makes progress: which ids `--resume` takes first."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from firecrawl_interact import RetryPolicy
from firecrawl_interact.adapters.cli.lines import json_line
from firecrawl_interact.adapters.cli.record import in_order, read_record

from ..simulation.kinds import BACKEND_404, NOT_A_UUID, STOPPING, Kind
from ..simulation.play import play
from ..simulation.watch import Scenario
from ..simulation.ways import Blocking
from ..simulation.world import Weather
from .commands import Process, Run, WatchedService


@pytest.mark.parametrize(
    ("ids", "record", "expected"),
    [
        ("abcde", {}, "eadbc"),
        ("abcdefg", {"b": "ServiceUnavailableError", "f": "deleted"}, "gaecdb"),
        ("abcdef", {"e": "UnreachableError", "b": "RateLimitError"}, "fadceb"),
        ("abc", {"a": "not-tried", "c": "NotDeletedError"}, "bac"),
    ],
)
def test_ids_that_were_never_tried_come_first_from_both_ends_in_turn(
    ids: str, record: dict[str, str], expected: str
) -> None:
    ordered = in_order({name: name for name in ids}, record, missing_is_done=False)
    assert "".join(ordered) == expected


@pytest.mark.parametrize("kind", [BACKEND_404, NOT_A_UUID, STOPPING])
@pytest.mark.parametrize("bad", [8, 60, 300])
def test_whatever_ids_fail_for_ever_three_runs_leave_no_good_one(
    bad: int, kind: Kind, tmp_path: Path
) -> None:
    names = [f"bad-{number}" for number in range(bad)] + [f"good-{number}" for number in range(20)]
    meets = {name: [kind.after(0.1)] * 500 for name in names[:bad]}
    assert _gone_after_three_runs(names, meets, [], tmp_path / "record") == set(names[bad:])


@pytest.mark.parametrize("place", [0, 20, 40])
def test_a_good_id_that_failed_once_is_not_kept_waiting_by_ids_that_fail_for_ever(
    place: int, tmp_path: Path
) -> None:
    names = [f"bad-{number}" for number in range(40)]
    meets = {name: [BACKEND_404.after(0.1)] * 500 for name in names}
    names.insert(place, "good")
    have_failed = [(name, "ServiceUnavailableError") for name in meets]
    have_failed.insert(25, ("good", "RateLimitError"))
    assert _gone_after_three_runs(names, meets, have_failed, tmp_path / "record") == {"good"}


def _gone_after_three_runs(
    names: Sequence[str],
    meets: dict[str, list[Kind]],
    have_failed: Sequence[tuple[str, str]],
    record: Path,
) -> set[str]:
    with record.open("w") as lines:
        for name, error in have_failed:
            print(json.dumps({"session_id": name, "outcome": error}), file=lines)
        for _ in range(3):
            lines.flush()
            recorded = read_record(str(record))
            left = in_order({name: name for name in names}, recorded, missing_is_done=False)
            weather, retry = Weather(seconds=[0.2]), RetryPolicy(deadline=12)
            scenario = Scenario(ids=left, meets=meets, weather=weather, retry=retry)
            choose = random.Random(1).choice  # noqa: S311 - no secret
            for outcome in play(scenario, Blocking, choose).outcomes:
                if outcome.attempts:
                    print(json_line(outcome), file=lines)
    return {name for name, outcome in read_record(str(record)).items() if outcome == "deleted"}


@pytest.mark.enable_socket
def test_one_command_at_a_time_uses_a_record(
    service: WatchedService, run: Run, tmp_path: Path
) -> None:
    record = tmp_path / "record"
    service.responds.clear()
    with Process("delete", "--resume", str(record), "a") as first:
        service.await_requests(1)
        refused = run("delete", "--resume", str(record), "b")
        service.responds.set()
        assert first.finish().status == 1
    message = f"Error: another command is using --resume {record}. Nothing was sent.\n"
    assert refused == (2, "", message)
    assert service.asked_for == ["a"]

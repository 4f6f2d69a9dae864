"""Whoever starts again makes progress: which ids `--resume` takes first."""

from pathlib import Path

import pytest

from firecrawl_interact.adapters.cli.record import in_order

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

"""The numbers of the page are what its rules give."""

import re
from math import ceil
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "docs/executors.md").read_text(encoding="utf-8")
SECONDS = (1, 5, 70)
CPU_SECONDS = 0.0005
LARGEST_PLAN = 25_000


def test_the_table_is_littles_law() -> None:
    rows = re.findall(r"^\| ([0-9].+) \|$", TEXT, re.MULTILINE)
    expected = []
    for times in (1, 10, 50, 500, 1_000, 2_500):
        rate = 10 * times
        in_flight = [ceil(rate / 60 * seconds) for seconds in SECONDS]
        share = rate / 60 * CPU_SECONDS
        shown = f"{share:.2%}" if share < 0.001 else f"{share:.1%}"
        numbers = " | ".join(f"{number:,}" for number in (rate, *in_flight))
        expected.append(f"{numbers} | {shown.replace('%', ' %')}")
    assert rows == expected


def test_the_text_draws_the_conclusion_from_the_same_numbers() -> None:
    a_minute = 60 / CPU_SECONDS
    assert f"{1 / CPU_SECONDS:,.0f} deletes a second, which is {a_minute:,.0f} a minute" in TEXT
    assert 4.5 < a_minute / LARGEST_PLAN < 5  # "almost five times"

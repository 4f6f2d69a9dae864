"""Plays events to what people use instead, and writes the tables of the page.

One event, every two, and what runs, blocks and processes meet.

make rivals
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

from ..proof.events import Event, EventfulService, all_events
from . import runs, wire
from .wire import WORLD, Ends, HangsError

PAGE = Path(__file__).parents[2] / "docs" / "why-believe-it.md"


class Played(NamedTuple):
    """One call: how it ended for a cautious reader and for the usual one, and what is so."""

    cautious: str
    usual: str
    is_ended: bool
    raises_after_success: bool
    requests: int
    seconds: float

    def is_wrong(self, word: str, said: str) -> bool:
        """Whether it was said, and is not so."""
        return said == word and self.is_ended == (word == "not gone")


class Rows(NamedTuple):
    """How the calls of one client ended: after each event, with its name, and after every two."""

    after_one: list[tuple[str, Played]]
    after_two: list[Played]


def play_all(delete: Callable[[], Ends]) -> Rows:
    """Play each event, and every two.

    A call that meets one event and makes no second request ends so whatever would come next.
    """
    success, *_ = all_events()
    assert play(delete, [success]).cautious == "gone", "this client and the wire do not fit"
    rows = Rows([], [])
    for first in all_events():
        alone = play(delete, [first])
        rows.after_one.append((first.name, alone))
        for second in all_events():
            rows.after_two.append(alone if alone.requests == 1 else play(delete, [first, second]))
    return rows


def play(delete: Callable[[], Ends], events: Sequence[Event]) -> Played:
    WORLD.service, WORLD.now = EventfulService(events), 0.0
    try:
        ends = delete()
    except HangsError:
        ends = Ends.HANGS
    service = WORLD.service
    raises = service.has_confirmed and ends in (Ends.ERROR, Ends.PERHAPS_GONE)
    return Played(*ends.value, not service.is_live, raises, service.requests, WORLD.now)


COUNTED: dict[str, Callable[[Played], bool]] = {
    "gone, but it is not: cautious": lambda one: one.is_wrong("gone", one.cautious),
    "gone, but it is not: usual": lambda one: one.is_wrong("gone", one.usual),
    "do not know: cautious": lambda one: one.cautious == "unknown",
    "not gone, but it is: usual": lambda one: one.is_wrong("not gone", one.usual),
    "hang": lambda one: one.usual == "hangs",
    "raise after success": lambda one: one.raises_after_success,
    "end the session": lambda one: one.is_ended,
}


def table_of_sums(columns: Sequence[Sequence[Played]]) -> str:
    """Count how the calls ended, with a column for each caller."""
    rows = {
        what: [percent(sum(map(is_so, column)) / len(column)) for column in columns]
        for what, is_so in COUNTED.items()
    }
    # A call that hangs has no end, so it takes no number of seconds.
    ended = [[one for one in column if one.usual != "hangs"] for column in columns]
    rows["requests a call"] = [f"{mean(one.requests for one in column):.1f}" for column in ended]
    rows["seconds a call"] = [f"{mean(one.seconds for one in column):.1f}" for column in ended]
    return table(f"% of {len(columns[0]):,} calls", "---:", rows)


def percent(share: float) -> str:
    return "<1" if 0 < share < 0.005 else f"{share:.0%}".removesuffix("%")


def table_by_event(all_played: list[Rows]) -> str:
    """Show for each event what each caller makes of it. Events with the same row share it."""
    names_of: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name in dict.fromkeys(event.name for event in all_events()):
        named = [[one for after, one in of_one.after_one if after == name] for of_one in all_played]
        names_of[tuple(map(cell, named))].append(name)
    return table("after", ":---:", {"; ".join(names): cells for cells, names in names_of.items()})


def table(head: str, alignment: str, rows: Mapping[str, Sequence[str]]) -> str:
    """Write a table with numbered columns."""
    columns = len(next(iter(rows.values())))
    lines = [[head, *map(str, range(1, columns + 1))], ["---", *[alignment] * columns]]
    lines += [[what, *cells] for what, cells in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def cell(played: Sequence[Played]) -> str:
    """Return the worst that a cautious reader meets after an event."""
    if any(one.is_wrong("gone", one.cautious) for one in played):
        return "**✗**"
    if any(one.cautious == "hangs" for one in played):
        return "∞"
    if any(one.raises_after_success for one in played):
        return "!"
    return "?" if any(one.cautious == "unknown" for one in played) else "✓"


def main() -> None:
    of_runs = runs.table(runs.play_all())
    of_curl: dict[str, Rows] = {}
    try:
        name = f"curl {wire.curl_version()}: `curl --fail --request DELETE`"
        of_curl[name] = play_all(wire.delete_with_curl)
    except FileNotFoundError:
        print("curl is not installed here: the tables are without it")
    wire.replace_network_and_clock()
    from .callers import callers  # only now: some keep the clock that they find

    logging.disable()
    played = {name: play_all(delete) for name, delete in callers().items()} | of_curl
    rows = list(played.values())
    page = PAGE.read_text(encoding="utf-8")
    for name, text in {
        "who": "\n".join(f"{number}. {name}" for number, name in enumerate(played, start=1)),
        "one event": table_of_sums([[one for _, one in of_one.after_one] for of_one in rows]),
        "by event": table_by_event(rows),
        "two events": table_of_sums([of_one.after_two for of_one in rows]),
        "runs": of_runs,
    }.items():
        begin, end = f"<!-- rivals: {name} -->\n", f"\n<!-- rivals: end of {name} -->"
        before, _, rest = page.partition(begin)
        _, also_found, after = rest.partition(end)
        assert also_found, f"the page has no place for {name}"
        page = f"{before}{begin}\n{text}\n{end}{after}"
    PAGE.write_text(page, encoding="utf-8")
    print(f"written into {PAGE.name}")


if __name__ == "__main__":
    main()

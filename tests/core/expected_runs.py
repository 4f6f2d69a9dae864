"""Runs that are written down as text: what a run is given, and what must come of it in each way.

The first clause is the ids; `b@5` takes 5 s to come. `b: lost, served after 5` is what the requests
for `b` meet, of `simulation.kinds`, and `away 8: lost` what all others meet for the first 8 s; they
are served after a second else. Other clauses are fields of `Scenario` and of `RetryPolicy`.

Behind `=>` stands each outcome as `Watch` writes it, or `no outcome`; with neither, nobody looks.
`sent` is the id of each request, `sleeps` the seconds of each wait, `pauses` what holds the run
back after each outcome, `raises` all that is raised, and `over at` when the run's block has ended.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, TypeAlias

import pytest

from firecrawl_interact.core import RetryPolicy

from ..simulation import kinds
from ..simulation.play import play
from ..simulation.watch import Scenario, Step
from ..simulation.ways import Awaited, Blocking, Way
from ..simulation.world import Outage, Weather

Case: TypeAlias = tuple[str, str, type[Way]]

WAYS: dict[str, type[Way]] = {"blocking": Blocking, "awaited": Awaited}
both_ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)

_INTERRUPTIONS = {"KeyboardInterrupt", "CancelledError"}
_LISTS = {field.name for field in fields(Scenario) if "Sequence" in str(field.type)}


def each_run(text: str) -> pytest.MarkDecorator:
    """Let a test play each run of a text, in each of its ways."""
    cases = dict(_read(text))
    return pytest.mark.parametrize(("given", "expected", "way"), cases.values(), ids=cases)


def come_of(given: str, expected: str, way: type[Way]) -> str:
    """Play a run, and write what comes of it, as far as it is looked at.

    What is claimed of all runs must hold, too.
    """
    watch = play(_scenario(given), way)
    assert watch.world.flaws == []
    raised = [type(error).__name__ for error in watch.raised]
    clauses = {
        "sent": " ".join(watch.world.sent),
        "sleeps": " ".join(f"{seconds:g}" for seconds in watch.sleeps),
        "pauses": " ".join(pause.reason if pause else "none" for pause in watch.pauses),
        "raises": " ".join("interruption" if one in _INTERRUPTIONS else one for one in raised),
        "over at": f"{watch.over_at:g}",
    }
    wanted = [clause.partition(": ")[0] for clause in expected.split("; ")] + ["raises"] * len(
        raised
    )
    ended = [text for _, text in sorted(watch.ended)]  # Some come in the same moment.
    seen = [f"{name}: {what}" for name, what in clauses.items() if name in wanted]
    return "; ".join([*(ended or ["no outcome"]), *seen] if set(wanted) - set(clauses) else seen)


def _read(text: str) -> Iterator[tuple[str, Case]]:
    for entry in re.split(r"\n+(?! )", text.strip()):
        name, *lines = entry.split("\n")
        given, _, expected = " ".join(line.strip() for line in lines).partition(" => ")
        given, _, only = given.partition("; only ")
        for word in [only] if only else WAYS:
            yield f"{name}, {word}", (given, expected, WAYS[word])


def _scenario(given: str) -> Scenario:
    ids, *clauses = given.split("; ")
    weather, policy = Weather(effects=["at once"]), RetryPolicy.__struct_fields__
    meets, changes = dict[str, list[kinds.Kind]](), dict[str, Any]()  # Any: of policies
    others: dict[str, Any] = {}  # Any: of scenarios
    for clause in clauses:
        head, _, kinds_met = clause.partition(": ")
        words = re.sub(r"( [\d.]+)*$", "", head)
        numbers = [ast.literal_eval(number) for number in head.removeprefix(words).split()]
        name, value = words.replace(" ", "_"), numbers[0] if numbers else True
        if head.startswith("away "):
            ends = float(head.removeprefix("away "))
            weather.outages = [Outage(0, ends, _kind(kinds_met))]
        elif kinds_met:
            meets[head] = [_kind(kind) for kind in kinds_met.split(", ")]
        elif name in policy:
            changes[name] = value
        else:
            others[name] = numbers if name in _LISTS else value
    steps = [
        Step(float(seconds or 0), name)
        for name, _, seconds in (word.partition("@") for word in ids.split())
    ]
    return Scenario(ids=steps, meets=meets, weather=weather, retry=RetryPolicy(**changes), **others)


def _kind(text: str) -> kinds.Kind:
    words, _, seconds = text.partition(" after ")
    name, _, wait = words.partition(" for ")
    kind: kinds.Kind = getattr(kinds, name.upper().replace(" ", "_"))
    kind = kinds.limited(int(wait)) if wait else kind
    return kind.after(float(seconds)) if seconds else kind

"""A scenario, and what a run of it must come to, blocking and awaited."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import pytest

from ..simulation.play import play
from ..simulation.watch import Ended, Scenario, Watch
from ..simulation.ways import Awaited, Blocking, Way

both_ways = pytest.mark.parametrize("way", [Blocking, Awaited], ids=["blocking", "awaited"])

Row: TypeAlias = tuple[float, str] | tuple[float, str, int] | tuple[float, str, int, str]
"""When an outcome is given, its id, how many attempts it counts, and what it says: see `Ended`."""


class Expected(NamedTuple):
    """What comes of a scenario."""

    scenario: Scenario
    outcomes: Sequence[Row] | None
    """None: they are not looked at, as no spacing after a rate limit is promised to the second."""
    requests: str = ""
    """The id of each request. Empty: it is not looked at."""
    raises: str = ""
    """The class of what ends the run early."""
    over_at: float | None = None
    """When the block of the run has ended. None: it is not looked at."""
    ways: Sequence[type[Way]] = (Blocking, Awaited)

    def check(self, way: type[Way]) -> Watch:
        """Play the scenario, and compare what comes of it. The run's claims must hold, too."""
        watch = play(self.scenario, way)
        if self.outcomes is not None:
            assert sorted(watch.ended) == sorted(
                Ended(*row) for row in self.outcomes
            )  # Some come in the same moment.
        assert " ".join(map(_name, watch.raised)) == self.raises
        assert not self.requests or " ".join(watch.world.sent) == self.requests
        assert self.over_at is None or watch.over_at == self.over_at
        assert watch.world.flaws == []
        return watch


def each_way(runs: Mapping[str, Expected]) -> pytest.MarkDecorator:
    """Let a test play each scenario in each of its ways."""
    cases = {
        f"{name}, {way.__name__.lower()}": (expected, way)
        for name, expected in runs.items()
        for way in expected.ways
    }
    return pytest.mark.parametrize(("expected", "way"), cases.values(), ids=cases)


def _name(error: BaseException) -> str:
    name = type(error).__name__
    return {"KeyboardInterrupt": "interruption", "CancelledError": "interruption"}.get(name, name)

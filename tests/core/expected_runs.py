"""A scenario, and what a run of it must come to, blocking and awaited."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pytest

from ..simulation.play import play
from ..simulation.watch import Scenario, Watch
from ..simulation.ways import Awaited, Blocking, Way

both_ways = pytest.mark.parametrize("way", [Blocking, Awaited], ids=["blocking", "awaited"])


class Expected(NamedTuple):
    """What comes of a scenario."""

    scenario: Scenario
    outcomes: Sequence[tuple[float, str, str, int]] | None
    """When each is given, its id, what it says, and how many attempts it counts. None: it is not
    looked at, as the spacing after a rate limit is not promised to the second."""
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
            assert sorted(watch.ended) == sorted(self.outcomes)  # Some come in the same moment.
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

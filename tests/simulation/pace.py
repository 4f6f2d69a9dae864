"""A scoreboard for whoever edits a rule of `core/runs/pace.py`: what each of these lists costs.

`make pace` plays them on a virtual clock, and prints what is left, the seconds and the requests,
beside the figures that are committed in `pace.txt`. An asterisk marks what a change has moved.
`make pace WRITE=1` writes the new figures.
"""

import logging
import sys
from pathlib import Path

from . import kinds as k
from .limiters import FixedWindow
from .stories import GOOD, LISTS, Listing, deleted, fails, listing, run
from .ways import Awaited
from .world import Outage, Weather

COMMITTED = Path(__file__).with_suffix(".txt")
RAGGED = ((1.0, 1.6), (1.9, 2.2), (2.5, 60.0), (60.4, 61.0), (61.3, 61.8))
"""When Firecrawl is unavailable while its servers restart, one after the other."""


def limited(requests: int, concurrency: int, sessions: int) -> tuple[Listing, Weather]:
    """Return a list under Firecrawl's limit, so many requests in a fixed window of a minute."""
    weather = Weather(seconds=[0.2], limiter=lambda: FixedWindow(requests))
    return listing([()] * sessions, concurrency), weather


def away(kind: k.Kind, *times: tuple[float, float], sessions: int = 400) -> tuple[Listing, Weather]:
    """Return a list that meets outages from and until these seconds."""
    weather = Weather(seconds=[0.2], outages=[Outage(*each, kind) for each in times])
    return listing([()] * sessions, 8), weather


PLAYED = {
    "10 a minute, 8 at a time": limited(10, 8, 60),
    "10 a minute, 64 at a time": limited(10, 64, 60),
    "100 a minute, 8 at a time": limited(100, 8, 350),
    "100 a minute, 64 at a time": limited(100, 64, 350),
    "500 a minute, 8 at a time": limited(500, 8, 1_100),
    "500 a minute, 64 at a time": limited(500, 64, 1_100),
    "refused for 60 s": away(k.NO_CONNECTION, (1, 61)),
    "lost for 230 s": away(k.LOST, (1, 231)),
    "silent for 150 s": away(k.SILENCE, (1, 151)),
    "a gateway's page for 230 s": away(k.BROKEN_GATEWAY, (1, 231)),
    "Firecrawl's own 500 for 200 s": away(k.UNKNOWN_ERROR, (1, 201)),
    "Firecrawl's own 502, 25 ids": away(k.STOPPING, (0, 200), sessions=25),
    "Firecrawl's own 502, 20 ids": away(k.STOPPING, (0, 200), sessions=20),
    "refused, ragged": away(k.NO_CONNECTION, *RAGGED),
    "Firecrawl's own 502, ragged": away(k.STOPPING, *RAGGED, sessions=60),
    "refused for ever": away(k.NO_CONNECTION, (1, 10_000)),
    "5 of 400 fail for ever": (listing([*[fails(k.LOST)] * 5, *[GOOD] * 395], 8), Weather()),
    **{name: (given, Weather()) for name, given in LISTS.items()},
}


def figures(given: Listing, weather: Weather) -> str:
    watch = run(given, Awaited, weather=weather)
    left = len(given.stories) - len(deleted(watch))
    return f"{left:>6,} {watch.over_at:>9,.1f} {len(watch.world.sent):>9,}"


def main(*, writes: bool) -> None:
    logging.disable()
    committed = dict(line.split(" | ") for line in COMMITTED.read_text().splitlines())
    head = f"{'left':>6} {'seconds':>9} {'requests':>9}"
    print(f"{'':36} {head}   committed: {head.strip()}")
    now = {}
    for name, played in PLAYED.items():
        now[name] = figures(*played)
        before = committed.get(name, "")
        print(f"{name:36} {now[name]} {'*' if now[name] != before else ' '} {before}", flush=True)
    if writes:
        COMMITTED.write_text("".join(f"{name} | {each}\n" for name, each in now.items()))


if __name__ == "__main__":
    main(writes="write" in sys.argv[1:])

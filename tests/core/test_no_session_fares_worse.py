"""What a run is: no session fares worse in it than alone.

Each session has a story: what its requests meet, one after the other, whenever they are sent. It is
played to a call of its own first, and then to a run, among the stories of other sessions.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Sequence
from functools import partial

import pytest

from firecrawl_interact import core

from ..simulation import kinds as k
from ..simulation.pace import RAGGED, away
from ..simulation.stories import FOR_EVER, GOOD, LISTS, Listing, Story, deleted, fails, listing, run
from ..simulation.ways import Awaited, Blocking, Way
from ..simulation.world import Outage, Weather
from .side_by_side import FunctionTransport

TO_SPARE = core.RetryPolicy(
    max_attempts=core.RetryPolicy().max_attempts - 1, deadline=core.RetryPolicy().deadline - 30
)
"""With an attempt and 30 s to spare. Whoever is deleted within it is deleted by a run."""
LONGEST_WAIT = 200.0
"""Seconds without a receipt: a run ends if nothing is served for 240."""


FAILURES = (
    k.UNKNOWN_ERROR,
    k.NO_BACKEND,
    k.STOPPING,
    k.CONFLICT,
    k.BACKEND_404,
    k.NOT_DELETED,
    k.BROKEN_GATEWAY,
    k.Kind(503, b"<html>Service Unavailable</html>"),
    k.NO_CONNECTION,
    k.LOST,
)


# A call alone


class Teller(FunctionTransport):
    """It tells one story, in no time."""

    def __init__(self, story: Story) -> None:
        super().__init__()
        self._story = iter(story)

    def send(self, request: core.Request, timeout: float) -> core.Response:
        kind = next(self._story)
        self.now += min(kind.seconds or 0.0, timeout)
        if (kind.seconds or 0.0) >= timeout:
            raise core.TimedOutError("silence")
        if kind.error is not None:
            raise kind.error()
        body = kind.body or b'{"success": true}'
        return core.Response(kind.status or 200, dict(kind.headers), body)


def is_deleted_alone(story: Story) -> bool:
    for chance in (0.0, 1.0):
        random = partial(float, chance)
        delete_session = core.DeleteSession(Teller(story), "fc-test", retry=TO_SPARE, random=random)
        try:
            delete_session("id")
        except core.DeleteSessionError:
            return False
    return True


# Random lists


def deleted_alone(given: Listing) -> set[str]:
    return {name for name, story in given.stories.items() if is_deleted_alone(story)}


def is_excused(given: Listing) -> bool:
    """Whether receipts may come so far apart that the run has given up."""
    return bool(deleted_alone(given)) and longest_wait(given) > LONGEST_WAIT


def longest_wait(given: Listing) -> float:
    """Return the most seconds without a receipt, if new ids and retries take turns.

    Each session backs off as alone. After twenty failures requests are 0.2 s apart, as in an
    outage, so that 1,200 fit into the deadline.
    """
    policy, numbers, is_turn_of_new = core.RetryPolicy(), itertools.count(), True
    new = deque(given.stories.values())
    waiting: list[tuple[float, int, Story, int]] = []  # until when; and how often it has failed
    in_flight: list[tuple[float, int, Story, int]] = []
    now = opens_at = served_at = longest = 0.0
    failures = 0
    while new or waiting or in_flight:
        is_due = bool(waiting) and waiting[0][0] <= now
        if in_flight and in_flight[0][0] <= now:
            _, _, story, failed = heapq.heappop(in_flight)
            if failed == len(story) - 1:
                longest, served_at, failures = max(longest, now - served_at), now, 0
            elif failed + 1 < policy.max_attempts:
                due_at = now + policy.pause(failed + 1, lambda: 1.0)
                if story[failed].status == 429:  # It holds up everybody.
                    due_at = opens_at = now + int(dict(story[failed].headers)["retry-after"])
                heapq.heappush(waiting, (due_at, next(numbers), story, failed + 1))
        elif len(in_flight) < given.concurrency and opens_at <= now and (new or is_due):
            takes_new = bool(new) and (is_turn_of_new or not is_due)
            is_turn_of_new = not takes_new
            story, failed = (new.popleft(), 0) if takes_new else heapq.heappop(waiting)[2:]
            ends_at = now + (story[failed].seconds or 0.0)
            heapq.heappush(in_flight, (ends_at, next(numbers), story, failed))
            failures += 1
            opens_at = now + 0.2 * (failures > 20)
        else:
            moments = [opens_at, *(one[0][0] for one in (waiting, in_flight) if one)]
            now = min(moment for moment in moments if moment > now)
    return longest


def draw_listing(seed: int) -> Listing:
    """Draw a list whose sessions have much in common, as those of one day have."""
    draw = random.Random(seed)  # noqa: S311 - a schedule, no secret
    often = draw.choices((0, 1, 2, 3, 4, 5, 6, FOR_EVER), k=draw.choice((1, 2, 4)))
    kinds = draw.choices(FAILURES, k=draw.choice((1, 2, 4)))
    seconds = [round(0.02 * 1500 ** draw.random() ** 2, 2) for _ in range(draw.choice((1, 3)))]
    stories = [
        [draw.choice(kinds).after(draw.choice(seconds))] * draw.choice(often)
        + [k.SERVED.after(draw.choice(seconds))]
        for _ in range(draw.randint(1, 250))
    ]
    if draw.random() < 0.3:
        number, wait = draw.randrange(len(stories)), draw.choice((1, 2, 10, 34))
        limited = k.limited(wait).after(0.02)
        stories[number] = [limited] * draw.choice((1, 4, FOR_EVER)) + stories[number][-1:]
    order = draw.choice(("any", "any", "worst first", "worst last"))
    if order != "any":
        stories.sort(key=len, reverse=order == "worst first")
    return listing(stories, draw.choice((1, 2, 4, 8, 16, 32)))


MANY = pytest.param(range(40, 400), marks=pytest.mark.exhaustive)


@pytest.mark.parametrize("seeds", [range(40), MANY], ids=["40 lists", "360 lists"])
def test_no_session_fares_worse_in_a_run_than_alone(seeds: Sequence[int]) -> None:
    """Every other list is played blocking. To see one again: `draw_listing(seed)`."""
    drawn = {seed: draw_listing(seed) for seed in seeds}
    claimed = {seed: given for seed, given in drawn.items() if not is_excused(given)}
    assert len(drawn) - len(claimed) <= len(drawn) / 10
    worse = {}
    for seed, given in claimed.items():
        watch = run(given, (Blocking, Awaited)[seed % 2], seed)
        if lost := deleted_alone(given) - deleted(watch):
            worse[seed] = len(lost)
    assert worse == {}


# Lists that once starved a run, each with what a rule did to it


@pytest.mark.parametrize("given", LISTS.values(), ids=LISTS)
def test_a_list_that_once_starved_a_run_is_deleted(given: Listing, way: type[Way]) -> None:
    watch = run(given, way)
    assert deleted_alone(given) - deleted(watch) == set()
    # It may have given up on the ids that are left, and each of them has been tried.
    assert {type(error) for error in watch.raised} <= {core.RunEndedError}
    assert len(watch.outcomes) == len(given.stories)


@pytest.mark.parametrize("kind", [k.UNKNOWN_ERROR, k.BROKEN_GATEWAY, k.LOST, k.BACKEND_404])
@pytest.mark.parametrize("place", ["head", "tail", "between"])
def test_ids_that_fail_for_ever_lose_no_good_one(place: str, kind: k.Kind) -> None:
    for bad in (1, 5, 21, 200):
        stories = [fails(kind)] * bad + [GOOD] * (400 - bad)
        stories.sort(key=len, reverse=place == "head")
        if place == "between":
            random.Random(bad).shuffle(stories)  # noqa: S311 - a list, no secret
        watch = run(listing(stories, 8), Awaited)
        assert (len(deleted(watch)), len(watch.outcomes)) == (400 - bad, 400), bad
        # At the tail, nothing is left that shows that Firecrawl is available.
        assert watch.over_at <= 60 or bad > 5 or place == "tail"


# What is in flight when an outage begins is reset, so a silent one begins before the run. Pages
# from the start would look like a wrong address.
TIMES = [
    (kind, begins) for kind in (k.NO_CONNECTION, k.LOST, k.BROKEN_GATEWAY) for begins in (0, 1)
]
AWAY = [(*times, count) for times in [*TIMES, (k.SILENCE, 0)] for count in (2, 20, 100)]
AWAY += [(kind, 1, 100) for kind in (*k.PAGES, k.BACKEND_404, k.STOPPING)]


@pytest.mark.parametrize(("kind", "begins", "count"), AWAY)
def test_a_short_outage_costs_no_session_and_little_time(
    kind: k.Kind, begins: float, count: int, way: type[Way]
) -> None:
    for seconds in (5, 230):
        weather = Weather(seconds=[0.2], outages=[Outage(begins, begins + seconds, kind)])
        watch = run(listing([()] * count, 8), way, weather=weather)
        assert (len(deleted(watch)), watch.raised, watch.world.flaws) == (count, [], []), seconds
        least = begins + seconds + count * 0.2 / 8
        assert watch.over_at <= least + (90 if kind is k.SILENCE else 30), seconds


@pytest.mark.parametrize("kind", [k.NO_CONNECTION, k.LOST, k.BROKEN_GATEWAY])
def test_a_rolling_restart_costs_no_session(kind: k.Kind) -> None:
    given, weather = away(kind, *RAGGED)
    watch = run(given, Awaited, weather=weather)
    assert (len(deleted(watch)), watch.raised) == (400, [])


# Ids that are no UUIDs, to which Firecrawl says `UNKNOWN_ERROR` for ever


def test_a_list_of_the_wrong_column_takes_one_request_for_each_id(way: type[Way]) -> None:
    watch = run(Listing({f"{number}": fails(k.UNKNOWN_ERROR) for number in range(30)}, 8), way)
    assert {type(outcome) for outcome in watch.outcomes} == {core.BadRequestError}
    assert (len(watch.world.sent), len(watch.outcomes), watch.raised) == (30, 30, [])
    assert watch.over_at <= 5


def test_ids_that_are_no_uuids_are_no_outage(way: type[Way]) -> None:
    bad = {f"{number}": fails(k.UNKNOWN_ERROR) for number in range(20)}
    good = listing([()] * 40, 8).stories
    mixed = [one for three in zip(bad, [*good][:20], [*good][20:], strict=True) for one in three]
    given = Listing({name: {**bad, **good}[name] for name in mixed}, 8)
    weather = Weather(seconds=[0.2], outages=[Outage(0, 100, k.UNKNOWN_ERROR)])
    watch = run(given, way, weather=weather)
    assert (deleted(watch), watch.raised) == (set(good), [])

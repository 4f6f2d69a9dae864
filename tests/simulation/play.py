"""Plays a scenario, blocking or awaited."""

from collections.abc import Callable

from firecrawl_interact import AsyncDeletions

from .watch import Scenario, Watch
from .ways import Blocking, Way
from .world import Choose, MemoryJournal, World, first_of

LONG = 2_000.0
"""Seconds after a run, in which whatever is still under way takes effect."""


def play(
    scenario: Scenario,
    new_way: Callable[[], Way],
    choose: Choose = first_of,
    set_up: Callable[[World], MemoryJournal | None] = lambda world: None,
) -> Watch:
    """Play a scenario from its first id until all that was under way has taken effect.

    `choose` takes one of the options wherever the scenario has several. `set_up` is called before
    the run begins, and may return a journal.
    """
    way = new_way()
    world = World(way.clock, choose, scenario.weather)
    world.concurrency, world.longest_pause = scenario.concurrency, scenario.retry.deadline
    for session_id in scenario.sendable_ids:
        world.open(session_id, scenario.meets.get(session_id, ()))
    journal = set_up(world)
    if journal is not None and isinstance(way, Blocking):  # The other calls it in a thread.
        journal.wait = lambda: way.clock.sleep(world.choose(scenario.journal_seconds))
    watch = Watch(world, scenario, journal)
    way.play(watch, _perform(watch, way))
    return watch


async def _perform(watch: Watch, way: Way) -> None:
    """Play the run that is watched."""
    scenario, world, deletions = watch.scenario, watch.world, _begin(watch, way)
    _plan(watch, way, deletions)
    raised = await way.perform(_consume(watch, way, deletions))
    watch.raised += [raised] if raised else []
    watch.check_leaving()
    ends_in_time = way.cancels and scenario.ends_when_cancelled_after <= 1
    if ends_in_time or (watch.leaves < 2 and scenario.shutdown_timeout is None):
        world.claim("the end", not world.in_flight, "requests are in flight after the run was left")
    await _take_rest(watch, deletions)
    await way.sleep(LONG)
    world.claim("the end", way.is_alone(), "a task is left")
    watch.check_end()


async def _take_rest(watch: Watch, deletions: AsyncDeletions) -> None:
    """Take the outcomes that are still there, and once more, since this may be interrupted too."""
    for _ in range(2):
        try:
            async for outcome in deletions:
                watch.receive(outcome)
        except (Exception, KeyboardInterrupt) as error:
            watch.raised.append(error)


def _begin(watch: Watch, way: Way) -> AsyncDeletions:
    given = watch.scenario
    delete_session = way.use_case(
        way.transport(watch, way),
        None,
        retry=given.retry,
        journal=watch.journal,
        on_outcome=watch.told.append,
        random=lambda: watch.world.choose(given.chances),
    )
    limits = {"concurrency": given.concurrency, "shutdown_timeout": given.shutdown_timeout}
    run: AsyncDeletions = way.as_awaited(delete_session.many(way.ids(watch), **limits))
    return run


def _plan(watch: Watch, way: Way, deletions: AsyncDeletions) -> None:
    """Let happen to the run what its caller does, each at its time."""
    scenario, world = watch.scenario, watch.world

    def stop() -> None:
        world.send_no_more()
        watch.interrupted = True
        deletions.stop()

    def interrupt() -> None:
        if way.is_performing:
            watch.leave()
            way.interrupt()

    moments = [(seconds, stop) for seconds in scenario.stop_at]
    moments += [(seconds, interrupt) for seconds in scenario.interrupt_at]
    for seconds, happen in moments:
        way.clock.call_later(seconds, happen)


async def _consume(watch: Watch, way: Way, deletions: AsyncDeletions) -> None:
    await way.sleep(watch.scenario.begins_at)
    async with deletions:
        async for outcome in deletions:
            wants_more = watch.receive(outcome)
            watch.pauses.append(deletions.pause)
            if not wants_more:
                watch.leave()
                break
            await way.sleep(watch.world.choose(watch.scenario.busy))

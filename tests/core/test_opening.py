"""A block that opens its session: none is lost between its opening and the block."""

import asyncio
import gc
import threading
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from operator import itemgetter
from typing import Any, NamedTuple

import anyio
import pytest
import trio

from firecrawl_interact.adapters import (
    AsyncInMemoryTransport,
    FakeService,
    InMemoryTransport,
    Reply,
)
from firecrawl_interact.core import (
    AsyncDeleteSession,
    DeleteSession,
    DeleteSessionError,
    InvalidSessionIdError,
    JournalError,
    RetryPolicy,
    SessionFate,
)

from . import virtual_time

KEY = "fc-test"


class Browser(NamedTuple):
    """What a client returns that has opened a session."""

    id: object
    cdp_url: str = "wss://canary"


async def opens_late(service: FakeService) -> Browser:
    await asyncio.sleep(5)
    browser = Browser(service.open_session("late"))
    await asyncio.sleep(5)
    return browser


class Diary:
    """A journal, and whatever else happens, in its order."""

    def __init__(self, service: FakeService) -> None:
        self.entries: list[str] = []
        self.fails = False
        self._service = service

    def opened(self, session_id: str) -> None:
        if self.fails:
            raise JournalError("the disk is full", session_id=session_id)
        self.entries.append(f"recorded, {len(self._service.requests)} sent")

    def gone(self, session_id: str) -> None:
        self.entries.append("forgotten")


class World:
    """A service, a journal, and a block that opens a session, left in one of two ways."""

    def __init__(self, way: str) -> None:
        self.service = FakeService([KEY])
        self.diary = Diary(self.service)
        self.raised: BaseException | None = None
        self._way = way

    def open(self) -> Browser:
        self.diary.entries.append("opened")
        return Browser(self.service.open_session())

    def leave(
        self,
        open_session: Callable[[], object] | None = None,
        **arguments: Any,  # Any: whatever `opening` takes
    ) -> BaseException | None:
        """Play the block, and return what it raises."""
        opens = open_session or self.open
        try:
            if self._way == "blocking":
                over = InMemoryTransport(self.service)
                delete_session = DeleteSession(over, KEY, journal=self.diary)
                with delete_session.opening(opens, **arguments) as opened:
                    self._work(opened)
            elif self._way == "under trio":
                trio.run(partial(self._main, opens, **arguments))
            else:
                asyncio.run(self._main(opens, **arguments))
        except BaseException as raised:
            return raised
        return None

    async def _main(
        self,
        opens: Callable[[], object],
        **arguments: Any,  # Any: see above
    ) -> None:
        async def open_awaited() -> object:
            await anyio.sleep(0)
            return opens()

        over = AsyncInMemoryTransport(self.service)
        awaited = AsyncDeleteSession(over, KEY, journal=self.diary)
        how = opens if self._way == "awaited, plain" else open_awaited
        async with awaited.opening(how, **arguments) as opened:
            self._work(opened)

    def _work(self, opened: object) -> None:
        assert self.service.sessions_left_open
        self.diary.entries.append(f"the block has a {type(opened).__name__}")


each_way = pytest.mark.parametrize("way", ["blocking", "awaited", "awaited, plain", "under trio"])


@each_way
def test_a_session_is_opened_recorded_used_and_destroyed(way: str) -> None:
    world = World(way)
    assert world.leave() is None
    assert world.diary.entries == [
        "opened",
        "recorded, 0 sent",
        "the block has a Browser",
        "forgotten",
    ]
    assert world.service.sessions_left_open == []


@each_way
def test_what_the_opener_raises_is_raised_and_nothing_is_sent(way: str) -> None:
    world, error = World(way), LookupError("no browser is free")

    def fail() -> object:
        raise error

    assert world.leave(fail) is error
    assert world.service.requests == []
    assert world.diary.entries == []


@each_way
@pytest.mark.parametrize(
    ("opened", "says"),
    [
        (None, "a NoneType without an id that can be sent (AttributeError); its attributes: none"),
        (object(), "a object without an id that can be sent (AttributeError); its attributes: no"),
        ({"id": "canary"}, "a dict without an id that can be sent (AttributeError); its attribut"),
        (Browser("canary/.."), "a Browser without an id that can be sent (InvalidSessionIdError)"),
        (Browser(None), "a Browser without an id that can be sent (InvalidSessionIdError); its a"),
    ],
    ids=["nothing", "an object", "a mapping", "an id that cannot be sent", "no id"],
)
def test_what_has_no_usable_id_is_an_error_with_names_and_no_value(
    opened: object, says: str, way: str
) -> None:
    world = World(way)
    error = world.leave(lambda: opened)
    assert isinstance(error, InvalidSessionIdError)
    assert str(error).startswith(f"Session '': open_session returned {says}")
    assert error.session_fate is SessionFate.UNTOUCHED
    assert "canary" not in str(error) + repr(error)
    assert (error.__cause__, error.__context__) == (None, None)
    assert world.service.requests == []


def test_the_names_of_the_attributes_are_there() -> None:
    class Answer:
        def __init__(self) -> None:
            self.browser_id, self.url, self._secret = "canary", "canary", "canary"

    error = World("blocking").leave(Answer)
    assert "its attributes: browser_id, url." in str(error)
    assert "id_of=" in str(error)
    opened = {"sessionId": "canary", "wss://canary": "a key that may be a value"}
    assert "its attributes: sessionId." in str(World("blocking").leave(lambda: opened))


def test_another_name_of_the_id_is_no_trouble() -> None:
    world = World("blocking")

    def opens() -> object:
        return {"sessionId": world.service.open_session()}

    assert world.leave(opens, id_of=itemgetter("sessionId")) is None
    assert world.service.sessions_left_open == []


@each_way
def test_a_session_that_cannot_be_recorded_is_destroyed_and_the_block_does_not_begin(
    way: str,
) -> None:
    world = World(way)
    world.diary.fails = True
    error = world.leave()
    assert isinstance(error, JournalError)
    (session_id,) = [request.path[-36:] for request in world.service.requests]
    assert error.__notes__ == [
        f"The block did not begin. Session '{session_id}' was left open.",
        f"Session '{session_id}' was destroyed afterwards.",
    ]
    assert world.service.sessions_left_open == []
    assert world.diary.entries == ["opened", "forgotten"]


@each_way
def test_if_that_delete_fails_too_a_note_says_so(way: str) -> None:
    world = World(way)
    world.diary.fails = True
    world.service.queue(*[Reply(503)] * 4)
    error = world.leave()
    assert isinstance(error, JournalError)
    assert error.__notes__[-1].startswith("The session may not have been destroyed. Session '")


@each_way
def test_an_interruption_just_after_the_opening_leaves_no_session_open(way: str) -> None:
    world, interruptions = World(way), [KeyboardInterrupt()]

    def interrupted(opened: object) -> str:
        if interruptions:
            raise interruptions.pop()
        return str(getattr(opened, "id", ""))

    assert isinstance(world.leave(id_of=interrupted), KeyboardInterrupt)
    assert world.service.requests
    assert world.service.sessions_left_open == []


@each_way
def test_a_session_that_is_missing_at_the_end_can_be_ok(way: str) -> None:
    ghost = Browser("00000000-0000-4000-8000-000000000000")
    for missing_ok in (False, True):
        world = World(way)
        world.service.open_session()
        raised = world.leave(lambda: ghost, missing_ok=missing_ok)
        assert isinstance(raised, DeleteSessionError) is not missing_ok


class WillOpen:
    def __await__(self) -> Iterator[None]:
        raise NotImplementedError


@pytest.mark.parametrize(
    "opens", [WillOpen, lambda: opens_late(FakeService([KEY]))], ids=["an awaitable", "a coroutine"]
)
def test_a_blocking_block_refuses_what_must_be_awaited_and_never_starts_it(
    opens: Callable[[], object],
) -> None:
    world = World("blocking")
    error = world.leave(opens)
    assert isinstance(error, TypeError)
    assert "which DeleteSession does not await: use AsyncDeleteSession.opening" in str(error)
    assert world.service.requests == []


def test_what_is_no_function_is_refused_at_once() -> None:
    delete_session = DeleteSession(InMemoryTransport(FakeService([KEY])), KEY)
    with pytest.raises(TypeError, match=r"^open_session must be a function, such as lambda: .*Br"):
        delete_session.opening(Browser("a"))  # type: ignore[arg-type] # the point
    with pytest.raises(TypeError, match=r"^retry must be a RetryPolicy, not int"):
        delete_session.opening(lambda: Browser("a"), retry=3)  # type: ignore[arg-type] # too
    with pytest.raises(TypeError, match=r'^id_of must be a function, such as attrgetter\("id"\), '):
        delete_session.opening(lambda: Browser("a"), id_of="id")  # type: ignore[arg-type] # too


def test_it_has_a_receipt_afterwards_and_shows_no_value() -> None:
    service = FakeService([KEY])
    delete_session = DeleteSession(InMemoryTransport(service), KEY)
    opening = delete_session.opening(lambda: Browser(service.open_session("a")))
    assert (repr(opening), opening.receipt) == ("Opening(None)", None)
    opening.__exit__(None, None, None)  # before it is entered: there is nothing to destroy
    awaited = AsyncDeleteSession(AsyncInMemoryTransport(service), KEY).opening(lambda: Browser("a"))
    asyncio.run(awaited.__aexit__(None, None, None))
    with opening:
        assert repr(opening) == "Opening(DeleteOnExit('a', receipt=None))"
    assert opening.receipt is not None
    assert opening.receipt.session_id == "a"


@pytest.mark.parametrize("way", ["blocking", "awaited"])
def test_a_block_that_is_entered_again_opens_another_session(way: str) -> None:
    service = FakeService([KEY])
    entered: list[object] = []

    def opens() -> Browser:
        return Browser(service.open_session(f"session-{len(entered)}"))

    async def main() -> None:
        over = AsyncInMemoryTransport(service)
        opening = AsyncDeleteSession(over, KEY).opening(opens)
        for _ in range(2):
            async with opening as browser:
                entered.append(browser.id)

    if way == "awaited":
        asyncio.run(main())
    else:
        opening = DeleteSession(InMemoryTransport(service), KEY).opening(opens)
        for _ in range(2):
            with opening as browser:
                entered.append(browser.id)
    assert entered == ["session-0", "session-1"]
    assert service.sessions_left_open == []


def test_a_coroutine_in_the_place_of_a_function_is_closed() -> None:
    delete_session = AsyncDeleteSession(AsyncInMemoryTransport(FakeService([KEY])), KEY)
    opens = opens_late(FakeService([KEY]))
    with pytest.raises(TypeError, match=r"^open_session must be a function, .* not a coroutine$"):
        delete_session.opening(opens)  # type: ignore[call-overload] # the point
    with pytest.raises(RuntimeError, match="cannot reuse already awaited coroutine"):
        opens.send(None)


# Cancelled while the session opens. At which await: test_interrupted_blocks


async def cancelled_at(
    times: list[float], opens: Callable[[FakeService], Awaitable[Browser]], service: FakeService
) -> tuple[float, BaseException | None]:
    """Cancel a block at these times; return when it ended, and how."""
    policy = RetryPolicy(attempt_timeout=7)
    delete_session = AsyncDeleteSession(AsyncInMemoryTransport(service), KEY, retry=policy)

    async def main() -> None:
        async with delete_session.opening(lambda: opens(service)):
            raise AssertionError("the block began")

    task = asyncio.ensure_future(main())
    for time in times:
        asyncio.get_running_loop().call_at(time, task.cancel)
    await asyncio.wait([task])
    return virtual_time.now(), None if task.cancelled() else task.exception()


async def fails_late(service: FakeService) -> Browser:
    await asyncio.sleep(5)
    raise RuntimeError("no browser is free")


async def gives_in_late(service: FakeService) -> Browser:
    try:
        await asyncio.sleep(100)
    except asyncio.CancelledError:
        await asyncio.sleep(5)
    return Browser(service.open_session("late"))


@pytest.mark.parametrize(
    ("opens", "times", "ends", "stays"),
    [
        (opens_late, [4], 10, []),
        (opens_late, [2], 9, ["late"]),  # Nobody knows its id: it ends by its time-to-live.
        (fails_late, [4], 5, []),
        (gives_in_late, [2, 4, 6], 14, []),  # It is cancelled at 9, and at no other time.
    ],
    ids=["in time", "later than an attempt may take", "with an error", "cancelled thrice"],
)
def test_a_cancelled_block_waits_for_its_opener_and_destroys_the_session_that_comes(
    opens: Callable[[FakeService], Awaitable[Browser]],
    times: list[float],
    ends: float,
    stays: list[str],
) -> None:
    service = FakeService([KEY])
    assert virtual_time.run(cancelled_at(times, opens, service)) == (ends, None)
    assert service.sessions_left_open == stays


def test_a_timeout_around_it_overruns_and_is_a_timeout() -> None:
    service = FakeService([KEY])

    async def main() -> float:
        delete_session = AsyncDeleteSession(AsyncInMemoryTransport(service), KEY)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1), delete_session.opening(lambda: opens_late(service)):
                pass
        return virtual_time.now()

    assert virtual_time.run(main()) == 10
    assert not service.is_open("late")


def test_a_coroutine_that_is_closed_while_the_journal_writes_awaits_nothing_and_warns() -> None:
    service, is_closed = FakeService([KEY]), threading.Event()

    class Slow(Diary):
        def opened(self, session_id: str) -> None:
            is_closed.wait()

    over = AsyncInMemoryTransport(service)
    delete_session = AsyncDeleteSession(over, KEY, journal=Slow(service))

    async def work() -> None:
        async with delete_session.opening(lambda: Browser(service.open_session("a"))):
            raise AssertionError("the block began")

    async def main() -> None:
        working = work()
        working.send(None)
        while not service.sessions_left_open:
            await asyncio.sleep(0)
        working.close()  # is a RuntimeError if the coroutine goes on
        is_closed.set()
        current = asyncio.current_task()
        await asyncio.gather(*(task for task in asyncio.all_tasks() if task is not current))
        gc.collect()

    with pytest.warns(RuntimeWarning, match=r"^on_exit\('a'\) was never left"):
        asyncio.run(main())
    assert service.requests == []

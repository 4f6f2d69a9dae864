"""The pictures that show a call and a run, as they went over a `FakeService`."""

import asyncio
import random
from typing import NamedTuple

from firecrawl_interact import (
    AsyncDeleteSession,
    AsyncInMemoryTransport,
    FakeService,
    Fault,
    LostResponse,
    Reply,
    SessionFate,
)
from firecrawl_interact.core import Request, Response

from .svg import Picture

LEFT, RIGHT = 20, 400


class Attempt(NamedTuple):
    """One request, and what came of it. Times are seconds of the fake's clock."""

    session_id: str
    sent_at: float
    ended_at: float
    status: int  #: of the response; 0: it was lost


class RecordingService(FakeService):
    """Records each attempt."""

    attempts: tuple[Attempt, ...] = ()

    def respond(self, request: Request, body: bytes = b"") -> tuple[Response, Fault | None]:
        """Handle a request, and record what comes of it."""
        response, fault = super().respond(request, body)
        session_id, now = request.path.rpartition("/")[2], self.monotonic()
        status = 0 if isinstance(fault, LostResponse) else response.status
        self.attempts += (Attempt(session_id, now, now + self.latency, status),)
        return response, fault


def deleter(service: FakeService) -> AsyncDeleteSession:
    """Return a use case over a fake, whose jitter is the same each time."""
    transport = AsyncInMemoryTransport(service)
    return AsyncDeleteSession(transport, "fc-test", random=random.Random(1).random)


def lifetime() -> Picture:
    """Draw a session that is deleted though a response is lost, and one that never is."""
    age, ttl = 45, 600
    service = RecordingService(["fc-test"])
    deleted, never_deleted = (service.open_session(ttl=ttl, prompt_used=True) for _ in range(2))
    delete_session = deleter(service)
    service.advance(age)
    service.queue(LostResponse())
    receipt = asyncio.run(delete_session(deleted))
    service.advance(ttl)
    cost = asyncio.run(delete_session(never_deleted)).credits_billed

    picture = Picture(
        "lifetime",
        "What a session costs if you delete it, and if you never do",
        f"A session is deleted after {age} s. The first response is lost; the retry gets a 200, so"
        f" the session is GONE and costs {receipt.credits_billed} credits. The same session, if"
        f" it is never deleted and stays in use, ends at its TTL of {ttl} s, and costs {cost}.",
        336,
    )
    scale = (RIGHT - LEFT) / ttl
    end = LEFT + scale * age
    for y, text, credits_billed, colour in (
        (28, f"Deleted after {age} s", receipt.credits_billed, "green"),
        (266, "Never deleted, in use", cost, "amber"),
    ):
        picture.text(LEFT, y, text, kind="bold")
        picture.text(RIGHT, y, f"{credits_billed} credits", kind="bold", at="end", colour=colour)
    picture.box((LEFT, 40), (RIGHT - LEFT, 14), tint=0)
    picture.box((LEFT, 40), (end - LEFT, 14), colour="green", tint=0.8)
    picture.line((LEFT, 74), (end, 54), (RIGHT, 74), colour="edge")
    end_of_call = f"200: {receipt.session_fate.name}, {receipt.credits_billed} credits"
    _draw_exchange(picture, service.attempts[0], service.attempts[1], end_of_call)
    picture.box((LEFT, 278), (RIGHT - LEFT, 14), colour="amber", tint=0.8)
    for seconds, at in (0, "start"), (ttl // 2, "middle"), (ttl, "end"):
        x = LEFT + scale * seconds
        picture.line((x, 292), (x, 298))
        picture.label(x, 314, f"{seconds} s" + ": TTL expires" * (seconds == ttl), at=at)
    return picture


def _draw_exchange(picture: Picture, lost: Attempt, retry: Attempt, end_of_call: str) -> None:
    assert (lost.status, retry.status) == (0, 200)
    picture.box((LEFT, 74), (RIGHT - LEFT, 164), tint=0.1)
    you, them, middle = 76, 344, 210
    for x, who in (you, "your process"), (them, "Firecrawl"):
        picture.text(x, 94, who, kind="small bold", at="middle")
        picture.line((x, 102), (x, 228), dashes="2 3")
    for y, attempt in (122, lost), (196, retry):
        picture.line((you, y), (them, y), colour="ink", has_arrow=True)
        picture.label(middle, y - 5, f"DELETE at {attempt.sent_at:.1f} s", colour="ink")
    picture.line((them, 148), (middle + 62, 148), colour="red", dashes="4 3")
    picture.cross(middle + 58, 148, radius=5)
    picture.label(middle + 44, 152, "response lost", at="end", colour="red")
    picture.label(you + 8, 174, f"backoff: {retry.sent_at - lost.ended_at:.1f} s", at="start")
    picture.line((them, 222), (you, 222), colour="green", has_arrow=True)
    picture.label(middle, 217, end_of_call, colour="green")


async def _play_run(service: FakeService, begins: float, ends: float) -> None:
    """Delete all sessions of a fake, with an outage between two times."""

    async def have_outage() -> None:
        await AsyncInMemoryTransport(service).sleep(begins)
        service.outage(ends - begins, Reply(503))

    delete_session = deleter(service)
    async with asyncio.TaskGroup() as group:
        group.create_task(have_outage())
        deletions = delete_session.many(service.sessions_left_open, concurrency=3)
        fates = {outcome.session_fate async for outcome in deletions}
    assert fates == {SessionFate.GONE}


def run() -> Picture:
    """Draw a run over many sessions, through an outage and a rate limit."""
    count, limit, begins, ends = 24, 12, 4, 24
    service = RecordingService(["fc-test"], rate_limit=limit, latency=1)
    rows = {service.open_session(f"session-{row:02}"): row for row in range(count)}
    asyncio.run(_play_run(service, begins, ends))
    attempts = service.attempts
    deleted, failed, limited = (
        [attempt for attempt in attempts if attempt.status == status] for status in (200, 503, 429)
    )
    assert len(deleted) + len(failed) + len(limited) == len(attempts)
    waits = limited[0].ended_at
    resumes = min(attempt.sent_at for attempt in deleted if attempt.sent_at > waits)
    seconds = max(attempt.ended_at for attempt in attempts)
    wait = f"waits {resumes - waits:.0f} s"

    picture = Picture(
        "run",
        f"A run over {count} sessions, through an outage and a rate limit",
        f"One row per session, one mark per attempt, over {seconds:.0f} s. An outage of"
        f" {ends - begins} s fails {len(failed)} attempts. Then {len(limited)} attempts exceed the"
        f" limit of {limit} a minute, and the whole run {wait}. All {len(deleted)} sessions end up"
        " deleted.",
        330,
    )

    def x_of(second: float) -> float:
        return round(LEFT + 4 + (RIGHT - LEFT - 8) / seconds * second, 1)

    _draw_band(picture, x_of(begins), x_of(ends), "red", "outage: 503")
    _draw_band(picture, x_of(waits), x_of(resumes), "amber", f"rate limit: {wait}")
    for attempt in sorted(attempts):
        y = 53 + 188 / (count - 1) * rows[attempt.session_id]
        _draw_mark(picture, x_of(attempt.ended_at), round(y, 1), attempt.status)
    picture.line((LEFT, 248), (RIGHT, 248))
    for second in range(0, int(seconds), 15):
        picture.line((x_of(second), 248), (x_of(second), 253))
        picture.label(x_of(second), 268, f"{second} s")
    kinds = (24, "deleted", deleted), (144, "failed", failed), (254, "rate limited", limited)
    for x, kind, found in kinds:
        _draw_mark(picture, x, 290, found[0].status)
        picture.label(x + 10, 294, f"{kind}: {len(found)}", at="start", colour="ink")
    picture.label(LEFT, 316, f"One row per session. Limit: {limit} requests a minute.", at="start")
    return picture


def _draw_band(picture: Picture, begin: float, end: float, colour: str, label: str) -> None:
    picture.box((begin, 46), (end - begin, 202), colour=colour, tint=0.08)
    picture.label(round((begin + end) / 2, 1), 38, label, colour=colour)


def _draw_mark(picture: Picture, x: float, y: float, status: int) -> None:
    if status == 503:
        picture.cross(x, y)
    else:
        picture.dot(x, y, "green" if status == 200 else "amber", is_ring=status == 429)

"""Draw the pictures of the documentation: `make pictures`, or `python -m docs.pictures FOLDER`.

What they claim comes from the library. GitHub shows the committed files, which
tests/docs/test_pictures.py compares. `recording` draws the demo. hexagon.svg is written by hand.
"""

import logging
import sys
from pathlib import Path

from firecrawl_interact import (
    DeleteSession,
    DeleteSessionError,
    FakeService,
    Fault,
    InMemoryTransport,
    LostResponse,
    NoConnection,
    NoResponse,
    PostgresJournal,
    Reply,
    RetryPolicy,
    SessionFate,
)

from .played import lifetime, run
from .svg import Picture


def fate_of(*faults: Fault | None) -> SessionFate:
    """Play one attempt with each fault, and return the fate that they have in common."""
    found = set()
    for fault in faults:
        service = FakeService(["fc-test"])
        session_id = service.open_session()
        service.queue(*[fault] if fault else [])
        once = RetryPolicy(max_attempts=1)
        delete = DeleteSession(InMemoryTransport(service), "fc-test", retry=once)
        try:
            found.add(delete(session_id).session_fate)
        except DeleteSessionError as error:
            found.add(error.session_fate)
    [fate] = found
    return fate


def failure(status: int, error: str) -> Reply:
    """Return a response in which Firecrawl reports a failure."""
    return Reply(status, json={"success": False, "error": error})


ODD = 200, 302, 404, 408, 409, 425, 500, 502, 503, 504
LADDER: tuple[tuple[tuple[str, ...], list[Fault | None]], ...] = (
    (
        ("200 with success: true, or", "404 or 410 with the message", '"session not found"'),
        [None, *(failure(status, "Session not found.") for status in (404, 410))],
    ),
    (
        ("400, 401, 402, 403 or 429", "from Firecrawl's API"),
        [failure(status, "No.") for status in (400, 401, 402, 403, 429)],
    ),
    (("connection failed before", "the request was sent"), [NoConnection()]),
    (
        ("anything else: 5xx, timeout,", "lost connection, HTML page,", "redirect, other 404"),
        [NoResponse(), LostResponse(), failure(404, "Hangar request failed."), *map(Reply, ODD)],
    ),
)
"""What is asked of an attempt, from the top down, and faults for which the answer is yes."""


def fates() -> Picture:
    """Draw how the fate follows from what came back."""
    gone, refused, unsent, unknown = [fate_of(*faults) for _, faults in LADDER]
    assert refused is unsent
    picture = Picture(
        "fates",
        "From what came back to the fate of a session",
        "A 200 with success true, or a 404 or 410 that says session not found: GONE. A 400, 401,"
        " 402, 403 or 429, or a connection that failed before the request was sent: UNTOUCHED."
        " Anything else, such as a 5xx, a timeout, a lost connection or another 404: UNKNOWN."
        " UNKNOWN, a 429 and a failed connection are retried while attempts and time remain.",
        448,
    )
    left, width, top = 34, 226, 50.0
    boxes: list[tuple[float, float]] = []  # the top of each, and its height
    picture.box((left, 16), (width, 34), "send one DELETE", kind="bold")
    for lines, _ in LADDER:
        picture.line((left + width / 2, top), (left + width / 2, top + 26), has_arrow=True)
        if boxes:
            picture.label(left + width / 2 + 8, top + 17, "no", at="start")
        boxes.append((top + 26, 15 + 17 * len(lines)))
        picture.box((left, top + 26), (width, boxes[-1][1]), *lines)
        top = sum(boxes[-1])
    for fate, colour, asked in (
        (gone, "green", boxes[:1]),
        (refused, "blue", boxes[1:3]),
        (unknown, "amber", boxes[3:]),
    ):
        size = 106, sum(asked[-1]) - asked[0][0]
        picture.box((300, asked[0][0]), size, fate.name, kind="bold", colour=colour)
        for y, height in asked:
            ends = (left + width, y + height / 2), (300, y + height / 2)
            picture.line(*ends, colour=colour, has_arrow=True)
    loop = (353, top), (353, top + 18), (16, top + 18), (16, 33), (left, 33)
    picture.line(*loop, colour="amber", dashes="4 3", has_arrow=True)
    texts = "retry, while attempts and time remain;", "429 and failed connections, too"
    picture.label(left, top + 36, *texts, at="start", colour="amber")
    return picture


def sweep() -> Picture:
    """Draw a worker that is killed, and the sweep on another host that deletes its session."""
    lease = PostgresJournal._lease  # noqa: SLF001 - the picture is drawn from it
    beat, watch, every = lease / 4, lease / 2, 300
    opened, killed = every - 135.0, every - 96.0
    beats = opened + beat, opened + 2 * beat
    lapses, done = beats[-1] + lease, every + watch
    assert beats[-1] < killed < beats[-1] + beat < lapses < every
    picture = Picture(
        "sweep",
        "A worker that is killed on one host, and the sweep on another",
        f"The worker on host A renews its row every {beat:g} s until SIGKILL. Its lease lapses"
        f" {lease:g} s after the last heartbeat. The next sweep, on host B, watches the row for"
        f" {watch:g} s, adopts it and deletes the session, which is then GONE.",
        326,
    )
    times = (opened, *beats, killed, lapses, every, done)
    x = {time: round(18 + 366 * (time - opened) / (done - opened), 1) for time in times}
    lanes: list[tuple[float, str, list[tuple[float, float, str, str]]]] = [
        (28, "host A: the worker", [(opened, killed, "blue", "with block")]),
        (102, "PostgreSQL: the row of the session", [(opened, beats[-1], "blue", "")]),
        (174, "host B: the sweep, every 5 minutes", [(every, done, "amber", "")]),
        (248, "Firecrawl: the session", [(opened, done, "edge", "running, and billed")]),
    ]
    lease_of_row = beats[-1], lapses, "blue", f"lease {lease:g} s"
    lanes[1][2].extend([lease_of_row, (lapses, done, "amber", "suspect")])
    for y, title, spans in lanes:
        picture.text(18, y, title, kind="small bold")
        picture.line((18, y + 19), (402, y + 19), colour="edge")
        for begin, end, colour, text in spans:
            picture.box((x[begin], y + 8), (x[end] - x[begin], 22), text, colour=colour)
    for at in beats:
        picture.line((x[at], 58), (x[at], 86), colour="blue", has_arrow=True)
    picture.line((x[every], 182), (x[every], 134), colour="amber", has_arrow=True)
    picture.line((x[done], 204), (x[done], 256), colour="green", has_arrow=True)
    picture.label(x[beats[-1]] + 8, 77, f"heartbeat every {beat:g} s", at="start", colour="blue")
    picture.cross(x[killed], 47, radius=6)
    picture.label(x[killed] + 12, 51, "SIGKILL", at="start", colour="red")
    picture.label(x[every] - 8, 150, f"watches for {watch:g} s", at="end", colour="amber")
    picture.label(x[done] - 8, 226, "adopts, then sends DELETE", at="end", colour="green")
    picture.label(x[done] - 4, 292, "GONE", colour="green")
    for at, event in (opened, "opened"), (killed, "killed"), (lapses, "lapses"), (every, "sweep"):
        picture.line((x[at], 278), (x[at], 284))
        clock = f"{int(at) // 60}:{int(at) % 60:02}"
        picture.label(x[at], 298, clock, event, at="start" if at == opened else "middle")
    return picture


def main(folder: Path) -> None:
    """Write all of them into a folder."""
    for draw in lifetime, fates, run, sweep:
        picture = draw()
        (folder / f"{picture.name}.svg").write_text(str(picture), encoding="utf-8")


logging.getLogger("firecrawl_interact").addHandler(logging.NullHandler())  # Its pauses are drawn.
main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent)

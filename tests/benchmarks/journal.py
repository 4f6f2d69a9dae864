"""What a journal costs: to record a session, and to adopt what dead processes left behind."""

import os
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from measure import Figure, peak_memory, spent

from firecrawl_interact.adapters import FileJournal

SESSION_ID = "550e8400-e29b-41d4-a716-{:012}"
ON_A_DISK = "/var/tmp"  # noqa: S108 - /tmp can be in memory, where an fsync costs nothing


def recorded() -> Iterator[Figure]:
    ours, bare = [], []
    with (
        tempfile.TemporaryDirectory(dir=ON_A_DISK) as directory,
        FileJournal(directory, service="https://api.example") as journal,
    ):
        (beside := Path(directory, "beside")).mkdir()
        descriptor = os.open(beside, os.O_RDONLY)

        def create_and_sync(name: str) -> None:
            os.close(os.open(beside / name, os.O_WRONLY | os.O_CREAT))
            os.fsync(descriptor)

        journal.opened("the-first-one-creates-the-directory")
        for session_id in map(SESSION_ID.format, range(1_000)):
            bare.append(spent(lambda: create_and_sync(session_id)).wall)  # noqa: B023 - at once
            ours.append(spent(lambda: journal.opened(session_id)).wall)  # noqa: B023 - at once
        os.close(descriptor)
    ratio = median(ours) / median(bare)
    yield Figure("time to record a session, to creating a file and fsync", ratio, 1.5)


def a_hundred_thousand_orphans() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(dir=ON_A_DISK) as directory:
        owner = Path(directory, "service=", "0123456789abcdef")
        owner.mkdir(parents=True)
        for number in range(100_000):
            (owner / SESSION_ID.format(number)).touch()
        with FileJournal(directory) as journal:
            seconds = spent(lambda: deque(journal.adopt_orphans(), maxlen=0)).wall
    yield Figure("time to adopt 100,000 orphans", seconds, 5, "s")


def two_hundred_thousand_sessions() -> Iterator[Figure]:
    fsync, os.fsync = os.fsync, lambda fd: None  # Memory does not depend on the disk.
    with tempfile.TemporaryDirectory() as directory, FileJournal(directory) as journal:
        for number in range(210_000):
            if number == 10_000:
                before = peak_memory()
            journal.opened(SESSION_ID.format(number))
            if number >= 8:
                journal.gone(SESSION_ID.format(number - 8))
    os.fsync = fsync
    added = peak_memory() - before
    yield Figure("memory that 200,000 sessions add, eight open at a time", added, 1, "MiB")

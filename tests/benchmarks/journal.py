"""What a journal costs: to record a session, and to read what dead processes left behind."""

import json
import os
import resource
import tempfile
import time
from collections import deque
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from measure import Figure, median_ratio

from firecrawl_interact.adapters import FileJournal

SESSION_ID = "550e8400-e29b-41d4-a716-{:012}"
ON_A_DISK = "/var/tmp"  # noqa: S108 - /tmp can be in memory, where an fsync costs nothing


def recorded() -> Figure:
    ours, bare = [], []
    with (
        tempfile.TemporaryDirectory(dir=ON_A_DISK) as directory,
        FileJournal(directory, service="https://api.example") as journal,
        Path(directory, "bare").open("ab", buffering=0) as file,
    ):
        journal.opened("the-first-one-creates-the-file")
        for number in range(1_000):
            session_id = SESSION_ID.format(number)
            began = time.perf_counter()
            file.write(b'{"opened":"%s"}\n' % session_id.encode())
            os.fsync(file.fileno())
            between = time.perf_counter()
            journal.opened(session_id)
            ours.append(time.perf_counter() - between)
            bare.append(between - began)
    ratio = median(ours) / median(bare)
    return Figure("time to record a session, to a bare append and fsync", ratio, 1.5)


def a_hundred_thousand_orphans() -> Figure:
    with tempfile.TemporaryDirectory(dir=ON_A_DISK) as directory:
        lines = [json.dumps({"opened": SESSION_ID.format(number)}) for number in range(100_000)]
        content = "\n".join(['{"service":null}', *lines, ""])
        Path(directory, "0123456789abcdef.jsonl").write_text(content)

        def bare() -> None:
            for line in lines:
                json.loads(line)

        def ours() -> None:
            with FileJournal(directory) as journal:
                deque(journal.adopt_orphans(), maxlen=0)

        ratio = median_ratio(ours, bare)
    return Figure("CPU to adopt 100,000 orphans, to json.loads of their lines", ratio, 1.5)


def two_hundred_thousand_sessions() -> list[Figure]:
    with ExitStack() as ending:
        directory = ending.enter_context(tempfile.TemporaryDirectory())
        # What the memory holds does not depend on the disk.
        fsync, os.fsync = os.fsync, lambda fd: None
        ending.callback(setattr, os, "fsync", fsync)
        journal = ending.enter_context(FileJournal(directory))
        added, largest = 0, 0
        for number in range(210_000):
            if number == 10_000:
                before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            journal.opened(SESSION_ID.format(number))
            if number >= 8:
                journal.gone(SESSION_ID.format(number - 8))
            if number % 100 == 0:
                largest = max(largest, *(entry.stat().st_size for entry in os.scandir(directory)))
        added = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return [
        Figure("memory that 200,000 sessions add, eight open at a time", added / 1024, 1, "MiB"),
        Figure("their file at its largest", largest / 1024, 100, "KiB"),
    ]

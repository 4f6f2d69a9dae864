"""The session of a scrape, in the block of a process that is killed: `scrape:` ids in a journal."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE

import pytest

from firecrawl_interact import (
    DeleteManySessions,
    FakeService,
    FileJournal,
    LoopbackService,
    delete_session_from_environment,
)

from ..postgres import ShortLease, wait_until

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(sys.platform == "win32", reason="FileJournal needs Linux or macOS"),
]

IN_A_BLOCK = """
import sys
from firecrawl_interact import PostgresJournal, delete_session_from_environment

PostgresJournal._lease = 2
with delete_session_from_environment() as delete_session, delete_session.on_exit(sys.argv[1]):
    print("in the block", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeService]:
    service = FakeService()
    with LoopbackService(service) as loopback:
        monkeypatch.setenv("FIRECRAWL_API_URL", loopback.api_url)
        monkeypatch.setenv("FIRECRAWL_API_KEY", "fc-test")
        yield service


@pytest.mark.parametrize("storage", ["files", pytest.param("postgres", marks=pytest.mark.slow)])
def test_the_next_sweep_deletes_it_and_leaves_alone_what_a_living_process_has_again(
    storage: str,
    service: FakeService,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(scrape: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", IN_A_BLOCK, scrape]
        process = subprocess.Popen(command, stdin=PIPE, stdout=PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"in the block\n"
        return process

    in_files = storage == "files"
    location = str(tmp_path) if in_files else request.getfixturevalue("postgres").url
    monkeypatch.setenv("FIRECRAWL_INTERACT_JOURNAL", location)
    scrape_ids = [str(uuid.uuid4()) for _ in range(2)]
    lost, kept = (f"scrape:{scrape_id}" for scrape_id in scrape_ids)
    _, used = [service.open_session(scrape_id=scrape_id) for scrape_id in scrape_ids]

    for killed in [start(lost), start(kept)]:
        with killed:
            killed.kill()
    with start(kept) as living:
        journal_of = FileJournal if in_files else ShortLease
        journal = journal_of(location, service=os.environ["FIRECRAWL_API_URL"])
        wait_until(lambda: journal.orphans() == [lost])
        with delete_session_from_environment(journal=journal) as delete_session:
            list(DeleteManySessions(delete_session)(journal.adopt_orphans()))
        assert service.sessions_left_open == [used]
        living.communicate()
    assert service.sessions_left_open == []

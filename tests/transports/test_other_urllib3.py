"""What else an environment may have as urllib3: a fork in its place, or an old version."""

import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

from ..environments import environment

FORK = ["urllib3-future", "h11", "jh2"]  # niquests requires them.
PROGRAM = """
import asyncio, pydoc
from firecrawl_interact import *

async def delete(transport):
    async with AsyncDeleteSession(transport, "fc-test") as delete_session:
        await delete_session(service.open_session())

assert "pool_size" in pydoc.render_doc(Urllib3Transport)
service = FakeService()
with LoopbackService(service) as loopback:
    asyncio.run(delete(AsyncioTransport(loopback.api_url)))
    try:
        with DeleteSession(Urllib3Transport(loopback.api_url), "fc-test") as delete_session:
            delete_session(service.open_session())
    except ImportError as error:
        print(error)
assert service.sessions_left_open == []
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("requirements", "words"),
    [
        (FORK, "urllib3-future 2.* niquests * URLLIB3_NO_OVERRIDE=1 * AsyncioTransport"),
        (["urllib3==1.26.20"], "urllib3>=2.2,<3, * 1.26.20* AsyncioTransport"),
        # As the first error advises.
        ([*FORK, "urllib3>=2.2,<3", "--no-binary=urllib3-future"], ""),
    ],
    ids=["urllib3-future", "1.26", "both"],
)
def test_beside_another_urllib3_asyncio_works_and_the_other_transport_is_refused_when_it_is_made(
    requirements: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not words:
        monkeypatch.setenv("URLLIB3_NO_OVERRIDE", "1")
    python = environment(tmp_path, *requirements)
    done = subprocess.run([python, "-c", PROGRAM], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert fnmatch(done.stdout, f"*{words}*" if words else "")

"""A real Ctrl-C, over real sockets, and ten tasks in the background: none is left, or it is told.

A third of them are in their blocks then, a third in their openers, and a third in their deletes.
"""

import signal
import subprocess
import sys

import pytest

from firecrawl_interact.adapters import FakeService, LoopbackService

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="it has no SIGINT for one process"),
]

PROGRAM = """
import asyncio
import sys
from types import SimpleNamespace

from firecrawl_interact.adapters import async_delete_session_from_environment

ids = sys.argv[2:]

async def hold(delete_session, number):
    async def open_session():
        await asyncio.sleep(0.5 if number % 3 == 1 else 0)
        return SimpleNamespace(id=ids[number])

    async with delete_session.opening(open_session):
        await asyncio.sleep(0.1 if number % 3 == 2 else 60)

async def main():
    made = async_delete_session_from_environment(api_key="fc-test", api_url=sys.argv[1])
    async with made as delete_session:
        tasks = [asyncio.create_task(hold(delete_session, n)) for n in range(len(ids))]
        await asyncio.sleep(0.3)
        print("open", flush=True)
        await asyncio.sleep({seconds})

asyncio.run(main())
"""


@pytest.mark.parametrize("presses", [0, 1, 2])
def test_ten_sessions_of_tasks_in_the_background_end_with_the_program(presses: int) -> None:
    service = FakeService(["fc-test"], latency=0.4)
    ids = [service.open_session() for _ in range(10)]
    seconds = 60 if presses else 0
    with LoopbackService(service) as loopback:
        command = [sys.executable, "-c", PROGRAM.replace("{seconds}", str(seconds))]
        with subprocess.Popen(
            [*command, loopback.api_url, *ids],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            for _ in range(presses):
                process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
    assert ("KeyboardInterrupt" in errors) is bool(presses)
    left = set(service.sessions_left_open)
    if presses < 2:
        assert not left
    # The second Ctrl-C ends deletes, which is told, and openers, whose ids nobody knows then.
    opening = set(ids[1::3])
    assert not [session_id for session_id in left - opening if session_id not in errors]

"""A run over real sockets whose service is restarted meanwhile."""

import asyncio
import os
import socket
import threading
from contextlib import ExitStack, suppress
from socket import SO_ACCEPTCONN, SOL_SOCKET
from urllib.parse import urlsplit

import pytest

from firecrawl_interact.adapters import (
    AsyncioTransport,
    FakeService,
    LoopbackService,
    Urllib3Transport,
)
from firecrawl_interact.core import (
    AsyncDeleteManySessions,
    AsyncDeleteSession,
    DeleteManySessions,
    DeleteSession,
    DeletionReceipt,
)

pytestmark = pytest.mark.enable_socket

SECONDS_AWAY = 0.5


class Restarting:
    """A service behind a socket that is closed on request, and opened again a while later."""

    def __init__(self, service: FakeService, stack: ExitStack, seconds_away: float) -> None:
        self._service = service
        self._stack = stack
        self._seconds_away = seconds_away
        self._first = ExitStack()
        self.api_url = self._first.enter_context(LoopbackService(service)).api_url

    def restart(self) -> None:
        self._first.close()
        timer = threading.Timer(self._seconds_away, self._open)
        timer.start()
        self._stack.callback(timer.join)

    def _open(self) -> None:
        port = urlsplit(self.api_url).port or 0
        self._stack.enter_context(LoopbackService(self._service, port))


def test_a_restart_costs_a_blocking_run_no_session() -> None:
    service = FakeService(latency=0.02)
    session_ids = [service.open_session() for _ in range(60)]
    with ExitStack() as stack:
        restarting = Restarting(service, stack, SECONDS_AWAY)
        transport = stack.enter_context(Urllib3Transport(restarting.api_url))
        deletions = DeleteManySessions(DeleteSession(transport, "fc-test"))(session_ids)
        receipts = []
        for outcome in stack.enter_context(deletions):
            receipts.append(isinstance(outcome, DeletionReceipt))
            if len(receipts) == 10:
                restarting.restart()
    assert receipts == [True] * 60
    assert service.sessions_left_open == []


def test_a_restart_costs_an_awaited_run_no_session() -> None:
    service = FakeService(latency=0.02)
    session_ids = [service.open_session() for _ in range(60)]

    async def main(restarting: Restarting) -> list[bool]:
        receipts = []
        async with AsyncioTransport(restarting.api_url) as transport:
            delete_session = AsyncDeleteSession(transport, "fc-test")
            async with AsyncDeleteManySessions(delete_session)(session_ids) as deletions:
                async for outcome in deletions:
                    receipts.append(isinstance(outcome, DeletionReceipt))
                    if len(receipts) == 10:
                        restarting.restart()
        return receipts

    with ExitStack() as stack:
        assert asyncio.run(main(Restarting(service, stack, SECONDS_AWAY))) == [True] * 60
    assert service.sessions_left_open == []


def listening(port: int) -> socket.socket:
    """Return another descriptor of the socket that listens, as a forked child has for a moment."""
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):
            found = socket.socket(fileno=os.dup(int(name)))
            if found.getsockname()[1] == port and found.getsockopt(SOL_SOCKET, SO_ACCEPTCONN):
                return found
            found.close()
    raise LookupError(port)


def test_an_outage_begins_and_ends_although_a_child_holds_the_socket() -> None:
    service = FakeService()
    session_id = service.open_session()
    with LoopbackService(service) as loopback, listening(urlsplit(loopback.api_url).port or 0):
        service.outage(SECONDS_AWAY)
        with Urllib3Transport(loopback.api_url) as transport:
            assert DeleteSession(transport, "fc-test")(session_id).attempts > 1

"""Many sessions over executors of every kind, and a real socket."""

import os
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

import pytest
from dask.distributed import Client, LocalCluster

from firecrawl_interact.adapters import (
    FakeService,
    LoopbackService,
    LostResponse,
    Reply,
    Urllib3Transport,
)
from firecrawl_interact.adapters.system_time import SystemTime
from firecrawl_interact.core import (
    ConnectFailedError,
    DeleteManySessions,
    DeleteSession,
    DeletionReceipt,
    Request,
    Response,
    RetryPolicy,
    SessionFate,
    UnreachableError,
)

pytestmark = pytest.mark.enable_socket

KEY = "fc-test"


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The connections that the servers of this process have accepted."""
    accepted: list[object] = []
    get_request = socketserver.TCPServer.get_request

    def noted(server: socketserver.TCPServer) -> tuple[socket.socket, object]:
        accepted.append(server)
        return get_request(server)

    monkeypatch.setattr(socketserver.TCPServer, "get_request", noted)
    return accepted


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture
def loopback(connections: list[object], service: FakeService) -> Iterator[LoopbackService]:
    with LoopbackService(service) as loopback:
        yield loopback


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        yield executor


def open_sessions(service: FakeService, count: int) -> list[str]:
    return [service.open_session() for _ in range(count)]


def all_destroyed(service: FakeService, session_ids: list[str], outcomes: list[object]) -> bool:
    return (
        len(outcomes) == len(session_ids)
        and all(isinstance(outcome, DeletionReceipt) for outcome in outcomes)
        and not any(service.is_open(session_id) for session_id in session_ids)
    )


def test_threads_destroy_many_sessions_over_as_many_connections_as_may_be_in_flight(
    service: FakeService, loopback: LoopbackService, connections: list[object]
) -> None:
    mine = open_sessions(service, 100)
    with Urllib3Transport(loopback.api_url) as transport:
        delete_many_sessions = DeleteManySessions(DeleteSession(transport, KEY), concurrency=4)
        outcomes = list(delete_many_sessions(mine))
        assert all_destroyed(service, mine, [*outcomes])
        assert len(connections) <= 4
    threads = [thread for thread in threading.enumerate() if "firecrawl" in thread.name]
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)


def test_processes_destroy_many_sessions(
    service: FakeService, loopback: LoopbackService, processes: ProcessPoolExecutor
) -> None:
    mine = open_sessions(service, 40)
    with Urllib3Transport(loopback.api_url) as transport:
        delete_many_sessions = DeleteManySessions(DeleteSession(transport, KEY), executor=processes)
        outcomes = list(delete_many_sessions(mine))
    assert all_destroyed(service, mine, [*outcomes])


def test_a_failure_in_another_process_is_as_plain_as_here(
    processes: ProcessPoolExecutor,
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        port = nobody.getsockname()[1]
        with Urllib3Transport(f"http://127.0.0.1:{port}") as transport:
            delete_session = DeleteSession(transport, KEY, retry=RetryPolicy(max_attempts=1))
            (error,) = DeleteManySessions(delete_session, executor=processes)(["a"])
    assert isinstance(error, UnreachableError)
    assert isinstance(error.__cause__, ConnectFailedError)
    assert error.session_fate is SessionFate.UNTOUCHED


def test_what_another_process_could_not_do_is_retried(
    service: FakeService, loopback: LoopbackService, processes: ProcessPoolExecutor
) -> None:
    mine = open_sessions(service, 2)
    service.queue(Reply(503), LostResponse())
    with Urllib3Transport(loopback.api_url) as transport:
        delete_session = DeleteSession(transport, KEY, retry=RetryPolicy(first_pause=0))
        outcomes = list(DeleteManySessions(delete_session, executor=processes)(mine))
    assert all_destroyed(service, mine, [*outcomes])
    assert len(service.requests) == 4


def test_a_transport_that_cannot_be_pickled_fails_the_run_and_says_what_to_do(
    processes: ProcessPoolExecutor,
) -> None:
    with Urllib3Transport(ssl_context=ssl.create_default_context()) as transport:
        delete_many_sessions = DeleteManySessions(
            DeleteSession(transport, KEY), executor=processes, concurrency=1
        )
        deletions = delete_many_sessions(["a", "b"])
        error = next(deletions)
        assert isinstance(error, UnreachableError)
        assert error.session_id == "a"
        with pytest.raises(RuntimeError) as raised:
            next(deletions)
    assert "name the CAs in SSL_CERT_FILE instead" in str(raised.value.__cause__)


class Deadly(SystemTime):
    """A transport whose `send` ends the process that it runs in."""

    def send(self, request: Request, timeout: float) -> Response:
        os._exit(1)

    def __reduce__(self) -> tuple[object, ...]:
        # The other process need not find this module.
        program = "type('Deadly', (), {'send': lambda *_: __import__('os')._exit(1)})()"
        return eval, (program,)


def test_a_process_that_dies_leaves_fates_unknown_and_fails_the_run() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        delete_session = DeleteSession(Deadly(), KEY)
        deletions = DeleteManySessions(delete_session, executor=executor)(["a", "b"])
        errors = [next(deletions), next(deletions)]
        with pytest.raises(RuntimeError) as raised:
            next(deletions)
    assert isinstance(raised.value.__cause__, BrokenProcessPool)
    assert {error.session_id for error in errors} == {"a", "b"}
    for error in errors:
        assert isinstance(error, UnreachableError)
    assert SessionFate.UNKNOWN in {error.session_fate for error in errors}


def test_dask_destroys_many_sessions(service: FakeService, loopback: LoopbackService) -> None:
    mine = open_sessions(service, 20)
    service.queue(Reply(503), LostResponse())
    with (
        LocalCluster(  # type: ignore[no-untyped-call]  # Dask says nothing here
            n_workers=1,
            threads_per_worker=8,
            processes=False,
            protocol="tcp",  # so that requests are pickled
            dashboard_address=None,
        ) as cluster,
        Client(cluster) as client,  # type: ignore[no-untyped-call]  # Dask says nothing here
        Urllib3Transport(loopback.api_url) as transport,
    ):
        delete_session = DeleteSession(transport, KEY, retry=RetryPolicy(first_pause=0))
        executor = client.get_executor(pure=False)  # else Dask takes a retry for known
        outcomes = list(DeleteManySessions(delete_session, executor=executor)(mine))
    assert all_destroyed(service, mine, [*outcomes])
    assert len(service.requests) == 22

"""What is particular to the transport over urllib3: what is raised in it, and put around it."""

import signal
import threading
from unittest.mock import Mock

import pytest
import urllib3

from firecrawl_interact import Urllib3Transport
from firecrawl_interact.adapters.conformance.harness import unless_windows
from firecrawl_interact.adapters.conformance.server import Connection
from firecrawl_interact.adapters.conformance.wire_faults import responds, stays_silent
from firecrawl_interact.core import ConnectionLostError, TimedOutError, TransportError

from .servers import BUG, KEY, REQUEST, Net, bug, has_a_bug, names_in, shown_by, while_handling

pytestmark = pytest.mark.enable_socket


@unless_windows("no signal interrupts its sockets")
@pytest.mark.parametrize("transport_class", [Urllib3Transport])
def test_what_a_signals_handler_raises_passes_and_its_connection_is_never_used_again(
    net: Net,
) -> None:
    """Celery raises its time limit so."""

    def signals(connection: Connection) -> None:
        connection.read_request()
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR1)
        stays_silent(connection)

    server = net.serve(responds(signals))
    client = net.open(server)
    client.send()
    failed, before = bug(), signal.signal(signal.SIGUSR1, has_a_bug)
    try:
        with pytest.raises(LookupError, match="a bug") as caught:
            while_handling(failed, client.send)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert caught.value.__context__ is failed
    assert (names_in(failed)[-2:], names_in(caught.value)[-2:]) == (BUG, BUG)
    assert KEY not in shown_by(caught.value)
    client.send()
    assert [request.connection for request in server.requests] == [1, 1, 2]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("the recorder's disk is full"), RuntimeError),
        (urllib3.exceptions.ReadTimeoutError(..., "/", "late"), TimedOutError),  # type: ignore[arg-type]  # a pool
        (urllib3.exceptions.ProtocolError("cut"), ConnectionLostError),
        (urllib3.exceptions.NewConnectionError(..., "refused"), TimedOutError),  # type: ignore[arg-type]  # a pool
    ],
    ids=str,
)
def test_an_error_of_urllib3_itself_may_have_reached_the_service_and_others_pass(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[Exception]
) -> None:
    """A recorder puts a connection of its own into urllib3, or a function around it."""
    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", Mock(side_effect=error))
    with Urllib3Transport() as transport, pytest.raises(kind) as caught:
        transport.send(REQUEST, 1)
    assert type(caught.value) is kind
    assert kind is RuntimeError or caught.value.__cause__ is error
    if isinstance(caught.value, TransportError):
        assert KEY not in shown_by(caught.value)
        assert caught.value.sent

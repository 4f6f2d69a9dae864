"""What is particular to the urllib3 adapter: what others put around urllib3, and its connections.

OpenTelemetry's spans of urllib3 are tested with the page that shows them.
"""

import os
import socket
from pathlib import Path
from typing import Any

import pytest
import urllib3
import vcr  # type: ignore[import-untyped]  # it is not typed

from firecrawl_interact.adapters import Urllib3Transport
from firecrawl_interact.adapters.conformance.server import FaultServer
from firecrawl_interact.core import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    Request,
    TimedOutError,
    TransportError,
)

from .driven import PATH

pytestmark = pytest.mark.enable_socket

REQUEST = Request("DELETE", PATH, {"Authorization": "Bearer fc-test"})
URLOPEN = urllib3.HTTPConnectionPool.urlopen


def send(transport: Urllib3Transport) -> None:
    assert PATH.encode() in transport.send(REQUEST, 10).body


# --- what others put around urllib3 ----------------------------------------------------------


def test_a_recorder_has_the_connections_while_it_records_and_no_longer(tmp_path: Path) -> None:
    with FaultServer() as server, Urllib3Transport(server.api_url) as transport:
        for expected_requests in (2, 3):
            send(transport)
            with vcr.use_cassette(str(tmp_path / "cassette.yaml")):
                send(transport)
            assert len(server.requests) == expected_requests  # The second time it plays back.
        send(transport)
        assert len({request.head for request in server.requests}) == 1


def test_a_recorders_own_exception_passes_as_it_is(tmp_path: Path) -> None:
    with (
        Urllib3Transport("http://127.0.0.1:9") as transport,
        vcr.use_cassette(str(tmp_path / "cassette.yaml"), record_mode="none"),
        pytest.raises(vcr.errors.CannotOverwriteExistingCassetteException),
    ):
        send(transport)


@pytest.mark.parametrize(
    ("sends", "error", "kind"),
    [
        (True, RuntimeError("the recorder's disk is full"), BadResponseError),
        (True, ConnectFailedError("no connection for a retry"), ConnectionLostError),
        (False, RuntimeError("the recorder has no such response"), BadResponseError),
        (False, urllib3.exceptions.NewConnectionError(..., "refused"), BadResponseError),  # type: ignore[arg-type]  # a pool
        (False, urllib3.exceptions.ReadTimeoutError(..., "/", "timed out"), TimedOutError),  # type: ignore[arg-type]  # a pool
    ],
    ids=str,
)
def test_what_fails_around_urllib3_may_have_reached_the_service(
    monkeypatch: pytest.MonkeyPatch, sends: bool, error: Exception, kind: type[TransportError]
) -> None:
    def fail(*args: Any, **kwargs: Any) -> object:  # Any: handed on as they came
        if sends:
            URLOPEN(*args, **kwargs)
        raise error

    monkeypatch.setattr(urllib3.HTTPConnectionPool, "urlopen", fail)
    with FaultServer() as server, Urllib3Transport(server.api_url) as transport:
        with pytest.raises(TransportError) as caught:
            transport.send(REQUEST, 10)
        assert type(caught.value) is kind


# --- connections ---------------------------------------------------------------------------


def test_a_connection_waits_for_no_acknowledgement_before_it_sends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TCP_NODELAY, which urllib3 sets and we must not lose."""
    set_options = []
    with FaultServer() as server, Urllib3Transport(server.api_url) as transport:
        monkeypatch.setattr(socket.socket, "setsockopt", lambda _, *o: set_options.append(o))
        send(transport)
    assert (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1) in set_options


@pytest.mark.parametrize(
    ("owner", "name"),
    [(urllib3.HTTPConnectionPool, "urlopen"), (os, "getpid")],
    ids=["late", "early"],
)
def test_a_transport_that_is_closed_at_the_last_moment_sends_nothing(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str
) -> None:
    original = getattr(owner, name)

    def close_first(*args: Any, **kwargs: Any) -> object:  # Any: handed on as they came
        monkeypatch.undo()
        transport.close()
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, close_first)
    with FaultServer() as server, Urllib3Transport(server.api_url) as transport:
        with pytest.raises(ConnectFailedError, match="closed"):
            send(transport)
        assert server.requests == []

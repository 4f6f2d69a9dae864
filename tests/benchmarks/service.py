"""The service that a benchmark talks to, in a process of its own: its CPU time does not count."""

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import trustme

from firecrawl_interact.adapters import FakeService, LoopbackService
from firecrawl_interact.adapters.conformance.server import Connection, FaultServer

BODY = b'{"success":true,"sessionDurationMs":39095,"creditsBilled":2,"status":"stopped"}'
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
RESPONSE = HEAD.format(len(BODY)).encode() + BODY


@contextmanager
def service(
    sessions: int, latency: float = 0, certificate: str = ""
) -> Iterator[tuple[str, list[str]]]:
    """Run a service; give its address and its sessions.

    Args:
        sessions: how many it has.
        latency: the seconds that a call takes.
        certificate: a file with a key and a certificate, for a service that speaks TLS and says
            the same to every request.
    """
    command = [sys.executable, __file__, str(sessions), str(latency), certificate]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        api_url, session_ids = json.loads(process.stdout.readline())
        try:
            yield api_url, session_ids
        finally:
            process.terminate()


@contextmanager
def service_over_tls() -> Iterator[tuple[str, list[str], ssl.SSLContext]]:
    """Run one that speaks TLS; give its address, its session and whom to trust."""
    authority, context = trustme.CA(), ssl.create_default_context()
    authority.configure_trust(context)
    pem = authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem
    with pem.tempfile() as certificate, service(1, 0, certificate) as (api_url, ids):
        yield api_url, ids, context


def _respond(connection: Connection) -> None:
    while True:
        connection.read_request()
        connection.send(RESPONSE)


def _serve(sessions: str, latency: str = "0", certificate: str = "") -> None:
    fake = FakeService(latency=float(latency))
    session_ids = [fake.open_session() for _ in range(int(sessions))]
    server: LoopbackService | FaultServer = LoopbackService(fake)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server = FaultServer(*[_respond] * 1_000, tls=context)
    with server:
        print(json.dumps([server.api_url, session_ids]), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _serve(*sys.argv[1:])

"""The services that the benchmarks talk to, in a process of their own.

Arguments: the number of sessions and the seconds a call; or a file with a key and a certificate,
for a service that speaks TLS and says the same to every request.
"""

import json
import ssl
import sys

from firecrawl_interact.adapters import FakeService, LoopbackService
from firecrawl_interact.adapters.conformance.server import Connection, FaultServer

BODY = b'{"success":true,"sessionDurationMs":39095,"creditsBilled":2,"status":"stopped"}'
RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
    len(BODY),
    BODY,
)


def respond(connection: Connection) -> None:
    while True:
        connection.read_request()
        connection.send(RESPONSE)


def serve_until_stopped(api_url: str, session_ids: list[str]) -> None:
    print(json.dumps([api_url, session_ids]), flush=True)
    sys.stdin.read()


def serve_sessions(sessions: int, latency: float) -> None:
    fake = FakeService(latency=latency)
    session_ids = [fake.open_session() for _ in range(sessions)]
    with LoopbackService(fake) as loopback:
        serve_until_stopped(loopback.api_url, session_ids)


def serve_over_tls(certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with FaultServer(afterwards=respond, tls=context) as server:
        serve_until_stopped(server.api_url, ["session-1"])


if __name__ == "__main__":
    if len(sys.argv) == 2:
        serve_over_tls(sys.argv[1])
    else:
        serve_sessions(int(sys.argv[1]), float(sys.argv[2]))

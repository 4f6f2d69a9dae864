"""curl as the service's own page shows it, with `--fail`, over real sockets of this machine."""

import re
import socket
import subprocess
import threading

from ..proof.events import A_RESPONSE, SESSION_ID, EventfulService
from .wire import WORLD, Ends, what_comes

_STILL_WAITING = 5  # real seconds, after which curl, which has no timeout, is taken to hang
_CURL = ["curl", "--noproxy", "*", "--silent", "--show-error", "--fail", "--request", "DELETE"]


def curl_version() -> str:
    """Return the version of this machine's curl. FileNotFoundError: it has none."""
    done = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True)  # noqa: S607
    return done.stdout.split()[1]


def delete_with_curl() -> Ends:
    """Let curl meet the service of `WORLD`."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/v2/interact/{SESSION_ID}"
        if WORLD.service.refuses:
            WORLD.service.meet()
            server.close()
        else:
            threading.Thread(target=_serve_one, args=(server, WORLD.service), daemon=True).start()
        WORLD.wait(A_RESPONSE)
        command = [*_CURL, "--header", "Authorization: Bearer fc-test", url]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_STILL_WAITING, check=False
            )
        except subprocess.TimeoutExpired:
            return Ends.HANGS
    if done.returncode == 0:
        return Ends.GONE
    return Ends.PERHAPS_GONE if re.search("error: (404|410)", done.stderr) else Ends.ERROR


def _serve_one(server: socket.socket, service: EventfulService) -> None:
    connection, _ = server.accept()
    with connection:
        found = what_comes(connection.recv(65536), service)
        connection.sendall(found or b"")
        if found is None:
            connection.recv(1)  # It comes to an end when curl is ended.

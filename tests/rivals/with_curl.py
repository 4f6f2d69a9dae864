"""curl as the service's own page shows it, with `--fail`, over real sockets of this machine."""

import re
import shutil
import socket
import struct
import subprocess
import threading

from ..proof.events import A_RESPONSE, SESSION_ID, EventfulService
from .wire import WORLD, Ends, what_comes

_STILL_WAITING = 5  # real seconds, after which curl, which has no timeout, is taken to hang
_NOT_FOUND = re.compile(r"error: (404|410)")


def curl() -> str | None:
    """Return the version of this machine's curl, or None."""
    if shutil.which("curl") is None:
        return None
    shown = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True)  # noqa: S607
    return shown.stdout.split()[1]


def delete_with_curl() -> Ends:
    """Let curl meet the service of `WORLD`."""
    service = WORLD.service
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if service.refuses:
            service.meet()
            WORLD.now += A_RESPONSE
            server.close()
        else:
            threading.Thread(target=_serve_one, args=(server, service), daemon=True).start()
        url = f"http://127.0.0.1:{port}/v2/interact/{SESSION_ID}"
        command = ["curl", "--noproxy", "*", "--silent", "--show-error", "--fail"]
        command += ["--request", "DELETE", "--header", "Authorization: Bearer fc-test", url]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=_STILL_WAITING, check=False
            )
        except subprocess.TimeoutExpired:
            return Ends.HANGS
    if done.returncode == 0:
        return Ends.GONE
    return Ends.PERHAPS_GONE if _NOT_FOUND.search(done.stderr) else Ends.ERROR


def _serve_one(server: socket.socket, service: EventfulService) -> None:
    connection, _ = server.accept()
    with connection:
        request = connection.recv(65536)
        found, ends_in_reset = what_comes(request, service)
        if found is None:
            connection.recv(1)  # until curl is ended
            return
        WORLD.now += A_RESPONSE
        connection.sendall(found)
        if ends_in_reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

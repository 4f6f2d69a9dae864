"""Connects to one of a host's addresses, without waiting long for those that hang (RFC 8305).

asyncio's own way leaves a connection behind if it is cancelled at the wrong moment, and uvloop has
none.
"""

import asyncio
import socket
from functools import partial
from typing import Any

_NEXT_ADDRESS_AFTER = 0.25  # seconds, as RFC 8305, 8, recommends


async def connect_socket(host: str, port: int, seconds: float) -> socket.socket:
    """Connect to the address that is the first to take the connection.

    The next address has its turn when the one before it failed, or after a quarter of a second
    (RFC 8305, 5). If `seconds` are short for that, each gets an equal share of them.
    """
    loop = asyncio.get_running_loop()
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    addresses = await loop.run_in_executor(None, look_up)
    delay = min(_NEXT_ADDRESS_AFTER, seconds / len(addresses))
    attempts: list[asyncio.Task[socket.socket]] = []
    try:
        while True:
            if addresses:
                attempts.append(loop.create_task(_connect(*addresses.pop(0))))
            done, _ = await asyncio.wait(
                attempts,
                timeout=delay if addresses else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for attempt in done:
                attempts.remove(attempt)
                if (error := attempt.exception()) is None:
                    return attempt.result()
                if not addresses and not attempts:
                    raise error
    finally:
        for attempt in attempts:
            attempt.cancel()
            attempt.add_done_callback(_close_socket)


# Any: each family has its own kind of address.
async def _connect(family: int, kind: int, protocol: int, _: str, address: Any) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _close_socket(attempt: asyncio.Task[socket.socket]) -> None:
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().close()

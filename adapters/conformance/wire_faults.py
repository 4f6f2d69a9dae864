"""The faults of a connection: functions that get a connection that was just accepted."""

from .server import Connection, FaultFunction, good_response

LATE = 0.25  # seconds that a slow service takes
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"  # the head of such a response


def sends(data: bytes, then: FaultFunction | None = None) -> FaultFunction:
    """Send these bytes to the first request, and `then` do something else with the connection."""

    def fault(connection: Connection) -> None:
        connection.read_request()
        connection.send(data)
        if then is not None:
            then(connection)

    return fault


def responds(
    then: FaultFunction | None = None,
    *,
    before: bytes = b"",
    headers: str = "",
    seconds: float = 0,
    surplus: bytes = b"",
) -> FaultFunction:
    """Respond well to the first request, and `then` do something else with the connection.

    The response takes so many seconds. `surplus` goes out with it, and `before` before it.
    """

    def fault(connection: Connection) -> None:
        path = connection.read_request()
        connection.send(before)
        connection.pause(seconds)
        connection.send(good_response(path, headers=headers) + surplus)
        if then is not None:
            then(connection)

    return fault


def sends_and_closes(data: bytes) -> FaultFunction:
    """Send these bytes to the first request, and close the connection."""
    return sends(data, Connection.close)


def resets_soon(connection: Connection) -> None:
    """Reset the connection once what was sent has arrived."""
    connection.pause(0.05)
    connection.reset()


def sends_and_drips(head: bytes, data: bytes) -> FaultFunction:
    """Send a head to the first request at once, and the rest a byte at a time."""
    return sends(head, lambda connection: connection.drip(data))


def sends_and_floods(head: bytes, piece: bytes, *, size: float = float("inf")) -> FaultFunction:
    """Send a head to the first request, and then the same piece over and over."""
    return sends(head, lambda connection: connection.flood(piece, size=size))


def resets_with_the_request_unread(connection: Connection) -> None:
    """Reset the connection as soon as something came in."""
    connection.wait_for_bytes()
    connection.reset()


def stays_silent(connection: Connection) -> None:
    """Read what comes, and never respond."""
    while True:
        connection.read_request()

"""What can go wrong on a connection, a function a fault.

Each works on a connection that was just accepted. What it leaves open is served well afterwards.
"""

from firecrawl_interact.core.transport import MAX_BODY_BYTES

from .server import Connection, FaultFunction, good_response

LATE = 0.25
"""Seconds that a slow service takes."""


def sends(data: bytes) -> FaultFunction:
    """Send these bytes to the first request, and leave the connection open."""

    def fault(connection: Connection) -> None:
        connection.read_request()
        connection.send(data)

    return fault


def sends_and_closes(data: bytes) -> FaultFunction:
    """Send these bytes to the first request, and close the connection."""

    def fault(connection: Connection) -> None:
        connection.read_request()
        connection.send(data)
        connection.close()

    return fault


def sends_and_resets(data: bytes) -> FaultFunction:
    """Send these bytes to the first request, and reset the connection once they arrived."""

    def fault(connection: Connection) -> None:
        connection.read_request()
        connection.send(data)
        connection.pause(0.05)
        connection.reset()

    return fault


def sends_and_stalls(data: bytes) -> FaultFunction:
    """Send these bytes to the first request, and then nothing more."""

    def fault(connection: Connection) -> None:
        connection.read_request()
        connection.send(data)
        while True:
            connection.read_request()

    return fault


def sends_and_drips(head: bytes, data: bytes) -> FaultFunction:
    """Send a head to the first request at once, and the rest a byte at a time."""

    def fault(connection: Connection) -> None:
        connection.read_request()
        connection.send(head)
        connection.drip(data)

    return fault


def sends_and_floods(head: bytes, piece: bytes, *, size: float = float("inf")) -> FaultFunction:
    """Send a head to the first request, and then the same piece over and over."""

    def fault(connection: Connection) -> None:
        connection.read_request()
        connection.send(head)
        connection.flood(piece, size=size)

    return fault


def sends_before_response(interim: bytes) -> FaultFunction:
    """Send these bytes before the response, and a moment later the response."""

    def fault(connection: Connection) -> None:
        path = connection.read_request()
        connection.send(interim)
        connection.pause(0.02)
        connection.respond(path)

    return fault


def sends_with_response(surplus: bytes) -> FaultFunction:
    """Send these bytes with the response, right behind it."""

    def fault(connection: Connection) -> None:
        connection.send(good_response(connection.read_request()) + surplus)

    return fault


def sends_after_response(surplus: bytes) -> FaultFunction:
    """Send these bytes a moment after the response, unasked, and leave the connection open."""

    def fault(connection: Connection) -> None:
        connection.respond(connection.read_request())
        connection.pause(0.03)
        connection.send(surplus)

    return fault


def sends_after_response_and_closes(surplus: bytes) -> FaultFunction:
    """Send these bytes a moment after the response, unasked, and close the connection."""

    def fault(connection: Connection) -> None:
        sends_after_response(surplus)(connection)
        connection.close()

    return fault


def closes_at_once(connection: Connection) -> None:
    """Close the connection as soon as it is accepted."""
    connection.close()


def resets_with_the_request_unread(connection: Connection) -> None:
    """Reset the connection as soon as something came in."""
    connection.wait_for_bytes()
    connection.reset()


def stays_silent(connection: Connection) -> None:
    """Read the request, and never respond."""
    while True:
        connection.read_request()


def responds_too_late(connection: Connection) -> None:
    """Respond when a timeout of 0.4 s is over, on the same connection."""
    path = connection.read_request()
    connection.pause(0.6)
    connection.respond(path)


def responds_late(connection: Connection) -> None:
    """Respond well, but slowly."""
    path = connection.read_request()
    connection.pause(LATE)
    connection.respond(path)


def responds_in_slow_pieces(connection: Connection) -> None:
    """Respond well, in pieces that take a while."""
    response = good_response(connection.read_request())
    for start in range(0, len(response), 16):
        connection.pause(LATE / 8)
        connection.send(response[start : start + 16])


def responds_with_the_largest_chunked_body(connection: Connection) -> None:
    """Respond with as many bytes as the port takes, in chunks, with an extension and a trailer."""
    _, _, body = good_response(connection.read_request(), size=MAX_BODY_BYTES).partition(
        b"\r\n\r\n"
    )
    half = len(body) // 2
    connection.send(CHUNKED)
    for chunk in (body[:half], body[half:]):
        connection.send(b"%X;note=fine\r\n%b\r\n" % (len(chunk), chunk))
    connection.send(b"0\r\nX-Trailer: fine\r\n\r\n")


def responds_and_closes(connection: Connection) -> None:
    """Respond well, and close the connection as if it had been idle for long."""
    connection.respond(connection.read_request())
    connection.close()


def responds_then_closes_on_a_request(connection: Connection) -> None:
    """Respond well once, and close the connection when the second request is there."""
    connection.respond(connection.read_request())
    connection.read_request()
    connection.close()


def responds_then_resets_on_a_request(connection: Connection) -> None:
    """Respond well once, and reset the connection when the second request is there."""
    connection.respond(connection.read_request())
    connection.read_request()
    connection.reset()


def responds_then_cuts_a_response(connection: Connection) -> None:
    """Respond well once, and cut the second response short."""
    connection.respond(connection.read_request())
    sends_and_closes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf")(connection)


def announces_a_close(connection: Connection) -> None:
    """Announce that the connection ends with this response, and leave it open all the same."""
    connection.send(good_response(connection.read_request(), headers="Connection: close\r\n"))


def sets_a_cookie(connection: Connection) -> None:
    """Hand out a cookie."""
    path = connection.read_request()
    connection.send(good_response(path, headers="Set-Cookie: visitor=1; Path=/\r\n"))


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
"""The head of a response in chunks."""

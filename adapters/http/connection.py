"""The rules of a connection that both HTTP transports follow: its time, its tunnel, its reuse."""

import re
import socket
from collections.abc import Mapping
from time import monotonic
from typing import Any, TypeAlias

from firecrawl_interact.core.transport import ConnectFailedError

from ..api_url import ApiUrl
from .framing import ParsedResponse

LONGEST_TIMEOUT = 1_000_000  # seconds: poll(2) takes no more than 2**31 milliseconds
_LONGEST_IDLE = 30  # seconds; servers often close an idle connection after 60
_TIMEOUT = r"(?i)\btimeout[ \t]*=[ \t]*\"?([0-9]{1,9})"


Address: TypeAlias = tuple[int, int, int, str, Any]  # Any: each family has its own kind
"""Family, kind, protocol, name, and what `connect` takes."""


class Deadline:
    """The end of an attempt, of its connect, or of the time in which a connection may be used."""

    def __init__(self, seconds: float) -> None:
        self._time = monotonic() + min(seconds, LONGEST_TIMEOUT)

    def has_passed(self) -> bool:
        """Return whether no time is left."""
        return self._time <= monotonic()

    def seconds_left(self) -> float:
        """Return the seconds that are left, or raise a `TimeoutError`."""
        seconds = self._time - monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        return seconds

    def at_most(self, seconds: float) -> "Deadline":
        """Return the deadline of a part, which has at most this number of seconds."""
        return Deadline(min(seconds, self.seconds_left()))


def numeric_address(host: str, port: int) -> Address | None:
    """Return the address that a host itself is; None if it is a name."""
    bare = host.strip("[]")
    family = socket.AF_INET6 if ":" in bare else socket.AF_INET
    try:
        socket.inet_pton(family, bare)
    except OSError:
        return None
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (bare, port)


def look_up(name: str, port: int) -> list[Address]:
    """Ask the system for the addresses of a name. An `OSError` says why it has none."""
    return list(socket.getaddrinfo(name, port, type=socket.SOCK_STREAM))


def reuse_deadline(response: ParsedResponse) -> Deadline:
    """Return the end of the time in which the connection of a response may be used again.

    A server names the seconds after which it closes an idle connection (RFC 2068, 19.7.1.1). The
    next request has to arrive before that, so it gets a second for its way.
    """
    seconds = 0 if response.ends_connection else _LONGEST_IDLE
    keep_alive = response.headers.get("keep-alive")
    if keep_alive and (named := re.search(_TIMEOUT, keep_alive)):
        seconds = min(seconds, int(named[1]) - 1)
    return Deadline(seconds)


def request_head(method: str, target: str, fields: Mapping[str, str]) -> bytes:
    """Write the head of a request. Refuse what is not ASCII or contains a line end."""
    lines = [f"{method} {target} HTTP/1.1", *[f"{name}: {value}" for name, value in fields.items()]]
    head = "\r\n".join([*lines, "", ""])
    if not head.isascii() or len(head.encode().splitlines()) != len(lines) + 1:
        raise ValueError("a request is ASCII, with a line for each header")
    return head.encode()


def tunnel_head(api_url: ApiUrl, fields: Mapping[str, str]) -> bytes:
    """Write the CONNECT that asks a proxy for a tunnel to the service (RFC 9112, 3.2.3)."""
    target = f"{api_url.host}:{api_url.port}"
    return request_head("CONNECT", target, {**fields, "Host": target})


def check_tunnel(response: ParsedResponse) -> None:
    """Raise a `ConnectFailedError`, which quotes nothing, if a response to CONNECT opens none."""
    status = response.status
    if not 200 <= status < 300:
        can_pass = status >= 500 or status in (408, 429)
        raise ConnectFailedError(f"the proxy refused the tunnel: {status}", transient=can_pass)

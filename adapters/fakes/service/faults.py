"""The faults of a `FakeService`: values for `FakeService.queue` and `FakeService.outage`."""

import math
import re
from collections.abc import Mapping
from typing import get_args

import msgspec

from firecrawl_interact.core.headers import HEADER_NAME, HEADER_TEXT


class FakeServiceError(Exception):
    """The fake was set up or used in a way that cannot work. No response raises it."""


class Reply(msgspec.Struct, frozen=True):
    """A fault: this response instead of the service's own. The service does not act.

    Raises:
        FakeServiceError: HTTP cannot carry the response, or its body is not bytes.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = msgspec.field(default_factory=dict)
    json: object = msgspec.UNSET
    """A value for the body as JSON, such as `{"success": False}`, instead of `body`. It also sets
    `content-type`, unless `headers` does."""

    def __post_init__(self) -> None:
        if not _can_be_sent(self.headers):
            raise FakeServiceError(
                "the headers of a Reply must be text that HTTP can carry, and no Transfer-Encoding"
            )
        if self.json is not msgspec.UNSET:
            self._encode_json()
        if not isinstance(self.body, bytes):
            raise FakeServiceError(
                f"the body of a Reply must be bytes, not {type(self.body).__name__}:"
                ' write b"...", or give json= a value'
            )
        if not isinstance(self.status, int) or not 200 <= self.status <= 599:
            raise FakeServiceError(f"a Reply has a status from 200 to 599, not {self.status!r}")
        if self.body and self.status in BODILESS:
            raise FakeServiceError(f"a response with the status {self.status} has no body")

    def _encode_json(self) -> None:
        try:
            body = msgspec.json.encode(self.json)
        except (TypeError, ValueError, RecursionError) as error:
            raise FakeServiceError(f"json= cannot be written as JSON: {error}") from error
        if self.body not in (b"", body):
            raise FakeServiceError("a Reply has a body or json=, not both")
        # Names in any case: where there are two, the service sends the last one.
        headers = {"content-type": "application/json; charset=utf-8", **self.headers}
        msgspec.structs.force_setattr(self, "body", body)
        msgspec.structs.force_setattr(self, "headers", headers)


def _can_be_sent(headers: object) -> bool:
    return isinstance(headers, Mapping) and all(
        isinstance(name, str)
        and isinstance(value, str)
        and re.fullmatch(HEADER_NAME, name)
        and re.fullmatch(HEADER_TEXT, value)
        and name.lower() != "transfer-encoding"
        for name, value in headers.items()
    )


class NoConnection(msgspec.Struct, frozen=True):
    """A fault: nothing reaches the service, so `requests` does not list the request."""


class NoResponse(msgspec.Struct, frozen=True):
    """A fault: silence until the client's timeout. The service does not act."""


class HeldResponse(msgspec.Struct, frozen=True):
    """A fault: silence that no timeout ends. The service does not act.

    Awaited, a cancellation ends the request; in a run, `shutdown_timeout`; otherwise, Ctrl-C alone.
    """


class LostResponse(msgspec.Struct, frozen=True):
    """A fault: the service acts, and the connection ends before a byte of its response."""


class DrippedResponse(msgspec.Struct, frozen=True):
    """A fault: the service acts, and its response comes byte by byte."""

    seconds_per_byte: float = 1.0
    """Seconds between two bytes. In memory only the bytes of the body count."""

    def __post_init__(self) -> None:
        if not 0 < or_nan(self.seconds_per_byte) < math.inf:
            raise FakeServiceError(f"no response can drip {self.seconds_per_byte!r} s a byte")


Fault = Reply | NoConnection | NoResponse | HeldResponse | LostResponse | DrippedResponse

UNHANDLED = (NoConnection, NoResponse, HeldResponse)
"""The faults with which the service neither acts nor responds."""
BODILESS = (204, 304)
"""The statuses of responses that have no body."""


def or_nan(value: object) -> float:
    """Return a number as it is, and anything else as a NaN, which no comparison accepts."""
    return value if isinstance(value, int | float) else math.nan


def check_fault(fault: object) -> None:
    """Raise a `FakeServiceError` for anything but a fault, such as the class of one."""
    if type(fault) not in get_args(Fault):
        raise FakeServiceError(f"{fault!r} is not a fault, such as NoResponse()")

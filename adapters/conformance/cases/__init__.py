"""The cases of the kit, each module about one thing that a transport promises."""

from ..case import Case
from . import (
    bad_responses,
    connecting,
    handshakes,
    kept_connections,
    lifecycle,
    lost_responses,
    requests,
    responses,
)

CASES: tuple[Case, ...] = (
    *requests.CASES,
    *responses.CASES,
    *connecting.CASES,
    *handshakes.CASES,
    *lost_responses.CASES,
    *bad_responses.CASES,
    *kept_connections.CASES,
    *lifecycle.CASES,
)

__all__ = ["CASES"]

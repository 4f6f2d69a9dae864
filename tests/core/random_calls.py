"""Calls that a number draws: what their requests meet, and when. Each ends as it ended once.

`python -m tests.core.random_calls > tests/core/recorded_calls.json` records them anew. A change of
what is recorded needs a line in the changelog.
"""

import json
import random

from firecrawl_interact import DeleteSession, RetryPolicy, core

from .scripted_transport import DESTROYED, NOT_FOUND, SESSION_ID, UNAUTHORIZED, response
from .side_by_side import FunctionTransport

COUNT = 300
POLICIES = (
    RetryPolicy(),
    RetryPolicy(max_attempts=3, attempt_timeout=30, deadline=60, first_pause=2),
    RetryPolicy(max_attempts=6, deadline=75, first_pause=0, longest_pause=0),
    RetryPolicy(max_attempts=1, attempt_timeout=300, deadline=30),
)
# No wait that is shorter than a backoff, and no jitter, which would lengthen the wait of a 429.
LASTING: tuple[core.Response | core.TransportError, ...] = (
    core.ConnectFailedError("refused"),
    core.TimedOutError("late"),
    core.ConnectionLostError("reset"),
    core.ConnectionLostError("closed", stale=True),
    core.BadResponseError("no HTTP"),
    response(429, {"success": False, "error": "Please retry after 7s, resets at noon"}),
    response(429, {"success": False}, {"retry-after": "34"}),
    response(429, {"success": False}),
    response(502, {"success": False, "error": "Hangar is unavailable."}),
    response(503, {"success": False}, {"retry-after": "20"}),
    response(404, {"success": False, "error": "Hangar request failed."}),
    response(404, {"success": False, "error": "Route not found"}),
    response(401, "a gateway's page"),
    response(200, {"success": False}),
    response(418, "a teapot"),
)
ENDING: tuple[core.Response | core.TransportError, ...] = (
    DESTROYED,
    NOT_FOUND,
    UNAUTHORIZED,
    core.ConnectFailedError("no such certificate", transient=False),
    *(response(status, {"success": False}) for status in (400, 402, 403)),
)


class RandomTransport(FunctionTransport):
    """What a seed draws, on a clock that only requests and waits move."""

    def __init__(self, draw: random.Random) -> None:
        super().__init__()
        self._draw = draw
        self._ends_once_in = draw.choice((2, 4, 8, 16))

    def send(self, request: core.Request, timeout: float) -> core.Response:
        seconds = self._draw.choice((0.0, 0.2, 5.0, 40.0, 100.0))
        ends = self._draw.random() * self._ends_once_in < 1
        met = self._draw.choice(ENDING if ends else LASTING)
        self.now += min(seconds, timeout)
        if seconds > timeout:
            raise core.TimedOutError("no response")
        if isinstance(met, core.TransportError):
            raise met
        return met


def outcome_of(seed: int) -> list[object]:
    """Return how a call ends: what it gives, the fate, its requests, and after how many seconds."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    transport, retry = RandomTransport(draw), draw.choice(POLICIES)
    delete_session = DeleteSession(transport, None, retry=retry, random=lambda: 0.0)
    outcome: core.Outcome
    try:
        outcome = delete_session(SESSION_ID)
    except core.DeleteSessionError as error:
        outcome = error
    kind, seconds = type(outcome).__name__, round(transport.now, 3)
    return [kind, outcome.session_fate, outcome.attempts, seconds]


if __name__ == "__main__":
    rows = ",\n".join(json.dumps(outcome_of(seed)) for seed in range(COUNT))
    print(f"[\n{rows}\n]")

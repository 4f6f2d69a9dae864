"""What must hold for every response: any status, any headers, any bytes.

A plain reader says what each means (`tests/proof/readers.py`). It shares no code with the library.
"""

import logging
import pickle
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Protocol

from hypothesis import given, seed, settings

from firecrawl_interact.core import (
    DeletionReceipt,
    Outcome,
    RequestHeaders,
    Response,
    ResponseError,
    request_headers,
    wire,
)

from ..made_up_responses import shares
from ..proof.readers import FATES, Reading, read_outcome
from .log_records import log_records
from .scripted_transport import SESSION_ID
from .service_responses import SERVICE_RESPONSES, Sent
from .service_shapes import KEYS

FEWEST = 0.02 if settings().derandomize else 0.01  # the share of each class of outcome, at least
HEADERS = {key: request_headers(key) for key in KEYS}


class Reader(Protocol):
    """The module under test, or a copy of it with a fault."""

    def parse_response(
        self, response: Response, /, *, headers: RequestHeaders, session_id: str, attempts: int
    ) -> Outcome: ...


def read(response: Response, key: str, reader: Reader) -> tuple[Outcome, list[logging.LogRecord]]:
    """What the library makes of a response, and what it logs."""
    headers = HEADERS[key]
    with log_records() as records:
        outcome = reader.parse_response(
            response, headers=headers, session_id=SESSION_ID, attempts=1
        )
    return outcome, records


def reading_of(outcome: Outcome) -> Reading:
    what, fate = type(outcome).__name__, outcome.session_fate.name
    if isinstance(outcome, DeletionReceipt):
        return Reading(
            what,
            fate,
            "service",
            session_duration_ms=outcome.session_duration_ms,
            credits_billed=outcome.credits_billed,
            session_status=outcome.status,
        )
    assert isinstance(outcome, ResponseError)
    return Reading(
        what,
        fate,
        outcome.spoken_by,
        transient=outcome.transient,
        http_status=outcome.status,
        message=outcome.message,
        code=outcome.code,
        request_id=outcome.request_id,
        retry_after=outcome.retry_after,
    )


def all_that_is_held(outcome: object) -> Iterator[str]:
    """Yield each form in which somebody can see an outcome and what is behind it."""
    yield from (repr(outcome), str(outcome))
    yield from (pickle.dumps(outcome, protocol).decode("latin-1") for protocol in (0, 5))
    if isinstance(outcome, BaseException):
        yield from (repr(outcome.args), repr(vars(outcome)))
        for behind in (outcome.__cause__, outcome.__context__):
            if behind is not None:
                yield from all_that_is_held(behind)


def fuzzed(sent: Sent, reader: Reader, seen: Counter[str]) -> None:
    """Check a response under each of its statuses, and count the classes under the first."""
    seen.update(classes_of(read_outcome(sent.statuses[0], sent.headers, sent.body, sent.key)))
    for status in sent.statuses:
        check(Response(status, sent.headers, sent.body), sent.key, reader)


def check(response: Response, key: str = KEYS[0], reader: Reader = wire) -> None:
    """Read a response as the plain reader does, and look for the key."""
    outcome, records = read(response, key, reader)
    right = read_outcome(response.status, dict(response.headers), response.body, key)
    assert repr(reading_of(outcome)) == repr(right)  # There, 2 is not 2.0.
    assert (outcome.session_id, outcome.attempts) == (SESSION_ID, 1)
    assert isinstance(outcome, DeletionReceipt) or str(outcome).isprintable()
    logged = [record.getMessage() + repr(vars(record)) for record in records]
    assert not [text for text in [*all_that_is_held(outcome), *logged] if key in text]


def classes_of(reading: Reading) -> Iterator[str]:
    yield reading.outcome
    if reading.credits_billed is not None:
        yield "receipts with a bill"
    if reading.outcome in {"UnauthorizedError", "ForbiddenError"} and reading.transient:
        yield "a gateway's 401 and 403"
    is_unavailable = reading.outcome == "ServiceUnavailableError"
    if is_unavailable and reading.http_status in {200, 400, 401, 402, 403, 404, 410, 429}:
        yield "a status of the backend"
    if reading.retry_after is not None:
        yield "errors with a wait"


PARTS = {
    "receipts with a bill",
    "a gateway's 401 and 403",
    "a status of the backend",
    "errors with a wait",
}


def fuzz(reader: Reader, profile: settings, first_seed: int = 0) -> Counter[str]:
    """Check examples of each kind of response, and return how often each class came.

    If the profile says so, the examples are the same each time.
    """
    seen: Counter[str] = Counter()
    examples = max(35, profile.max_examples // 5)
    for number, (share, responses) in enumerate(SERVICE_RESPONSES.values(), start=first_seed):
        look = settings(profile, max_examples=share * examples)(given(sent=responses)(fuzzed))
        if profile.derandomize:
            seed(number)(look)
        look(reader=reader, seen=seen)
    return seen


def test_every_response_means_what_a_plain_reader_makes_of_it(
    record_property: Callable[[str, object], None],
) -> None:
    seen = fuzz(wire, settings())
    total = sum(seen[outcome] for outcome in FATES)
    record_property("fuzzed responses", f"{total}, of them {shares(seen)}")
    assert {name for name in FATES if seen[name] < FEWEST * total} == set()
    assert {name for name in PARTS if seen[name] < FEWEST / 2 * total} == set()

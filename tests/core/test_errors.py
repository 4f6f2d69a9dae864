"""The errors as objects: their words, and what survives a journey."""

import copy
import inspect
import io
import pickle
import re
from collections.abc import Callable, Iterator

import pytest

from firecrawl_interact.core import (
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    DeleteSessionError,
    InvalidApiKeyError,
    OutageError,
    RateLimitError,
    ResponseError,
    SessionFate,
    TimedOutError,
    UnauthorizedError,
    UnreachableError,
    errors,
)


def family(kind: type[DeleteSessionError]) -> Iterator[type[DeleteSessionError]]:
    yield kind
    for child in kind.__subclasses__():
        yield from family(child)


KINDS = list(family(DeleteSessionError))


def example(kind: type[DeleteSessionError]) -> DeleteSessionError:
    """One with every attribute set to something unusual."""
    error: DeleteSessionError
    if issubclass(kind, ResponseError):
        error = kind(
            "HTTP 418: teapot",
            session_id="a\nb",
            attempts=3,
            status=418,
            message="teapot",
            code="TEAPOT",
            request_id="req-1",
            retry_after=7.0,
        )
    elif issubclass(kind, UnreachableError):
        error = kind(
            "refused",
            session_id="a\nb",
            attempts=3,
            session_fate=SessionFate.UNTOUCHED,
            transient=False,
        )
    else:
        error = kind("refused", session_id="a\nb", attempts=3)
    error.session_fate = SessionFate.UNKNOWN
    error.add_note("while closing the browser")
    return error


OTHERS = [
    ConnectFailedError("refused", transient=False),
    TimedOutError("late"),
    ConnectionLostError("closed", stale=True),
    ConnectionLostError("reset", transient=False),
    BadResponseError("no HTTP", transient=False),
    InvalidApiKeyError("the API key is empty"),
]

journeys = pytest.mark.parametrize(
    "journey",
    [
        lambda error: pickle.loads(pickle.dumps(error, 0)),  # noqa: S301 - our own
        lambda error: pickle.loads(pickle.dumps(error)),  # noqa: S301 - our own
        copy.copy,
        copy.deepcopy,
    ],
    ids=["pickle 0", "pickle", "copy", "deepcopy"],
)


@journeys
@pytest.mark.parametrize(
    "error", [*map(example, KINDS), *OTHERS], ids=lambda error: type(error).__name__
)
def test_every_error_survives_pickle_and_copy(
    error: Exception, journey: Callable[[Exception], Exception]
) -> None:
    arrived = journey(error)
    assert arrived is not error
    assert type(arrived) is type(error)
    assert (str(arrived), arrived.args) == (str(error), error.args)
    assert vars(arrived) == vars(error)


@journeys
def test_the_cause_of_an_unreachable_service_survives_too(
    journey: Callable[[Exception], Exception],
) -> None:
    error = UnreachableError("closed", session_id="a")
    error.__cause__ = ConnectionLostError("closed", stale=True)
    cause = journey(error).__cause__
    assert isinstance(cause, ConnectionLostError)
    assert (str(cause), cause.stale) == ("closed", True)


DRAWN = re.compile(r"^(?P<lead>[ │├└─]*)(?P<name>\w+Error)\b(?P<rest>.*)$", re.MULTILINE)


def drawn_tree() -> Iterator[tuple[str, str | None, str]]:
    """Each line of the drawing: the class, its parent, and what stands behind it."""
    above: list[str] = []
    for line in DRAWN.finditer(inspect.getdoc(errors) or ""):
        depth = len(line["lead"]) // 4 - 1
        above[depth:] = [line["name"]]
        yield line["name"], above[depth - 1] if depth else None, line["rest"]


def test_the_tree_that_is_drawn_is_the_tree() -> None:
    drawn = {name: parent for name, parent, _ in drawn_tree()}
    grown = {
        kind.__name__: None if kind is DeleteSessionError else kind.__bases__[0].__name__
        for kind in KINDS
    }
    assert drawn == grown


def test_the_drawing_names_the_other_parents_and_the_fates() -> None:
    kinds = {kind.__name__: kind for kind in KINDS}
    for name, _, rest in drawn_tree():
        kind = kinds[name]
        assert issubclass(kind, ValueError) is ("(ValueError)" in rest)
        fate = re.search(r"\b(gone|untouched|unknown)\b", rest)
        if fate:
            assert kind.session_fate is SessionFate(fate[0])
        else:
            assert kind in {DeleteSessionError, ResponseError}


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_made_from_a_reason_and_a_session_and_says_what_to_do(
    kind: type[DeleteSessionError],
) -> None:
    error, fate = kind("refused", session_id="a"), kind.session_fate
    assert (error.session_id, error.attempts, error.session_fate) == ("a", 0, fate)
    assert re.fullmatch(rf"Session 'a': refused\. .*{re.escape(kind.advice)}", str(error))
    assert re.fullmatch(r"[A-Z].*\.", kind.advice)
    assert kind.__doc__
    assert kind.__doc__ not in {base.__doc__ for base in kind.__bases__}
    assert repr(kind("refused", session_id="a\nb", attempts=2)) == (
        f"{kind.__name__}('refused', session_id='a\\nb', "
        f"session_fate=SessionFate.{fate.name}, attempts=2)"
    )


def test_a_key_that_cannot_be_sent_concerns_no_session() -> None:
    assert InvalidApiKeyError.__bases__ == (ValueError,)


def test_a_wait_is_advised_only_where_waiting_helps() -> None:
    limited, soon = (
        RateLimitError("HTTP 429", session_id="a", retry_after=wait) for wait in (7.4, 1)
    )
    unauthorized = UnauthorizedError("HTTP 401", session_id="a", retry_after=7.4)
    assert limited.advice == "Delete it again in 8 seconds."
    assert soon.advice == "Delete it again in 1 second."
    assert "second" not in unauthorized.advice
    assert RateLimitError.advice == "Delete it again in a minute."


def test_an_id_is_escaped_in_the_words() -> None:
    error = UnauthorizedError("HTTP 401", session_id="a\n\x1b[31mé'", attempts=1)
    assert str(error).startswith('Session "a\\n\\x1b[31m\\xe9\'": HTTP 401. ')


@pytest.mark.parametrize(
    ("retry_after", "when"),
    [(None, "later"), (0, "in 1 second"), (1, "in 1 second"), (59.5, "in 60 seconds")],
)
def test_an_outage_says_what_was_seen_and_when_to_come_back(
    retry_after: float | None, when: str
) -> None:
    error = OutageError("the service was away", lasted=240, retry_after=retry_after)
    assert str(error) == f"the service was away. The run has ended. Run it again {when}."
    error.__cause__ = RateLimitError("HTTP 429", session_id="a")
    for twin in (error, copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own
        assert str(twin) == (
            f"the service was away (HTTP 429). The run has ended. Run it again {when}."
        )
        assert (twin.lasted, twin.retry_after) == (240, retry_after)


def test_a_cause_of_somebody_elses_keeps_no_error_from_a_pickle() -> None:
    error = UnauthorizedError("HTTP 401", session_id="a")
    error.__cause__ = RuntimeError(lambda: None)
    pickled = io.BytesIO()
    pickler = pickle.Pickler(pickled)
    pickler.dispatch_table = {}  # Dask, once imported, puts a way of its own there.
    pickler.dump(error)
    twin = pickle.loads(pickled.getvalue())  # noqa: S301 - our own bytes
    assert (str(twin), twin.__cause__) == (str(error), None)

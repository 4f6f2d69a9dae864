"""The errors as objects: their tree, their words, and what survives a journey."""

import copy
import pickle
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import pytest

from firecrawl_interact import core

FAILURES = core.TransportError.__subclasses__()


_ErrorT = TypeVar("_ErrorT", bound=core.FirecrawlInteractError)


def family(kind: type[_ErrorT]) -> Iterator[type[_ErrorT]]:
    yield kind
    for child in kind.__subclasses__():
        yield from family(child)


KINDS = list(family(core.DeleteSessionError))
ENDED = partial(core.RunEndedError, "the service was away", reason="outage", lasted=240)


def example(kind: type[core.DeleteSessionError]) -> core.DeleteSessionError:
    """One with every attribute set to something unusual."""
    error = kind("refused", session_id="a\nb", attempts=3)
    error.session_fate, error.transient, error.advice = core.SessionFate.UNKNOWN, True, "Ask."
    error.add_note("while closing the browser")
    if isinstance(error, core.ResponseError):
        error.status, error.message, error.code = 418, "teapot", "TEAPOT"
        error.request_id, error.retry_after = "req-1", 7.0
    return error


def contents(error: BaseException | None) -> object:
    """All that an error holds. A pickle of Python's own leaves its cause out."""
    return error and (type(error), str(error), error.args, vars(error))


@pytest.mark.parametrize(
    "journey",
    [lambda error: pickle.loads(pickle.dumps(error)), copy.copy],  # noqa: S301 - our own
    ids=["pickle", "copy"],
)
@pytest.mark.parametrize(
    "error",
    [
        *map(example, KINDS),
        *(kind("late", transient=False) for kind in FAILURES),
        core.InvalidApiKeyError("the API key is empty"),
        core.JournalError("it is closed", session_id="a"),
        core.NothingOpenedError("nothing was opened"),
        ENDED(retry_after=7),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_can_be_copied(error: Exception, journey: Callable[[Exception], Exception]) -> None:
    arrived = journey(error)
    assert arrived is not error
    assert contents(arrived) == contents(error)


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_says_what_is_known_and_what_to_do(kind: type[core.DeleteSessionError]) -> None:
    error, fate = kind("refused", session_id="a"), kind.session_fate
    assert (error.session_id, error.attempts, error.session_fate) == ("a", 0, fate)
    assert re.fullmatch(rf"Session 'a': refused\. .*{re.escape(kind.advice)}", str(error))
    assert re.fullmatch(r"[A-Z].*\.", kind.advice)
    assert getattr(error, "status", 0) == 0
    assert error.transient or kind is not core.NotTriedError
    assert kind.__doc__ not in {None, *(base.__doc__ for base in kind.__bases__)}


@pytest.mark.parametrize(
    ("session_id", "shown"),
    [
        ("a\n\x1b[31mé'", '"a\\n\\x1b[31m\\xe9\'"'),
        ("x" * 79 + "\n", f"'{'x' * 79}\\n'"),
        ("x" * 81, f"'{'x' * 80}'"),
    ],
)
def test_an_id_is_escaped_in_the_words_and_cut_behind_80(session_id: str, shown: str) -> None:
    error = core.UnauthorizedError("HTTP 401", session_id=session_id)
    assert str(error).startswith(f"Session {shown}: HTTP 401. ")

"""The checks of numbers that callers pass."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firecrawl_interact.core.retry import check_count, check_seconds


@given(st.floats(min_value=0, exclude_min=True, allow_infinity=False) | st.integers(min_value=1))
def test_seconds_are_positive_and_finite(seconds: float) -> None:
    check_seconds("timeout", seconds)


@pytest.mark.parametrize("seconds", [True, "1", None, 1j])
def test_seconds_of_another_type_are_refused(seconds: float) -> None:
    with pytest.raises(TypeError, match="timeout"):
        check_seconds("timeout", seconds)


def test_a_count_is_a_whole_number_from_one() -> None:
    check_count("pool_size", 1)
    for count in (0, -1):
        with pytest.raises(ValueError, match="pool_size"):
            check_count("pool_size", count)


@pytest.mark.parametrize("count", [True, 1.0, "1", None])
def test_a_count_of_another_type_is_refused(count: int) -> None:
    with pytest.raises(TypeError, match="pool_size"):
        check_count("pool_size", count)


@pytest.mark.parametrize(
    ("seconds", "may_be_zero", "longest", "words"),
    [
        (0, False, math.inf, "more than 0 and finite, not 0"),
        (math.nan, False, math.inf, "more than 0 and finite, not nan"),
        (math.inf, False, math.inf, "more than 0 and finite, not inf"),
        (-1, True, math.inf, "at least 0 and finite, not -1"),
        (86_401, False, 86_400, "more than 0 and at most 86,400, not 86401"),
    ],
)
def test_the_message_says_how_many_seconds_are_allowed(
    seconds: float, may_be_zero: bool, longest: float, words: str
) -> None:
    with pytest.raises(ValueError, match=f"^timeout must be seconds, {words}$"):
        check_seconds("timeout", seconds, may_be_zero=may_be_zero, longest=longest)

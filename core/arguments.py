"""Checks of the numbers that callers pass, each with a message that names the argument."""

import math


def check_count(name: str, value: object) -> None:
    """Refuse what is not a whole number of at least 1.

    Raises:
        TypeError, ValueError: it names the argument.
    """
    if type(value) is not int:
        raise TypeError(f"{name} must be an int, not {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value}")


def check_seconds(
    name: str, value: object, *, may_be_zero: bool = False, longest: float = math.inf
) -> None:
    """Refuse what is not a finite number of seconds in the range.

    Args:
        name: the argument.
        value: what was passed for it.
        may_be_zero: whether 0 is in the range.
        longest: the most seconds that are allowed.

    Raises:
        TypeError, ValueError: it names the argument.
    """
    if type(value) is not int and type(value) is not float:
        raise TypeError(f"{name} must be seconds, not {value!r}")
    if not 0 <= value <= longest or value == math.inf or (value == 0 and not may_be_zero):
        least = "at least 0" if may_be_zero else "more than 0"
        most = "finite" if longest == math.inf else f"at most {longest:,.0f}"
        raise ValueError(f"{name} must be seconds, {least} and {most}, not {value!r}")

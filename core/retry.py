"""How many attempts a call makes, how long each may take, and how far apart they are."""

from collections.abc import Callable

import msgspec

from .arguments import check_count, check_seconds

_DAY = 86_400  # No session lives for longer than an hour; beyond a month, sockets overflow.


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When a call makes a retry, and when it gives up. Retries are safe: a session is billed once.

    Raises:
        TypeError, ValueError: a number that cannot work.
    """

    max_attempts: int = 4
    """The most requests for one call, the first included."""
    attempt_timeout: float = 90
    """Seconds for one request. The service may take 70."""
    deadline: float = 240
    """Seconds for the whole call, waits included. A block has it anew after a Ctrl-C, once."""
    first_pause: float = 0.5
    """The shortest pause before the first retry, in seconds. It doubles with each retry, and no
    pause of the policy's own is shorter than 0.1 s: so no client floods a service that is away."""
    longest_pause: float = 8
    """The longest pause before a retry, in seconds, unless the service names one."""

    def __post_init__(self) -> None:
        check_count("max_attempts", self.max_attempts)
        check_seconds("attempt_timeout", self.attempt_timeout, longest=_DAY)
        check_seconds("deadline", self.deadline, longest=_DAY)
        check_seconds("first_pause", self.first_pause, may_be_zero=True, longest=_DAY)
        check_seconds("longest_pause", self.longest_pause, may_be_zero=True, longest=_DAY)

    def pause(self, number: int, random: Callable[[], float]) -> float:
        """Return the seconds to wait before a retry: half of them fixed, half of them random.

        Args:
            number: of the retry, from 1.
            random: gives a number from 0 to 1.
        """
        # Before the first retry it is between first_pause and twice that. 2.0 ** 1000 is about the
        # largest power that a float holds.
        ceiling = min(self.longest_pause, self.first_pause * 2.0 ** min(number, 1000))
        return max(0.1, ceiling / 2 * (1 + random()))


def checked_retry(retry: object) -> RetryPolicy:
    """Return the policy; None is the default one. Anything else is a `TypeError`."""
    if retry is None:
        return RetryPolicy()
    if retry is RetryPolicy:
        raise TypeError("retry must be an object, not the class RetryPolicy: pass RetryPolicy()")
    if not isinstance(retry, RetryPolicy):
        raise TypeError(f"retry must be a RetryPolicy, not {type(retry).__name__}")
    return retry

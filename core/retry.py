"""How often, how long and how far apart a call tries."""

from collections.abc import Callable

import msgspec

_DAY = 86_400  # No session lives for longer than an hour; beyond a month, sockets overflow.


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When a call tries again, and when it gives up. Repeating a delete is safe: it bills once.

    Raises:
        TypeError, ValueError: a number that cannot work.
    """

    max_attempts: int = 4
    """The most requests for one call, the first included."""
    attempt_timeout: float = 90
    """Seconds for one request. The service may take 70."""
    deadline: float = 240
    """Seconds for the whole call, waits included."""
    first_pause: float = 0.5
    """The shortest pause before the first repeat, in seconds. It doubles with each repeat."""
    longest_pause: float = 8
    """The longest pause before a repeat, in seconds, unless the service names one."""

    def __post_init__(self) -> None:
        if type(self.max_attempts) is not int:
            raise TypeError(f"max_attempts must be an int, not {self.max_attempts!r}")
        if self.max_attempts < 1:
            raise ValueError(f"max_attempts must be at least 1, not {self.max_attempts}")
        for name in ("attempt_timeout", "deadline", "first_pause", "longest_pause"):
            seconds = getattr(self, name)
            if type(seconds) not in (int, float):
                raise TypeError(f"{name} must be seconds, not {seconds!r}")
            if not 0 <= seconds <= _DAY or (seconds == 0 and not name.endswith("_pause")):
                least = "from 0" if name.endswith("_pause") else "more than 0"
                raise ValueError(
                    f"{name} must be seconds, {least} and at most a day, not {seconds!r}"
                )

    def pause(self, repeat: int, random: Callable[[], float]) -> float:
        """Seconds to wait before a repeat: half of it fixed, half of it random.

        Args:
            repeat: which one, from 1.
            random: gives a number from 0 to 1.
        """
        # 2.0 ** 1000 is about the largest power that a float holds.
        longest = min(self.longest_pause, self.first_pause * 2.0 ** min(repeat, 1000))
        return longest / 2 * (1 + random())

"""How many requests a team has sent in the minute that counts."""

import math

_ROUNDING = 1e-6  # of floats: a request exactly at the end is not too early


class Minute:
    """A fixed window: it begins with a request, and the next one with the first after its end."""

    def __init__(self) -> None:
        self.requests: int = 0  #: in this minute
        self.ends_at: float = -math.inf

    def count_request(self, now: float) -> None:
        """Count a request, accepted or not, in this minute or in a new one."""
        if self.ends_at - now < _ROUNDING:
            self.requests, self.ends_at = 0, now + 60
        self.requests += 1

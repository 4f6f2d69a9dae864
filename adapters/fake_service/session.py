"""A session of the fake service: whose it is, how long it runs and what that costs."""

import math

import msgspec


class Session(msgspec.Struct):
    """One session. Times are seconds since 1970."""

    team: str
    credits_per_hour: int
    created: float
    ended: float | None = None

    def settle(self, now: float) -> dict[str, object]:
        """End it, if it has not ended before, and return what the service says of it."""
        is_first_time = self.ended is None
        if self.ended is None:
            self.ended = now
        # Seconds since 1970 resolve a quarter of a microsecond: this is seldom a whole number.
        milliseconds = (self.ended - self.created) * 1000
        rate = self.credits_per_hour
        credits_billed = max(math.ceil(rate / 60), math.ceil(milliseconds / 3_600_000 * rate))
        receipt = {"status": "stopped", "creditsBilled": credits_billed}
        return {"sessionDurationMs": milliseconds, **receipt} if is_first_time else receipt

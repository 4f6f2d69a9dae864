"""The system's time, for transports: with a mixin, a new transport is `send` alone."""

import time


class SystemTime:
    """Gives a `Transport` its `monotonic` and `sleep`."""

    def monotonic(self) -> float:
        """Return the time in seconds, on a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread for so many seconds."""
        time.sleep(seconds)


class AsyncSystemTime:
    """Gives an `AsyncTransport` its `monotonic` and `sleep`, under asyncio."""

    def monotonic(self) -> float:
        """Return the time in seconds, on a clock that never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let other tasks run for so many seconds."""
        # Whoever awaits this has asyncio loaded. Its import takes 12 ms after urllib3, 28 without.
        import asyncio  # noqa: PLC0415

        await asyncio.sleep(seconds)

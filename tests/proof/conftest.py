"""What several parts of the proof need."""

import logging

import pytest


@pytest.fixture(autouse=True)
def quiet_log(caplog: pytest.LogCaptureFixture) -> None:
    """Nobody reads a million retries, and each would cost more than the call."""
    caplog.set_level(logging.CRITICAL, logger="firecrawl_interact")

"""What the library logs. Unlike `caplog`, it starts anew for each example of a property."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import BufferingHandler


@contextmanager
def log_records(level: int = logging.DEBUG) -> Iterator[list[logging.LogRecord]]:
    """Collect the records of the library's logger, from this level on."""
    logger, recorder = logging.getLogger("firecrawl_interact"), BufferingHandler(sys.maxsize)
    before = logger.level
    logger.setLevel(level)
    logger.addHandler(recorder)
    try:
        yield recorder.buffer
    finally:
        logger.removeHandler(recorder)
        logger.setLevel(before)

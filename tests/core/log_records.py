"""What the library logs. Unlike `caplog`, it starts anew for each example of a property."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


class _Recorder(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@contextmanager
def log_records(level: int = logging.DEBUG) -> Iterator[list[logging.LogRecord]]:
    """Collect the records of the library's logger, from this level on."""
    logger = logging.getLogger("firecrawl_interact")
    before = logger.level
    recorder = _Recorder()
    logger.setLevel(level)
    logger.addHandler(recorder)
    try:
        yield recorder.records
    finally:
        logger.removeHandler(recorder)
        logger.setLevel(before)

"""The library's one logger, `firecrawl_interact`."""

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import logging


@cache
def logger() -> "logging.Logger":
    """Return the logger. Imported at the first call: `logging` is a third of the import time."""
    import logging  # noqa: PLC0415

    logger = logging.getLogger("firecrawl_interact")
    logger.addHandler(logging.NullHandler())  # Silent until the application says otherwise.
    return logger

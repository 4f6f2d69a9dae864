"""The library's log, and how a text from elsewhere may stand in it or in a message."""

import logging
from collections.abc import Mapping
from contextlib import suppress

logger: logging.Logger = logging.getLogger("firecrawl_interact")


def shown(masked: str, length: int = 500) -> str:
    """Make a text from elsewhere short and safe to show."""
    return printable(masked[:length])[:length]


def printable(text: str) -> str:
    """Escape what would act on a terminal, or forge a line of a log, as Python escapes it."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


def log(
    level: int,
    text: str,
    *arguments: object,
    attributes: Mapping[str, object] | None = None,
    exc_info: bool = False,
) -> None:
    """Log something. A filter or a handler that raises changes nothing."""
    with suppress(Exception):
        try:
            logger.log(level, text, *arguments, extra=attributes, exc_info=exc_info, stacklevel=2)
        except KeyError as error:
            if "overwrite" in str(error):  # The application's records have such a name already.
                logger.log(level, text, *arguments, exc_info=exc_info, stacklevel=2)

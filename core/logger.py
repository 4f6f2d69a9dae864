"""The library's one logger, `firecrawl_interact`."""

import logging

logger: logging.Logger = logging.getLogger("firecrawl_interact")
logger.addHandler(logging.NullHandler())  # Silent until the application says otherwise.

"""A ready `DeleteSession` from the variables that Firecrawl's own clients read.

    FIRECRAWL_API_KEY   the key; not needed where the service is self-hosted without sign-in
    FIRECRAWL_API_URL   the service's address, with or without `/v2`; unset: the cloud's

An empty variable counts as unset.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from firecrawl_interact.core import DeleteSession, InvalidApiKeyError

from .urllib3 import Urllib3Transport

_CLOUD = "https://api.firecrawl.dev"


@contextmanager
def delete_session_from_environment(
    *,
    api_key: str | None = None,
    api_url: str | None = None,
    allow_plain_http: bool = False,
    pool_size: int = 32,
) -> Iterator[DeleteSession]:
    """Give a `DeleteSession` over a `Urllib3Transport` that is closed when the block ends.

    Args:
        api_key: instead of `FIRECRAWL_API_KEY`.
        api_url: instead of `FIRECRAWL_API_URL`.
        allow_plain_http: send the key unencrypted, also beyond this machine.
        pool_size: how many connections are kept.

    Raises:
        InvalidApiKeyError: the key cannot be sent, or is missing where the cloud needs one.
        ValueError: the address cannot be used.

    Nothing is sent before the `DeleteSession` is called.
    """
    address = api_url if api_url is not None else os.environ.get("FIRECRAWL_API_URL") or _CLOUD
    # Clients differ in whether the address ends in the version. The core adds it to every path.
    address = re.sub(r"(?<=[^/])/v2/*\Z", "", address)
    try:
        transport = Urllib3Transport(
            address, allow_plain_http=allow_plain_http, pool_size=pool_size
        )
    except ValueError as error:
        if api_url is not None:
            raise
        raise ValueError(f"FIRECRAWL_API_URL: {error}") from None
    with transport:
        try:
            if api_key is None:
                api_key = _key_of_the_environment()
            if api_key is None and urlsplit(address).hostname == urlsplit(_CLOUD).hostname:
                raise _invalid_key(
                    f"there is no API key, and {_CLOUD} needs one",
                    "Set FIRECRAWL_API_KEY to a key of your team, or FIRECRAWL_API_URL to the"
                    " address of your own service.",
                )
            delete_session = DeleteSession(transport, api_key)
        finally:
            del api_key  # A traceback can show the locals of its frames.
        yield delete_session


def _key_of_the_environment() -> str | None:
    if os.environ.get("FIRECRAWL_API_KEY", "").strip() != os.environ.get("FIRECRAWL_API_KEY", ""):
        raise _invalid_key(
            "FIRECRAWL_API_KEY has space or a line end around the key",
            "Set it to the key alone: a file that holds the key may end in an empty line.",
        )
    return os.environ.get("FIRECRAWL_API_KEY") or None


def _invalid_key(reason: str, advice: str) -> InvalidApiKeyError:
    error = InvalidApiKeyError(reason)
    error.advice = advice
    return error

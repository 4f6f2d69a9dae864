"""A ready `DeleteSession` from the variables that Firecrawl's own clients read.

    FIRECRAWL_API_KEY   the key; not needed where the service is self-hosted without sign-in
    FIRECRAWL_API_URL   the service's address, with or without `/v2`; unset: the cloud's
    FIRECRAWL_INTERACT_JOURNAL   a directory or a postgresql:// URL; unset: there is no journal

An empty variable counts as unset.
"""

import os
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from firecrawl_interact.core import (
    AsyncDeleteSession,
    DeleteSession,
    InvalidApiKeyError,
    Journal,
    RetryPolicy,
)
from firecrawl_interact.core.asyncio_tasks import in_thread

from .http.settings import parse_api_url
from .urllib3 import Urllib3Transport

if TYPE_CHECKING:
    from .aiohttp import AiohttpTransport
    from .file_journal import FileJournal
    from .postgres_journal import PostgresJournal

_CLOUD = "https://api.firecrawl.dev"


class EnvironmentDeleteSession(DeleteSession):
    """A `DeleteSession` that owns its transport. `delete_session_from_environment` makes it.

    It works in a `with` block, which closes the transport, and without one.
    """

    transport: Urllib3Transport
    own_journal: Journal | None = None  #: the one that the environment names

    def close(self) -> None:
        """Close the transport; once more does no harm. A later call is an `UnreachableError`."""
        self.transport.close()
        if self.own_journal is not None:
            self.own_journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class AsyncEnvironmentDeleteSession(AsyncDeleteSession):
    """An `AsyncDeleteSession` that owns its transport.

    `async_delete_session_from_environment` makes it. It works in an `async with` block, which
    closes the transport, and without one.
    """

    transport: "AiohttpTransport"
    own_journal: Journal | None = None  #: the one that the environment names

    async def aclose(self) -> None:
        """Close the transport; once more does no harm. A later call is an `UnreachableError`."""
        await self.transport.aclose()
        if self.own_journal is not None:
            await in_thread(self.own_journal.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()


def delete_session_from_environment(  # noqa: PLR0913 - each is something that users must be able to say
    *,
    api_key: str | None = None,
    api_url: str | None = None,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
    headers: Mapping[str, str] | None = None,
    pool_size: int = 32,
    ssl_context: ssl.SSLContext | None = None,
    proxy: str | None = None,
    allow_plain_http: bool = False,
    user_agent: str | None = None,
    journal: Journal | None = None,
) -> EnvironmentDeleteSession:
    """Make a `DeleteSession` over a `Urllib3Transport` of its own. Nothing is sent yet.

    Args:
        api_key: instead of `FIRECRAWL_API_KEY`.
        api_url: instead of `FIRECRAWL_API_URL`.
        retry: how often, how long and how far apart a call makes attempts.
        headers: sent with every request, besides those of the library and of the transport.
        pool_size: how many connections are kept.
        ssl_context: instead of one that trusts the system's CAs. It must verify.
        proxy: `http[s]://[user:password@]host[:port]`, instead of the environment's.
        allow_plain_http: send the key unencrypted, also beyond this machine.
        user_agent: instead of this library's name and version.
        journal: remembers which sessions are open, in case this process is killed, instead of
            the one that `FIRECRAWL_INTERACT_JOURNAL` names. It stays open.

    Raises:
        InvalidApiKeyError: the key cannot be sent, or is missing where the cloud needs one.
        JournalError: the journal that the environment names cannot be had.
        TypeError, ValueError: the address or another argument cannot be used.
    """
    try:
        address = _address(api_url, allow_plain_http=allow_plain_http)
        transport = Urllib3Transport(
            address,
            pool_size=pool_size,
            ssl_context=ssl_context,
            proxy=proxy,
            allow_plain_http=allow_plain_http,
            user_agent=user_agent,
        )
        own_journal = _journal(address) if journal is None else None
        delete_session = EnvironmentDeleteSession(
            transport,
            _key(api_key, address),
            retry=retry,
            headers=headers,
            journal=journal or own_journal,
        )
        delete_session.own_journal = own_journal
        return delete_session
    finally:
        del api_key, headers, proxy  # A traceback can show the locals of its frames.


def async_delete_session_from_environment(  # noqa: PLR0913 - each is something that users must be able to say
    *,
    api_key: str | None = None,
    api_url: str | None = None,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
    headers: Mapping[str, str] | None = None,
    pool_size: int = 32,
    ssl_context: ssl.SSLContext | None = None,
    proxy: str | None = None,
    allow_plain_http: bool = False,
    user_agent: str | None = None,
    journal: Journal | None = None,
) -> AsyncEnvironmentDeleteSession:
    """Make an `AsyncDeleteSession` over an `AiohttpTransport` of its own. Nothing is sent yet.

    This is no coroutine: it is called without `await`. Arguments and errors are those of
    `delete_session_from_environment`, and one more.

    Raises:
        ImportError: aiohttp is not installed. The message says how to install it.
    """
    from . import AiohttpTransport  # noqa: PLC0415 - without aiohttp it says what to install

    try:
        address = _address(api_url, allow_plain_http=allow_plain_http)
        transport = AiohttpTransport(
            address,
            pool_size=pool_size,
            ssl_context=ssl_context,
            proxy=proxy,
            allow_plain_http=allow_plain_http,
            user_agent=user_agent,
        )
        own_journal = _journal(address) if journal is None else None
        delete_session = AsyncEnvironmentDeleteSession(
            transport,
            _key(api_key, address),
            retry=retry,
            headers=headers,
            journal=journal or own_journal,
        )
        delete_session.own_journal = own_journal
        return delete_session
    finally:
        del api_key, headers, proxy  # A traceback can show the locals of its frames.


def open_journal(place: str, service: str | None) -> "FileJournal | PostgresJournal":
    """Open the journal that a directory or a URL names, for a service's sessions.

    Raises:
        JournalError: it cannot be had.
        ImportError: psycopg is not installed. The message says how to install it.
        ValueError: it is another kind of URL.
    """
    from . import FileJournal, PostgresJournal  # noqa: PLC0415 - few need them

    return (PostgresJournal if "://" in place else FileJournal)(place, service=service)


def _journal(address: str) -> Journal | None:
    place = os.environ.get("FIRECRAWL_INTERACT_JOURNAL")
    return open_journal(place, address) if place else None


def _address(api_url: str | None, *, allow_plain_http: bool) -> str:
    """Return the service's address, checked, so that an error can name the variable."""
    address = api_url if api_url is not None else os.environ.get("FIRECRAWL_API_URL") or _CLOUD
    try:
        return str(parse_api_url(address, allow_plain_http=allow_plain_http))
    except ValueError as error:
        if api_url is not None:
            raise
        raise ValueError(f"FIRECRAWL_API_URL: {error}") from None


def _key(api_key: str | None, address: str) -> str | None:
    if api_key is not None:
        return api_key
    if os.environ.get("FIRECRAWL_API_KEY", "").strip() != os.environ.get("FIRECRAWL_API_KEY", ""):
        raise _invalid_key(
            "FIRECRAWL_API_KEY has space or a line end around the key",
            "Set it to the key alone: a file that holds the key may end in an empty line.",
        )
    is_cloud = urlsplit(address).hostname == urlsplit(_CLOUD).hostname
    if is_cloud and not os.environ.get("FIRECRAWL_API_KEY"):
        raise _invalid_key(
            f"no API key was set, and {_CLOUD} needs one",
            "Set FIRECRAWL_API_KEY to a key of your team, or FIRECRAWL_API_URL to the address of"
            " your own service.",
        )
    return os.environ.get("FIRECRAWL_API_KEY") or None


def _invalid_key(reason: str, advice: str) -> InvalidApiKeyError:
    error = InvalidApiKeyError(reason)
    error.advice = advice
    return error

"""A ready `DeleteSession` from the environment variables of Firecrawl's own clients.

    FIRECRAWL_API_KEY   the key; not needed for a self-hosted service without sign-in
    FIRECRAWL_API_URL   the service's address, with or without `/v2`; default: the cloud's
    FIRECRAWL_INTERACT_JOURNAL   a directory or a postgresql:// URL; default: no journal

An empty variable counts as unset.
"""

import logging
import os
import re
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Self, TypedDict, TypeVar, Unpack

from firecrawl_interact.core import (
    AsyncDeleteSession,
    DeleteSession,
    InvalidApiKeyError,
    Journal,
    RetryPolicy,
)
from firecrawl_interact.core.shielding import in_thread

from .api_url import ApiUrl, parse_api_url
from .urllib3.transport import Urllib3Transport

if TYPE_CHECKING:
    from .asyncio.transport import AsyncioTransport
    from .journals.file import FileJournal
    from .journals.postgres import PostgresJournal

logger: logging.Logger = logging.getLogger("firecrawl_interact")

_CLOUD_HOST = "api.firecrawl.dev"


class HttpOptions(TypedDict, total=False):
    """The options of an HTTP transport besides its address. `HttpTransport` describes them."""

    pool_size: int
    connect_timeout: float
    ssl_context: ssl.SSLContext | None
    proxy: str | None
    allow_plain_http: bool
    user_agent: str | None


class EnvironmentDeleteSession(DeleteSession):
    """A `DeleteSession` that owns its transport, from `delete_session_from_environment`.

    It works in a `with` block, which closes it, and without one.
    """

    transport: Urllib3Transport
    own_journal: Journal | None = None  #: the journal that the environment names
    own_transport: Urllib3Transport | None = None  #: the transport that was made with it

    def close(self) -> None:
        """Close the transport and the journal that were made with it, and no others.

        A later call is an `UnreachableError`. A second `close` changes nothing.
        """
        if self.own_transport is not None:
            self.own_transport.close()
        if self.own_journal is not None:
            self.own_journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class AsyncEnvironmentDeleteSession(AsyncDeleteSession):
    """An `AsyncDeleteSession` that owns its transport, otherwise an `EnvironmentDeleteSession`."""

    transport: "AsyncioTransport"
    own_journal: Journal | None = None  #: the journal that the environment names
    own_transport: "AsyncioTransport | None" = None  #: the transport that was made with it

    async def aclose(self) -> None:
        """Close what was made with it, as `EnvironmentDeleteSession.close` does."""
        if self.own_transport is not None:
            await self.own_transport.aclose()
        if self.own_journal is not None:
            await in_thread(self.own_journal.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()


def delete_session_from_environment(
    *,
    api_key: str | None = None,
    api_url: str | None = None,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
    headers: Mapping[str, str] | None = None,
    journal: Journal | None = None,
    **options: Unpack[HttpOptions],
) -> EnvironmentDeleteSession:
    """Make a `DeleteSession` with its own `Urllib3Transport`. Nothing is sent yet.

    Args:
        api_key: instead of `FIRECRAWL_API_KEY`.
        api_url: instead of `FIRECRAWL_API_URL`.
        retry: the attempts, timeouts and backoff of a call.
        headers: sent with every request, besides those of the library and of the transport.
        journal: instead of `FIRECRAWL_INTERACT_JOURNAL`: remembers which sessions are open, in
            case this process is killed. You close it.
        options: the options of `Urllib3Transport`, by name.

    Raises:
        InvalidApiKeyError: the key cannot be sent, or is missing where the cloud needs one.
        JournalError: the journal that the environment names cannot be opened.
        TypeError, ValueError: the address or another argument cannot work.
    """
    try:
        url = _service(api_url, allow_plain_http=options.get("allow_plain_http", False))
        transport = Urllib3Transport(str(url), **options)
        made = EnvironmentDeleteSession(
            transport, _key(api_key, url.host), retry=retry, headers=headers, journal=journal
        )
        return _own(made)
    finally:
        del api_key, headers, options  # A traceback can show the locals of its frames.


def async_delete_session_from_environment(
    *,
    api_key: str | None = None,
    api_url: str | None = None,
    retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - immutable
    headers: Mapping[str, str] | None = None,
    journal: Journal | None = None,
    **options: Unpack[HttpOptions],
) -> AsyncEnvironmentDeleteSession:
    """Make an `AsyncDeleteSession` with its own `AsyncioTransport`. Nothing is sent yet.

    This is no coroutine: call it without `await`. Arguments and errors are those of
    `delete_session_from_environment`.
    """
    from .asyncio.transport import AsyncioTransport  # noqa: PLC0415 - it brings asyncio and ssl

    try:
        url = _service(api_url, allow_plain_http=options.get("allow_plain_http", False))
        transport = AsyncioTransport(str(url), **options)
        made = AsyncEnvironmentDeleteSession(
            transport, _key(api_key, url.host), retry=retry, headers=headers, journal=journal
        )
        return _own(made)
    finally:
        del api_key, headers, options  # A traceback can show the locals of its frames.


def open_journal(location: str, service: str | None) -> "FileJournal | PostgresJournal":
    """Open the journal that a directory or a URL names, for a service's sessions.

    Raises:
        JournalError: it cannot be opened.
        ImportError: psycopg is not installed. The message says how to install it.
        ValueError: it is another kind of URL.
    """
    from . import FileJournal, PostgresJournal  # noqa: PLC0415 - few need them

    return (PostgresJournal if "://" in location else FileJournal)(location, service=service)


def journal_location() -> str | None:
    """Return what `FIRECRAWL_INTERACT_JOURNAL` names: a directory or a URL, or None if it is unset.

    Raises:
        ValueError: it can be neither. The message does not quote it: a URL may hold a password.
    """
    location = os.environ.get("FIRECRAWL_INTERACT_JOURNAL")
    if not location:
        return None
    problem = None
    if any(one.isspace() or not one.isprintable() for one in location):
        problem = "has a blank or a line end in it"
    elif {location[0], location[-1]} & {'"', "'"}:
        problem = "has quotes around it"
    elif re.match(r"[A-Za-z][A-Za-z0-9+.-]*:(?!//)", location):  # RFC 3986, 3.1
        problem = "has a scheme without // after it"
    elif "://" in location and not re.match("postgres(ql)?://", location):
        problem = "is another kind of URL"
    if problem is not None:
        advice = "set it to a directory, or to a postgresql:// URL"
        raise ValueError(f"FIRECRAWL_INTERACT_JOURNAL {problem}: {advice}")
    return location if "://" in location else os.path.expanduser(location)


def journal_from_environment(service: str | None) -> "FileJournal | PostgresJournal | None":
    """Open the journal that `FIRECRAWL_INTERACT_JOURNAL` names, and say where a relative one lies.

    Returns and raises what `journal_location` and `open_journal` do.
    """
    location = journal_location()
    if location is None:
        return None
    if not os.path.isabs(location) and "://" not in location:
        directory = os.path.abspath(location)
        logger.warning("FIRECRAWL_INTERACT_JOURNAL is a relative path: it is %s", directory)
    return open_journal(location, service)


_Made = TypeVar("_Made", EnvironmentDeleteSession, AsyncEnvironmentDeleteSession)


def _own(made: _Made) -> _Made:
    """Make a use case the owner of its transport, and of the journal of the environment."""
    made.own_transport = made.transport
    if made.journal is None:
        made.journal = made.own_journal = journal_from_environment(made.transport.api_url)
    return made


def _service(api_url: str | None, *, allow_plain_http: bool) -> ApiUrl:
    """Return the address of the service. An error names the variable."""
    if api_url is not None:
        return parse_api_url(api_url, allow_plain_http=allow_plain_http)
    address = os.environ.get("FIRECRAWL_API_URL") or f"https://{_CLOUD_HOST}"
    try:
        return parse_api_url(address, allow_plain_http=allow_plain_http)
    except ValueError as error:
        raise ValueError(f"FIRECRAWL_API_URL: {error}") from None


def _key(api_key: str | None, host: str) -> str | None:
    if api_key is not None:
        return api_key
    if os.environ.get("FIRECRAWL_API_KEY", "").strip() != os.environ.get("FIRECRAWL_API_KEY", ""):
        error = InvalidApiKeyError("FIRECRAWL_API_KEY has space or a line end around the key")
        error.advice = (
            "Set it to the key alone: a file that holds the key may end in an empty line."
        )
        raise error
    if host == _CLOUD_HOST and not os.environ.get("FIRECRAWL_API_KEY"):
        error = InvalidApiKeyError(f"no API key was set, and https://{_CLOUD_HOST} needs one")
        error.advice = (
            "Set FIRECRAWL_API_KEY to a key of your team, or FIRECRAWL_API_URL to the address of"
            " your own service."
        )
        raise error
    return os.environ.get("FIRECRAWL_API_KEY") or None

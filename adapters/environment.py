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
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

from firecrawl_interact.core import (
    AsyncDeleteSession,
    AsyncTransport,
    DeleteSession,
    InvalidApiKeyError,
    JournalError,
    Outcome,
    Recorder,
    RetryPolicy,
    Transport,
    request_headers,
)
from firecrawl_interact.core.log import log, printable

from .api_url import ApiUrl, parse_api_url
from .urllib3.transport import Urllib3Transport

if TYPE_CHECKING:
    from .journals.file import FileJournal
    from .journals.postgres import PostgresJournal

TransportT = TypeVar("TransportT", Transport, AsyncTransport)
T = TypeVar("T")

_CLOUD_HOST = "api.firecrawl.dev"


class HttpOptions(TypedDict, total=False):
    """The options of an HTTP transport besides its address. `HttpTransport` describes them."""

    pool_size: int
    connect_timeout: float
    ssl_context: ssl.SSLContext | None
    proxy: str | None
    allow_plain_http: bool
    user_agent: str | None


def delete_session_from_environment(  # noqa: PLR0913 - each is something that users must be able to say
    *,
    api_key: str | None = None,
    api_url: str | None = None,
    transport: Transport | None = None,
    retry: RetryPolicy | None = None,
    headers: Mapping[str, str] | None = None,
    journal: Recorder | None = None,
    on_outcome: Callable[[Outcome], object] | None = None,
    **options: Unpack[HttpOptions],
) -> DeleteSession:
    """Make a `DeleteSession` with a `Urllib3Transport`. Nothing is sent yet.

    Its `with`, or its `close`, closes the transport and the journal.

    Args:
        api_key: instead of `FIRECRAWL_API_KEY`.
        api_url: instead of `FIRECRAWL_API_URL`.
        transport: instead of a `Urllib3Transport` and its options, for a test for instance.
        retry: the attempts, timeouts and backoff of a call. None: the default of each.
        headers: sent with every request, besides those of the library and of the transport.
        journal: instead of `FIRECRAWL_INTERACT_JOURNAL`: remembers which sessions are open, in
            case this process is killed.
        on_outcome: is called once with each outcome, as `DeleteSession` has it.
        options: the options of `Urllib3Transport`, by name.

    Raises:
        InvalidApiKeyError: the key cannot be sent, or is missing where the cloud needs one.
        JournalError: the journal that the environment names cannot be opened.
        TypeError, ValueError: the address or another argument cannot work.
    """
    try:
        transport = _transport(transport, Urllib3Transport, api_url, options)
        api_key = _key(api_key, transport)
        journal = _journal(journal, transport)
        return DeleteSession(
            transport, api_key, retry=retry, headers=headers, journal=journal, on_outcome=on_outcome
        )
    finally:
        del api_key, headers, options  # A traceback can show the locals of its frames.


def async_delete_session_from_environment(  # noqa: PLR0913 - as above
    *,
    api_key: str | None = None,
    api_url: str | None = None,
    transport: AsyncTransport | None = None,
    retry: RetryPolicy | None = None,
    headers: Mapping[str, str] | None = None,
    journal: Recorder | None = None,
    on_outcome: Callable[[Outcome], object] | None = None,
    **options: Unpack[HttpOptions],
) -> AsyncDeleteSession:
    """Make an `AsyncDeleteSession` with an `AsyncioTransport`. Nothing is sent yet.

    This is not a coroutine: call it without `await`. Arguments and errors are those of
    `delete_session_from_environment`; its `async with`, or its `aclose`, closes what that closes.
    """
    try:
        from .asyncio.transport import AsyncioTransport  # noqa: PLC0415 - it brings asyncio

        transport = _transport(transport, AsyncioTransport, api_url, options)
        api_key = _key(api_key, transport)
        journal = _journal(journal, transport)
        return AsyncDeleteSession(
            transport, api_key, retry=retry, headers=headers, journal=journal, on_outcome=on_outcome
        )
    finally:
        del api_key, headers, options  # As above.


def _transport(
    given: TransportT | None,
    kind: Callable[..., TransportT],
    api_url: str | None,
    options: HttpOptions,
) -> TransportT:
    """Return the transport that was given, or make one of the address and the options."""
    try:
        if given is None:
            allow_plain_http = options.get("allow_plain_http", False)
            return kind(str(service_address(api_url, allow_plain_http)), **options)
        if api_url is not None or options:
            raise TypeError("pass a transport, or the address and the options of one, not both")
        return given
    finally:
        del options  # As above.


def _journal(journal: Recorder | None, transport: Transport | AsyncTransport) -> Recorder | None:
    """Return the journal that was passed, or else the one that the environment names."""
    if journal is not None:
        return journal
    location = journal_location()
    if location is None:
        return None
    try:
        if not os.path.isabs(location) and "://" not in location:
            directory = os.path.abspath(location)
            text = "FIRECRAWL_INTERACT_JOURNAL is a relative path: it is %s"
            log(logging.WARNING, text, printable(directory))
        # A transport of one's own may not say where the service is.
        label = getattr(transport, "api_url", None) or service_address(None, allow_plain_http=True)
        return _of_variable("FIRECRAWL_INTERACT_JOURNAL", open_journal, location, str(label))
    finally:
        del location  # As above: it may hold a password.


def open_journal(location: str, service: str | None) -> "FileJournal | PostgresJournal":
    """Open the journal that a directory or a URL names, for a service's sessions."""
    from . import FileJournal, PostgresJournal  # noqa: PLC0415 - few need them

    return (PostgresJournal if "://" in location else FileJournal)(location, service=service)


def journal_location(location: str | None = None) -> str | None:
    """Return a directory or a URL: by default that of `FIRECRAWL_INTERACT_JOURNAL`, if it is set.

    Raises:
        ValueError: it can be neither. The message does not quote it: a URL may hold a password.
    """
    name = "JOURNAL" if location else "FIRECRAWL_INTERACT_JOURNAL"
    location = location or os.environ.get("FIRECRAWL_INTERACT_JOURNAL")
    if not location:
        return None
    problem = None
    if location != location.strip() or re.search(r"[\0-\x1f\x7f-\x9f]", location):
        problem = "has a blank around it or a control character in it"
    elif {location[0], location[-1]} & {'"', "'"}:
        problem = "has quotes around it"
    elif re.match(r"[A-Za-z][A-Za-z0-9+.-]*:(?!//)", location):  # RFC 3986, 3.1
        problem = "has a scheme without // after it"
    elif "://" in location and not re.match("postgres(ql)?://", location):
        problem = "is another kind of URL"
    elif "://" not in location and re.search(r"password\s*=", location):  # as libpq takes it
        problem = "has a password and is no URL"
    if problem is not None:
        del location  # As above.
        advice = "set it to a directory, or to a postgresql:// URL"
        raise ValueError(f"{name} {problem}: {advice}")
    return os.path.expanduser(location)


def service_address(api_url: str | None, allow_plain_http: bool) -> ApiUrl:
    """Return the address of the service. An error names the variable."""
    parse = partial(parse_api_url, allow_plain_http=allow_plain_http)
    if api_url is not None:
        return parse(api_url)
    cloud = f"https://{_CLOUD_HOST}"
    return _of_variable("FIRECRAWL_API_URL", parse, os.environ.get("FIRECRAWL_API_URL") or cloud)


def _of_variable(name: str, make: Callable[..., T], *arguments: object) -> T:
    """Make something of a variable. The error names it, and has no frame that holds its value."""
    try:
        return make(*arguments)
    except (ValueError, JournalError) as error:
        error.args = (f"{name}: {error.args[0]}",)
        error.__traceback__ = None
        raise  # Python adds no frame of this function to it.


def _reaches_cloud(transport: Transport | AsyncTransport) -> bool:
    address: Any = getattr(transport, "api_url", None)  # Any: of a transport of one's own
    with suppress(TypeError, ValueError):
        return parse_api_url(address, allow_plain_http=True).host == _CLOUD_HOST
    return False


def _key(api_key: str | None, transport: Transport | AsyncTransport) -> str | None:
    if api_key is not None:
        return api_key
    if os.environ.get("FIRECRAWL_API_KEY"):
        _of_variable("FIRECRAWL_API_KEY", request_headers, os.environ["FIRECRAWL_API_KEY"])
    elif _reaches_cloud(transport):
        error = InvalidApiKeyError(f"no API key was set, and https://{_CLOUD_HOST} needs one")
        error.advice = (
            "Set FIRECRAWL_API_KEY to a key of your team, or FIRECRAWL_API_URL to the address of"
            " your own service."
        )
        raise error
    return os.environ.get("FIRECRAWL_API_KEY") or None

"""The headers of every request: the key, what the library asks for, and the user's own."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial

from .errors import InvalidApiKeyError
from .printable import without_secrets

_BEARER_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, 2.1
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_VALUE = re.compile(r"(?:[\x21-\x7e](?:[ \t\x21-\x7e]*[\x21-\x7e])?)?")  # RFC 9110, 5.5
_SHORTEST_SECRET = 8  # characters of a user's own header: many other texts hold a shorter one
_NOTHING = re.compile(r"(?!)")

# identity: the library asks for no compressed response.
_LIBRARY_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}
# The library or its transport sets these, or they would change how the request is carried.
_NOT_FOR_USERS = frozenset(
    {"accept", "accept-encoding", "authorization", "connection", "content-length", "expect"}
    | {"host", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "user-agent"}
)


class RequestHeaders(Mapping[str, str]):
    """The headers of every request, by name. `request_headers` makes them.

    They hold all that must not be shown, and no repr shows it. Python's error trackers print the
    variables of each frame of a traceback, so no secret is in a variable of its own: code that
    has a text from elsewhere masks it before it gives it a name.
    """

    def __init__(self, api_key: object, extra: object = None) -> None:
        self._api_key = api_key
        self._extra = dict(extra) if isinstance(extra, Mapping) else extra
        self._headers: dict[str, str] = {}
        self._secrets = _NOTHING

    def __getitem__(self, name: str) -> str:
        return self._headers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)

    def __repr__(self) -> str:
        return f"RequestHeaders({without_secrets(self._headers)})"

    __sentry_repr__ = __repr__  # It would print the values of a mapping.

    @property
    def own_names(self) -> list[str]:
        """The names of the user's own headers."""
        return [name for name in self if name.lower() not in _NOT_FOR_USERS]

    @property
    def mask(self) -> Callable[[str], str]:
        """A function that returns a text without the key and the values of the user's own headers.

        The service, or a proxy, may send them back. It is no Python function, so that it has no
        frame which would show the text.
        """
        return partial(self._secrets.sub, "***")

    def check(self) -> None:
        """Refuse what cannot be sent. There are no headers before that.

        Raises:
            InvalidApiKeyError, TypeError, ValueError: as `request_headers` does.
        """
        self._check_api_key()
        if self._extra is not None:
            self._check_extra()
        # A subclass of str could give another text than was checked: its methods are not called.
        if isinstance(self._api_key, str):
            self._headers["Authorization"] = f"Bearer {str.__str__(self._api_key)}"
        self._headers.update(_LIBRARY_HEADERS)
        if isinstance(self._extra, dict):
            self._headers.update(
                (str.__str__(name), str.__str__(value)) for name, value in self._extra.items()
            )
        self._secrets = re.compile(
            "|".join(  # The longer one first: one may hold another.
                sorted(map(re.escape, self._find_secrets()), key=len, reverse=True)
            )
            or _NOTHING
        )

    def _find_secrets(self) -> Iterator[str]:
        if isinstance(self._api_key, str):
            yield str.__str__(self._api_key)
        yield from (self[name] for name in self.own_names if len(self[name]) >= _SHORTEST_SECRET)

    def _check_api_key(self) -> None:
        if self._api_key is None:
            return
        if not isinstance(self._api_key, str):
            kind = type(self._api_key).__name__
            raise InvalidApiKeyError(f"an API key is a str or None, not {kind}")
        if not self._api_key:
            raise InvalidApiKeyError("the API key is empty")
        if not _BEARER_TOKEN.fullmatch(self._api_key):
            raise InvalidApiKeyError(
                "the API key has a character that an Authorization header cannot carry"
            )

    def _check_extra(self) -> None:
        if not isinstance(self._extra, dict):
            raise TypeError(f"headers must be a mapping, not {type(self._extra).__name__}")
        if strange := [type(name).__name__ for name in self._extra if not isinstance(name, str)]:
            raise TypeError(f"headers: a name must be a str, not {strange[0]}")
        if not all(map(_NAME.fullmatch, self._extra)):
            raise ValueError(
                "headers: a name has a character that a header's name cannot have, or is empty"
            )
        seen = set()
        for name in self._extra:
            lower = str.lower(name)
            if lower in _NOT_FOR_USERS:
                raise ValueError(f"headers: {name} is for the library or its transport to set")
            if lower in seen:
                raise ValueError(f"headers: {name} comes twice")
            seen.add(lower)
            if not isinstance(self._extra[name], str):
                kind = type(self._extra[name]).__name__
                raise TypeError(f"headers: the value of {name} must be a str, not {kind}")
            if not _VALUE.fullmatch(self._extra[name]):
                raise ValueError(
                    f"headers: the value of {name} has a character that a header cannot carry, "
                    "or white space around it"
                )


def request_headers(api_key: str | None, extra: Mapping[str, str] | None = None) -> RequestHeaders:
    """Return the headers of every request, for `converse`.

    Args:
        api_key: the service's key, or None for a service without sign-in.
        extra: the user's own headers by name, or None.

    Raises:
        InvalidApiKeyError: the key cannot be sent (RFC 6750, 2.1).
        TypeError, ValueError: a header cannot be sent (RFC 9110, 5.5 and 5.6.2), or is not for
            users to set. No error quotes the key or the value of a header.
    """
    headers = RequestHeaders(api_key, extra)
    del api_key, extra  # The traceback of an error shows this frame.
    headers.check()
    return headers

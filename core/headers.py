"""The headers of every request: the key, what the library asks for, and the user's own.

And what may be shown of them.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial

from .errors import FirecrawlInteractError

_TOKEN68 = r"[A-Za-z0-9._~+/-]+=*"  # RFC 6750, 2.1
HEADER_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"  # RFC 9110, 5.6.2
HEADER_TEXT = r"[\t -~\x80-\xff]*+"  # RFC 9110, 5.5, in a response: no control but the tab
_ODD_KEYS = {
    r"": "is empty",
    r"\s.*|.*\s": "has white space around it, such as a line end",
    r"(?i:bearer .*)": "begins with Bearer, which the library adds",
    r"[\"'].*": "stands in quotes",
    r".*": "has a character that an Authorization header cannot carry",
}
"""What is wrong with a key, by a pattern: the first one that fits. None of them shows the key."""
_VALUE = r"(?:[\x21-\x7e](?:[ \t\x21-\x7e]*[\x21-\x7e])?)?"  # RFC 9110, 5.5
_LONG_VALUE = re.compile(r".{8}")
_BACKSLASH = re.compile(r"\\")
_NOTHING = r"(?!)"  # no text matches

# identity: the library asks for no compressed response.
_LIBRARY_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}
# The library or its transport sets these, or they would change how the request is carried.
_NOT_FOR_USERS = frozenset(
    {"accept", "accept-encoding", "authorization", "connection", "content-length", "expect"}
    | {"host", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "user-agent"}
)


class InvalidApiKeyError(FirecrawlInteractError, ValueError):
    """The key cannot stand in an Authorization header (RFC 6750, 2.1). Nothing was sent.

    It is raised where a use case is made, before there is any session.
    """

    advice: str = "Pass the key as the service shows it. A service without sign-in needs none."


class RequestHeaders(Mapping[str, str]):
    """The headers of every request, by name. `request_headers` makes them.

    They hold all that must not be shown, and no repr shows it. Python's error trackers print the
    variables of each frame of a traceback, so no secret is in a variable of its own: code that
    has a text from elsewhere masks it before it gives it a name.
    """

    def __init__(self, api_key: object, extra: object) -> None:
        self._api_key = api_key
        self._extra = dict(extra) if isinstance(extra, Mapping) else extra
        del api_key, extra  # The traceback of an error shows this frame.
        self._headers: dict[str, str] = {}
        self._masked: list[str] = []  # the secrets among their values
        # A subclass of str could give another text than was checked: its methods are not called.
        if self._api_key is not None:
            self._check_api_key()
            self._masked.append(str.__str__(self._api_key))
            self._headers["Authorization"] = f"Bearer {self._masked[0]}"
        self._headers.update(_LIBRARY_HEADERS)
        if self._extra is not None:
            self._add_extra()

    def __getitem__(self, name: str) -> str:
        return self._headers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._headers)

    def __len__(self) -> int:
        return len(self._headers)

    def __repr__(self) -> str:
        return f"RequestHeaders({dict.fromkeys(self, '***')})"

    __sentry_repr__ = __repr__  # It would print the values of a mapping.

    @property
    def own_names(self) -> list[str]:
        """The names of the user's own headers."""
        return [name for name in self if name.lower() not in _NOT_FOR_USERS]

    @cached_property
    def mask(self) -> Callable[[str], str]:
        """A function that returns a text without the secrets, which the service may send back.

        It masks the key, and the values of the user's own headers that have 8 characters or more:
        a shorter one, such as `1`, would garble every text.

        It is not a Python function, so it has no frame that would show the text.
        """
        return _mask_of(map(re.escape, self._masked))

    @cached_property
    def mask_backslashes(self) -> Callable[[str], str]:
        """As `mask`, of the secrets that have a backslash: they may look escaped as they are."""
        return _mask_of(map(re.escape, filter(_BACKSLASH.search, self._masked)))

    def _check_api_key(self) -> None:
        if not isinstance(self._api_key, str):
            kind = type(self._api_key).__name__
            raise InvalidApiKeyError(f"an API key is a str or None, not {kind}")
        if not re.fullmatch(_TOKEN68, self._api_key):
            problems = (
                problem
                for pattern, problem in _ODD_KEYS.items()
                if re.fullmatch(pattern, self._api_key, re.DOTALL)
            )
            raise InvalidApiKeyError(f"the API key {next(problems)}")

    def _add_extra(self) -> None:
        if not isinstance(self._extra, dict):
            raise TypeError(f"headers must be a mapping, not {type(self._extra).__name__}")
        # No name is in a variable before all are checked: it may be `X-Token: secret` by mistake.
        if kinds := [type(name).__name__ for name in self._extra if not isinstance(name, str)]:
            raise TypeError(f"headers: a name must be a str, not {kinds[0]}")
        if not all(map(re.compile(HEADER_NAME).fullmatch, self._extra)):
            odd = "has a character that a header's name cannot have, or is empty"
            raise ValueError(f"headers: a name {odd}")
        seen = set(_NOT_FOR_USERS)
        for name in self._extra:
            if (lower := str.lower(name)) in seen:
                is_ours = lower in _NOT_FOR_USERS
                why = "is for the library or its transport to set" if is_ours else "comes twice"
                raise ValueError(f"headers: {name} {why}")
            seen.add(lower)
            if not isinstance(self._extra[name], str):
                kind = type(self._extra[name]).__name__
                raise TypeError(f"headers: the value of {name} must be a str, not {kind}")
            if not re.fullmatch(_VALUE, self._extra[name]):
                odd = "has a character that a header cannot carry, or white space around it"
                raise ValueError(f"headers: the value of {name} {odd}")
            self._headers[str.__str__(name)] = str.__str__(self._extra[name])
        values = map(self._headers.__getitem__, self.own_names)
        self._masked += filter(_LONG_VALUE.match, values)


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
    try:
        return RequestHeaders(api_key, extra)
    finally:
        del api_key, extra  # The traceback of an error shows this frame.


def _mask_of(patterns: Iterator[str]) -> Callable[[str], str]:
    # Descending: of two secrets, one the start of the other, the longer comes first. No variable
    # holds them: a frame would show it.
    return partial(re.compile("|".join(sorted(patterns, reverse=True)) or _NOTHING).sub, "***")

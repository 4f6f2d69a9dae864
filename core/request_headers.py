"""The headers of every request: the key, what the library asks for, and the user's own."""

import re
from collections.abc import Mapping
from typing import TypeAlias

from .errors import InvalidApiKeyError

_BEARER_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750, 2.1
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2
_VALUE = re.compile(r"(?:[\x21-\x7e](?:[ \t\x21-\x7e]*[\x21-\x7e])?)?")  # RFC 9110, 5.5

LIBRARY_HEADERS = frozenset({"Authorization", "Accept", "Accept-Encoding"})  #: not the user's own

# The library or its transport sets these, or they would change how the request is carried.
_NOT_FOR_USERS = frozenset(
    {"accept", "accept-encoding", "authorization", "connection", "content-length", "expect"}
    | {"host", "keep-alive", "proxy-authorization", "proxy-connection", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "user-agent"}
)

Problem: TypeAlias = InvalidApiKeyError | TypeError | ValueError


def request_headers(
    api_key: object, extra: object = None
) -> tuple[Mapping[str, str], Problem | None]:
    """Return the headers of every request, and what is wrong with them, if anything is.

    The error is returned and not raised: a traceback can show the locals of its frames, and
    those of this one hold the key. No error quotes the key or the value of a header.

    Args:
        api_key: the key, or None for a service without sign-in.
        extra: the user's own headers by name, or None.
    """
    # identity: the library asks for no compressed response.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    problem = _api_key_problem(api_key) or _extra_problem(extra)
    if problem is not None:
        return headers, problem
    # A subclass of str could give another text than was checked: its methods are not called.
    if isinstance(api_key, str):
        headers = {"Authorization": f"Bearer {str.__str__(api_key)}", **headers}
    if isinstance(extra, Mapping):
        headers |= {str.__str__(name): str.__str__(value) for name, value in extra.items()}
    return headers, None


def _api_key_problem(api_key: object) -> Problem | None:
    if api_key is None:
        return None
    if not isinstance(api_key, str):
        return InvalidApiKeyError(f"an API key is a str or None, not {type(api_key).__name__}")
    if not api_key:
        return InvalidApiKeyError("the API key is empty")
    if not _BEARER_TOKEN.fullmatch(api_key):
        return InvalidApiKeyError(
            "the API key has a character that an Authorization header cannot carry"
        )
    return None


def _extra_problem(extra: object) -> Problem | None:
    if extra is None:
        return None
    if not isinstance(extra, Mapping):
        return TypeError(f"headers must be a mapping, not {type(extra).__name__}")
    seen = set()
    for name, value in extra.items():
        if not isinstance(name, str):
            return TypeError(f"headers: a name must be a str, not {type(name).__name__}")
        if not _NAME.fullmatch(name):
            return ValueError(
                "headers: a name has a character that a header's name cannot have, or is empty"
            )
        lower = name.lower()
        if lower in _NOT_FOR_USERS:
            return ValueError(f"headers: {name} is for the library or its transport to set")
        if lower in seen:
            return ValueError(f"headers: {name} comes twice")
        seen.add(lower)
        if not isinstance(value, str):
            return TypeError(
                f"headers: the value of {name} must be a str, not {type(value).__name__}"
            )
        if not _VALUE.fullmatch(value):
            return ValueError(
                f"headers: the value of {name} has a character that a header cannot carry, "
                "or white space around it"
            )
    return None

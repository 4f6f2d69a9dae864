"""Text from elsewhere, made safe to show."""

from collections.abc import Mapping

# Every value of these headers may be shown: no user can set them, and no secret is in them.
_OPEN_HEADERS = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "content-type", "date", "host"}
    | {"retry-after", "transfer-encoding", "user-agent"}
)


def printable(text: str) -> str:
    """Escape what would act on a terminal, or forge a line of a log.

    Returns:
        The text. Each character that is not printable is written as Python escapes it.
    """
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


def without_secrets(value: object) -> object:
    """Return what a repr may show of a part of a request or a response.

    Args:
        value: a body (bytes), headers (a mapping), or anything else, which comes back as it is.

    Returns:
        The length of a body, since a service may send the key back in it. Headers, with each
        value masked except those that never hold a secret. The scheme of an `Authorization`
        stays.
    """
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, Mapping):
        return {name: _masked_header(name.lower(), text) for name, text in value.items()}
    return value


def _masked_header(name: str, text: str) -> str:
    if name in _OPEN_HEADERS:
        return text
    scheme, _, credential = text.partition(" ")
    return f"{scheme} ***" if name == "authorization" and credential else "***"

"""What `check` says: whether address, route, key and right are good, or which of them is not."""

from firecrawl_interact.core import (
    BadRequestError,
    DeleteSessionError,
    ForbiddenError,
    PaymentRequiredError,
    ResponseError,
    UnauthorizedError,
    UnexpectedResponseError,
    UnreachableError,
)

_ADVICE = {
    "address": "Check FIRECRAWL_API_URL or --api-url, and any proxy or gateway on the way.",
    "route": "Check the address: a server older than June 2026 does not know /v2/interact.",
    "right": "Use a key that may delete sessions.",
}


def verdict(error: DeleteSessionError) -> str:
    """Say in one line what is not good, beginning with the word for it.

    Args:
        error: what `DeleteSession.check` raised.
    """
    what = _what_is_wrong(error)
    advice = _ADVICE.get(what, error.advice)
    if what == "unknown":
        seconds = error.retry_after if isinstance(error, ResponseError) else None
        when = "later" if seconds is None else f"in {seconds:.0f} s"
        advice = f"This says nothing about the key or its right: check again {when}."
    return f"{what}: {error.args[0]}. {advice}"


def _what_is_wrong(error: DeleteSessionError) -> str:
    match error:
        case UnreachableError():
            return "address"
        case UnauthorizedError() | ForbiddenError() if error.transient:
            return "address"  # A gateway said it.
        case UnauthorizedError():
            return "key"
        case ForbiddenError() | PaymentRequiredError():
            return "right"
        case BadRequestError():
            return "route"
        case UnexpectedResponseError():
            return "route" if error.status in {404, 405} else "address"
        case _:
            return "unknown"

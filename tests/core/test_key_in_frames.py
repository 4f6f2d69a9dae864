"""The key is in no frame of ours that a traceback could show, and in nothing that has a repr."""

import pytest

from firecrawl_interact.core import (
    AsyncDeleteSession,
    ConnectFailedError,
    DeleteSession,
    Request,
    Response,
    RetryPolicy,
    TimedOutError,
)

from .package_frames import shown_locals
from .scripted_transport import (
    DESTROYED,
    RATE_LIMITED,
    UNAUTHORIZED,
    UNAVAILABLE,
    Delete,
    ScriptedTransport,
    answer,
    both_ways,
    delete_blocking,
    error_of,
)

CANARY = "fc-canary0123"


@both_ways
@pytest.mark.parametrize(
    "end",
    [
        UNAUTHORIZED,
        UNAVAILABLE,
        RATE_LIMITED,
        Response(200, {}, b""),
        ConnectFailedError("refused"),
        TimedOutError("late"),
    ],
    ids=repr,
)
def test_no_frame_of_ours_shows_the_key(
    end: Response | ConnectFailedError | TimedOutError, delete: Delete
) -> None:
    retry = RetryPolicy(max_attempts=2)
    error = error_of(delete, ScriptedTransport(end, end), api_key=CANARY, retry=retry)
    assert CANARY not in shown_locals(error)


@pytest.mark.parametrize("use_case", [DeleteSession, AsyncDeleteSession])
def test_a_refused_policy_does_not_show_the_key(
    use_case: type[DeleteSession | AsyncDeleteSession],
) -> None:
    with pytest.raises(TypeError) as raised:
        use_case(ScriptedTransport(), CANARY, retry=3)  # type: ignore[arg-type] # the point
    assert CANARY not in shown_locals(raised.value)


def test_a_credential_without_a_scheme_is_hidden_too() -> None:
    assert CANARY not in repr(Request("DELETE", "/x", {"Authorization": CANARY}))


def test_a_subclass_of_str_cannot_send_another_key_than_was_checked() -> None:
    class Sly(str):
        __slots__ = ()

        def __str__(self) -> str:
            return "x\r\nX-Injected: y"

    transport = ScriptedTransport(DESTROYED)
    delete_blocking(transport, api_key=Sly("abc"))
    assert transport.requests[0].headers["Authorization"] == "Bearer abc"


def test_a_receipt_does_not_tell_the_key_that_the_service_sends_back() -> None:
    told = answer(200, {"success": True, "status": CANARY})
    receipt = delete_blocking(ScriptedTransport(told), api_key=CANARY)
    assert receipt.status == "***"

"""The port: what crosses it, and the four kinds of failure."""

import pytest

from firecrawl_interact.core import (
    MAX_BODY_BYTES,
    BadResponseError,
    ConnectFailedError,
    ConnectionLostError,
    TimedOutError,
    TransportError,
)

KINDS = [ConnectFailedError, TimedOutError, ConnectionLostError, BadResponseError]


def test_there_are_four_kinds_of_failure() -> None:
    assert set(TransportError.__subclasses__()) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_connection_that_failed_reached_nothing(kind: type[TransportError]) -> None:
    assert kind("words").sent is (kind is not ConnectFailedError)


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_says_its_words_and_whether_a_retry_can_help(
    kind: type[TransportError],
) -> None:
    assert str(kind("words")) == "words"
    assert kind("words").transient is True
    assert kind("words", transient=False).transient is False


def test_a_lost_connection_is_not_stale_unless_said() -> None:
    assert ConnectionLostError("words").stale is False
    assert ConnectionLostError("words", stale=True).stale is True
    assert ConnectionLostError("words", stale=True).transient is True


def test_a_body_is_at_most_a_mebibyte() -> None:
    assert MAX_BODY_BYTES == 1_048_576

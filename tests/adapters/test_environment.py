"""From `FIRECRAWL_API_KEY` and `FIRECRAWL_API_URL` to a ready `DeleteSession`."""

import traceback

import pytest

from firecrawl_interact.adapters import delete_session_from_environment
from firecrawl_interact.core import InvalidApiKeyError, UnreachableError

KEY = "fc-0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIRECRAWL_API_KEY", raising=False)
    monkeypatch.delenv("FIRECRAWL_API_URL", raising=False)


def strings_shown_by(error: BaseException) -> list[str]:
    """What a traceback with locals would show: its message, and every string of its frames."""
    frames = traceback.walk_tb(error.__traceback__)
    values = [value for frame, _ in frames for value in frame.f_locals.values()]
    return [str(error), *(value for value in values if isinstance(value, str))]


def shown() -> str:
    """What the repr says of the address, and of whether there is a key."""
    with delete_session_from_environment() as delete_session:
        return repr(delete_session)


def test_a_key_alone_means_the_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRECRAWL_API_KEY", KEY)
    assert "'https://api.firecrawl.dev'" in shown()


@pytest.mark.parametrize("end", ["", "/", "/v2", "/v2/", "/v2//"])
@pytest.mark.parametrize("address", ["https://firecrawl.example", "https://gate.example/firecrawl"])
def test_the_address_may_end_in_the_version(
    monkeypatch: pytest.MonkeyPatch, address: str, end: str
) -> None:
    monkeypatch.setenv("FIRECRAWL_API_URL", address + end)
    assert f"'{address}'" in shown()


@pytest.mark.parametrize(
    "address", ["https://v2", "https://firecrawl.example/v1", "https://firecrawl.example/xv2"]
)
def test_what_only_looks_like_the_version_stays(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("FIRECRAWL_API_URL", address)
    assert f"'{address}'" in shown()


def test_empty_variables_count_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRECRAWL_API_KEY", "")
    monkeypatch.setenv("FIRECRAWL_API_URL", "")
    with pytest.raises(InvalidApiKeyError, match=r"there is no API key, and https://api\."):
        shown()


@pytest.mark.parametrize(
    "address", ["https://API.firecrawl.dev/v2", "https://api.firecrawl.dev:443"]
)
def test_the_cloud_needs_a_key_however_its_address_is_written(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("FIRECRAWL_API_URL", address)
    with pytest.raises(InvalidApiKeyError, match="Set FIRECRAWL_API_KEY to a key of your team"):
        shown()


def test_a_service_of_ones_own_needs_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRECRAWL_API_URL", "http://127.0.0.1:3002")
    assert "api_key=None" in shown()


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\n", f" {KEY}", "\n", " "])
def test_space_around_the_key_is_refused_not_stripped(
    monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("FIRECRAWL_API_KEY", key)
    with pytest.raises(InvalidApiKeyError, match="FIRECRAWL_API_KEY has space or a line end"):
        shown()


@pytest.mark.parametrize("end", ["\n", '"', "\N{ZERO WIDTH NO-BREAK SPACE}"])
def test_no_traceback_of_a_refused_key_shows_it(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setenv("FIRECRAWL_API_KEY", KEY + end)
    with pytest.raises(InvalidApiKeyError) as caught:
        shown()
    assert not any(KEY in text for text in strings_shown_by(caught.value))


def test_no_traceback_of_a_refused_argument_shows_it() -> None:
    with (
        pytest.raises(InvalidApiKeyError) as caught,
        delete_session_from_environment(api_key=f"{KEY}\n"),
    ):
        pass
    assert not any(KEY in text for text in strings_shown_by(caught.value))


def test_no_traceback_of_the_block_shows_the_key() -> None:
    with pytest.raises(LookupError) as caught, delete_session_from_environment(api_key=KEY):
        raise LookupError
    assert not any(KEY in text for text in strings_shown_by(caught.value))


@pytest.mark.parametrize("address", ["localhost:3002", "ftp://x", "https://x\n", "http://x/v2"])
def test_an_address_that_cannot_be_used_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("FIRECRAWL_API_URL", address)
    with pytest.raises(ValueError, match=r"^FIRECRAWL_API_URL: "):
        shown()


def test_arguments_come_before_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRECRAWL_API_KEY", f"{KEY}\n")
    monkeypatch.setenv("FIRECRAWL_API_URL", "no address")
    with delete_session_from_environment(
        api_key=KEY, api_url="http://firecrawl.example/v2", allow_plain_http=True
    ) as delete_session:
        assert "'http://firecrawl.example'" in repr(delete_session)


def test_empty_arguments_are_refused_instead_of_looking_elsewhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FIRECRAWL_API_KEY", KEY)
    with (
        pytest.raises(InvalidApiKeyError, match="the API key is empty"),
        delete_session_from_environment(api_key=""),
    ):
        pass
    with pytest.raises(ValueError, match="api_url"), delete_session_from_environment(api_url=""):
        pass


def test_nothing_can_be_sent_after_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRECRAWL_API_KEY", KEY)
    with delete_session_from_environment() as delete_session:
        pass
    with pytest.raises(UnreachableError, match="closed"):
        delete_session("550e8400-e29b-41d4-a716-446655440000")

"""From `FIRECRAWL_API_KEY` and `FIRECRAWL_API_URL` to a ready use case, blocking and awaited."""

import asyncio
import pickle
import ssl
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from firecrawl_interact.adapters import (
    AsyncEnvironmentDeleteSession,
    EnvironmentDeleteSession,
    FakeService,
    InMemoryJournal,
    LoopbackService,
    Urllib3Transport,
    async_delete_session_from_environment,
    delete_session_from_environment,
)
from firecrawl_interact.core import (
    DeleteManySessions,
    DeleteSession,
    DeletionReceipt,
    InvalidApiKeyError,
    JournalError,
    RetryPolicy,
    UnreachableError,
)

KEY = "fc-0123456789abcdef0123456789abcdef"

Make = Callable[..., EnvironmentDeleteSession | AsyncEnvironmentDeleteSession]

both_ways = pytest.mark.parametrize(
    "make", [delete_session_from_environment, async_delete_session_from_environment]
)


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FIRECRAWL_API_KEY", raising=False)
    monkeypatch.delenv("FIRECRAWL_API_URL", raising=False)
    monkeypatch.delenv("FIRECRAWL_INTERACT_JOURNAL", raising=False)


def strings_shown_by(error: BaseException) -> list[str]:
    """What a traceback with locals shows: the message, and each string of the room's frames."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [frame for frame in frames if frame.f_code.co_filename.endswith("/environment.py")]
    assert ours
    return [str(error), *(repr(value) for frame in ours for value in frame.f_locals.values())]


@both_ways
class TestTheKey:
    def test_alone_means_the_cloud(self, monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
        monkeypatch.setenv("FIRECRAWL_API_KEY", KEY)
        assert "'https://api.firecrawl.dev'" in repr(make())

    def test_is_unset_if_it_is_empty(self, monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
        monkeypatch.setenv("FIRECRAWL_API_KEY", "")
        monkeypatch.setenv("FIRECRAWL_API_URL", "")
        with pytest.raises(InvalidApiKeyError) as caught:
            make()
        assert "no API key was set, and https://api.firecrawl.dev needs one" in str(caught.value)
        assert "Set FIRECRAWL_API_KEY to a key of your team" in str(caught.value)

    @pytest.mark.parametrize(
        "address", ["https://API.firecrawl.dev/v2", "https://api.firecrawl.dev:443"]
    )
    def test_is_needed_by_the_cloud_however_its_address_is_written(
        self, monkeypatch: pytest.MonkeyPatch, make: Make, address: str
    ) -> None:
        monkeypatch.setenv("FIRECRAWL_API_URL", address)
        with pytest.raises(InvalidApiKeyError, match="no API key was set"):
            make()

    def test_is_not_needed_by_a_service_of_ones_own(
        self, monkeypatch: pytest.MonkeyPatch, make: Make
    ) -> None:
        monkeypatch.setenv("FIRECRAWL_API_URL", "http://127.0.0.1:3002")
        assert "api_key=None" in repr(make())

    @pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\r\n", f" {KEY}", "\n", " "])
    def test_with_space_around_it_is_refused_not_stripped(
        self, monkeypatch: pytest.MonkeyPatch, make: Make, key: str
    ) -> None:
        monkeypatch.setenv("FIRECRAWL_API_KEY", key)
        with pytest.raises(InvalidApiKeyError, match="FIRECRAWL_API_KEY has space or a line end"):
            make()

    @pytest.mark.parametrize("end", ["\n", '"', "\N{ZERO WIDTH NO-BREAK SPACE}"])
    def test_is_in_no_frame_of_the_traceback_that_refuses_it(
        self, monkeypatch: pytest.MonkeyPatch, make: Make, end: str
    ) -> None:
        monkeypatch.setenv("FIRECRAWL_API_KEY", KEY + end)
        with pytest.raises(InvalidApiKeyError) as from_the_variable:
            make()
        with pytest.raises(InvalidApiKeyError) as from_the_argument:
            make(api_key=KEY + end)
        for caught in (from_the_variable, from_the_argument):
            assert not any(KEY in text for text in strings_shown_by(caught.value))

    def test_is_in_no_frame_nor_is_another_secret_if_an_argument_is_refused(
        self, make: Make
    ) -> None:
        with pytest.raises(ValueError, match="socks5") as caught:
            make(
                api_key=KEY,
                headers={"X-Tenant": "secret"},
                proxy="socks5://user:secret@127.0.0.1",
            )
        shown = strings_shown_by(caught.value)
        assert not any(KEY in text or "secret" in text for text in shown)


class TestTheAddress:
    @both_ways
    def test_may_end_in_the_version(self, monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
        monkeypatch.setenv("FIRECRAWL_API_URL", "https://gate.example/firecrawl/v2/")
        assert "'https://gate.example/firecrawl'" in repr(make())

    @both_ways
    @pytest.mark.parametrize("address", ["localhost:3002", "ftp://x", "https://x\n", "http://x/v2"])
    def test_that_cannot_be_used_names_its_variable(
        self, monkeypatch: pytest.MonkeyPatch, make: Make, address: str
    ) -> None:
        monkeypatch.setenv("FIRECRAWL_API_URL", address)
        with pytest.raises(ValueError, match=r"^FIRECRAWL_API_URL: "):
            make()


@both_ways
class TestAnArgument:
    def test_comes_before_the_variable(self, monkeypatch: pytest.MonkeyPatch, make: Make) -> None:
        monkeypatch.setenv("FIRECRAWL_API_KEY", f"{KEY}\n")
        monkeypatch.setenv("FIRECRAWL_API_URL", "no address")
        made = make(api_key=KEY, api_url="http://firecrawl.example/v2", allow_plain_http=True)
        assert "'http://firecrawl.example'" in repr(made)

    def test_that_is_empty_is_refused_instead_of_looking_elsewhere(
        self, monkeypatch: pytest.MonkeyPatch, make: Make
    ) -> None:
        monkeypatch.setenv("FIRECRAWL_API_KEY", KEY)
        with pytest.raises(InvalidApiKeyError, match="the API key is empty"):
            make(api_key="")
        with pytest.raises(ValueError, match="api_url"):
            make(api_url="")

    @pytest.mark.parametrize(
        ("option", "refused"),
        [
            ("pool_size", 0),
            ("connect_timeout", 0),
            ("ssl_context", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)),
            ("proxy", "socks5://proxy"),
            ("user_agent", ""),
        ],
    )
    def test_of_the_transport_is_the_transports_to_judge(
        self, make: Make, option: str, refused: object
    ) -> None:
        with pytest.raises(ValueError, match=f"^{option} "):
            make(api_key=KEY, **{option: refused})

    def test_that_nobody_knows_is_refused(self, make: Make) -> None:
        with pytest.raises(TypeError, match="timeout"):
            make(api_key=KEY, timeout=5)

    def test_may_be_the_policy(self, make: Make) -> None:
        retry = RetryPolicy(max_attempts=7)
        assert make(api_key=KEY, retry=retry).retry == retry

    def test_may_be_headers(self, make: Make) -> None:
        made = make(api_key=KEY, headers={"X-Tenant": "secret"})
        assert "headers={'X-Tenant': '***'}" in repr(made)

    def test_may_be_a_journal(self, make: Make) -> None:
        journal = InMemoryJournal()
        assert make(api_key=KEY, journal=journal).journal is journal

    def test_may_be_a_journal_although_the_environment_names_another(
        self, monkeypatch: pytest.MonkeyPatch, make: Make, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("FIRECRAWL_INTERACT_JOURNAL", str(tmp_path))
        journal = InMemoryJournal()
        assert make(api_key=KEY, journal=journal).journal is journal

    def test_may_be_a_proxy(self, make: Make) -> None:
        made = make(api_key=KEY, proxy="http://user:secret@127.0.0.1:3128")
        assert "proxy='http://***@127.0.0.1:3128'" in repr(made)

    def test_may_be_an_ssl_context(self, make: Make) -> None:
        made = make(api_key=KEY, ssl_context=ssl.create_default_context())
        with pytest.raises(TypeError, match="a transport with an ssl_context cannot be pickled"):
            pickle.dumps(made)


@both_ways
class TestTheJournal:
    @pytest.mark.skipif(sys.platform == "win32", reason="FileJournal needs Linux or macOS")
    def test_is_a_directory_for_the_sessions_of_the_address(
        self, monkeypatch: pytest.MonkeyPatch, make: Make, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("FIRECRAWL_INTERACT_JOURNAL", str(tmp_path))
        made = make(api_key=KEY, api_url="https://gate.example/v2")
        shown = f"FileJournal({str(tmp_path)!r}, service='https://gate.example')"
        assert repr(made.journal) == shown

    def test_is_a_database_if_it_is_named_by_a_url(
        self, monkeypatch: pytest.MonkeyPatch, make: Make
    ) -> None:
        monkeypatch.setenv("FIRECRAWL_INTERACT_JOURNAL", "postgresql://me:secret@db.example/jobs")
        shown = (
            "PostgresJournal('postgresql://db.example/jobs', service='https://api.firecrawl.dev')"
        )
        assert repr(make(api_key=KEY).journal) == shown

    @pytest.mark.parametrize("place", ["", None])
    def test_is_none_if_nothing_names_it(
        self, monkeypatch: pytest.MonkeyPatch, make: Make, place: str | None
    ) -> None:
        monkeypatch.delenv("FIRECRAWL_INTERACT_JOURNAL", raising=False)
        if place is not None:
            monkeypatch.setenv("FIRECRAWL_INTERACT_JOURNAL", place)
        assert make(api_key=KEY).journal is None

    def test_that_cannot_be_had_is_said(
        self, monkeypatch: pytest.MonkeyPatch, make: Make, tmp_path: Path
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("FIRECRAWL_INTERACT_JOURNAL", str(tmp_path / "file"))
        with pytest.raises(JournalError, match="file cannot be created"):
            make(api_key=KEY)

    def test_is_closed_with_the_use_case(
        self, monkeypatch: pytest.MonkeyPatch, make: Make, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("FIRECRAWL_INTERACT_JOURNAL", str(tmp_path))
        made = make(api_key=KEY)
        assert made.journal is not None
        made.journal.opened("one")
        if isinstance(made, AsyncEnvironmentDeleteSession):
            asyncio.run(made.aclose())
        else:
            made.close()
        with pytest.raises(JournalError, match="it is closed"):
            made.journal.opened("two")


@pytest.mark.enable_socket
class TestTheUseCase:
    def test_works_without_a_block_and_closes_when_asked_to(self) -> None:
        service = FakeService()
        session_id = service.open_session()
        with LoopbackService(service) as loopback:
            delete_session = delete_session_from_environment(
                api_key="fc-test", api_url=loopback.api_url, user_agent="Browsing/1"
            )
            assert delete_session(session_id).session_id == session_id
            delete_session.close()
            delete_session.close()
            with pytest.raises(UnreachableError, match="closed"):
                delete_session(session_id)
        assert [request.headers["User-Agent"] for request in service.requests] == ["Browsing/1"]

    def test_closes_the_transport_that_was_made_with_it_and_no_other(self) -> None:
        service = FakeService()
        with LoopbackService(service) as loopback, Urllib3Transport(loopback.api_url) as other:
            delete_session = delete_session_from_environment(
                api_key="fc-test", api_url=loopback.api_url
            )
            made = delete_session.transport
            delete_session.transport = other
            delete_session.close()
            delete_session(service.open_session())
            with pytest.raises(UnreachableError, match="closed"):
                DeleteSession(made, "fc-test")("unknown")

    def test_works_in_a_block_that_closes_it(self) -> None:
        service = FakeService()
        with LoopbackService(service) as loopback:
            with delete_session_from_environment(
                api_key="fc-test", api_url=loopback.api_url
            ) as delete_session:
                with delete_session.on_exit(service.open_session()):
                    pass
                (receipt,) = DeleteManySessions(delete_session)([service.open_session()])
            assert isinstance(receipt, DeletionReceipt)
            assert service.sessions_left_open == []
            with pytest.raises(UnreachableError, match="closed"):
                delete_session("unknown")

    def test_awaited_works_without_a_block_and_closes_when_asked_to(self) -> None:
        service = FakeService()
        session_id = service.open_session()

        async def delete_and_close(api_url: str) -> None:
            delete_session = async_delete_session_from_environment(
                api_key="fc-test", api_url=api_url, user_agent="Browsing/1"
            )
            assert (await delete_session(session_id)).session_id == session_id
            await delete_session.aclose()
            await delete_session.aclose()
            with pytest.raises(UnreachableError, match="closed"):
                await delete_session(session_id)

        with LoopbackService(service) as loopback:
            asyncio.run(delete_and_close(loopback.api_url))
        assert [request.headers["User-Agent"] for request in service.requests] == ["Browsing/1"]

    def test_awaited_works_in_a_block_that_closes_it(self) -> None:
        service = FakeService()

        async def delete_in_a_block(api_url: str) -> None:
            async with async_delete_session_from_environment(
                api_key="fc-test", api_url=api_url
            ) as delete_session:
                await delete_session(service.open_session())
            with pytest.raises(UnreachableError, match="closed"):
                await delete_session("unknown")

        with LoopbackService(service) as loopback:
            asyncio.run(delete_in_a_block(loopback.api_url))
        assert service.sessions_left_open == []

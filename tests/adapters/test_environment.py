"""From `FIRECRAWL_API_KEY` and `FIRECRAWL_API_URL` to a ready use case, blocking and awaited."""

import asyncio
import logging
import re
import ssl
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import pytest

from firecrawl_interact import adapters
from firecrawl_interact.adapters import (
    AsyncInMemoryTransport,
    FakeService,
    InMemoryJournal,
    InMemoryTransport,
    LoopbackService,
    async_delete_session_from_environment,
    delete_session_from_environment,
)
from firecrawl_interact.core import (
    AsyncDeleteSession,
    DeleteSession,
    InvalidApiKeyError,
    JournalError,
    Outcome,
    RetryPolicy,
    UnreachableError,
)

FOLDER = adapters.__path__[0]
KEY = "fc-0123456789abcdef0123456789abcdef"

Make = Callable[..., DeleteSession | AsyncDeleteSession]
SetVariables = Callable[..., None]
Values = dict[str, Any]  # Any: of many types

both_ways = pytest.mark.parametrize(
    "make", [delete_session_from_environment, async_delete_session_from_environment]
)


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> SetVariables:
    """Sets variables of the environment, by the ends of their names. The others are unset."""

    def set_variables(**values: object) -> None:
        for name in ("API_KEY", "API_URL", "INTERACT_JOURNAL"):
            monkeypatch.delenv(f"FIRECRAWL_{name}", raising=False)
        for name, value in values.items():
            monkeypatch.setenv(f"FIRECRAWL_{name}", str(value))

    set_variables()
    return set_variables


CLOUD = {"API_KEY": KEY}
OTHERS = {"API_KEY": f"{KEY}\n", "API_URL": "no address"}


@both_ways
@pytest.mark.parametrize(
    ("values", "arguments", "shown"),
    [
        (CLOUD, {}, "'https://api.firecrawl.dev'"),
        ({"API_URL": "http://127.0.0.1:3002", "API_KEY": ""}, {}, "api_key=None"),
        ({"API_URL": "https://my.api.firecrawl.dev"}, {}, "api_key=None"),
        ({**CLOUD, "API_URL": "http://x/v2"}, {"allow_plain_http": True}, "'http://x'"),
        ({**CLOUD, "API_URL": "https://x.example/a/v2/"}, {}, "'https://x.example/a'"),
        (OTHERS, {"api_key": KEY, "api_url": "https://x.example/v2"}, "'https://x.example'"),
        (CLOUD, {"api_url": "http://x/v2", "allow_plain_http": True}, "'http://x'"),
        (CLOUD, {"headers": {"X-Tenant": "secret"}}, "headers={'X-Tenant': '***'}"),
        (CLOUD, {"proxy": "http://user:secret@proxy:3128"}, "proxy='http://***@proxy:3128'"),
        (CLOUD, {"retry": RetryPolicy(max_attempts=7)}, "max_attempts=7"),
    ],
)
def test_an_argument_comes_before_its_variable(
    make: Make, variables: SetVariables, values: Values, arguments: Values, shown: str
) -> None:
    variables(**values)
    assert shown in repr(make(**arguments))


@both_ways
@pytest.mark.parametrize(
    ("values", "arguments", "problem"),
    [
        ({"API_KEY": "", "API_URL": ""}, {}, "no API key was set, and https://api.firecrawl.dev"),
        ({"API_URL": "https://API.firecrawl.dev/v2"}, {}, "no API key was set"),
        (
            {"API_URL": "http://api.firecrawl.dev:443"},
            {"allow_plain_http": True},
            "Set FIRECRAWL_API_KEY to a key of you",
        ),
        *(
            ({"API_KEY": key}, {}, "^FIRECRAWL_API_KEY: the API key ")
            for key in (f"{KEY}\n", f" {KEY}", " ", f"'{KEY}'", f"Bearer {KEY}", f"{KEY} # ours")
        ),
        *(
            ({**CLOUD, "API_URL": address}, {}, "^FIRECRAWL_API_URL: ")
            for address in ("localhost:3002", "ftp://x", "https://x\n", "http://x/v2")
        ),
        (CLOUD, {"api_key": ""}, "the API key is empty"),
        (CLOUD, {"api_url": ""}, "^api_url "),
        (CLOUD, {"pool_size": 0}, "^pool_size "),
        (CLOUD, {"connect_timeout": 0}, "^connect_timeout "),
        (CLOUD, {"connect_timeout": 10**400}, "^connect_timeout "),
        (CLOUD, {"ssl_context": ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)}, "^ssl_context "),
        (CLOUD, {"proxy": "socks5://proxy"}, "^proxy "),
        (CLOUD, {"user_agent": ""}, "^user_agent "),
        (CLOUD, {"timeout": 5}, "unexpected keyword argument 'timeout'"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_name(
    make: Make, variables: SetVariables, values: Values, arguments: Values, problem: str
) -> None:
    variables(**values)
    with pytest.raises((ValueError, TypeError), match=problem) as caught:
        make(**arguments)
    assert isinstance(caught.value, InvalidApiKeyError) is bool(re.search("API.key", problem, re.I))


@both_ways
@pytest.mark.parametrize("end", ["\n", '"', "\N{ZERO WIDTH NO-BREAK SPACE}"])
def test_no_secret_is_in_a_frame_of_the_traceback_that_refuses_it(
    make: Make, variables: SetVariables, end: str
) -> None:
    own = {"headers": {"X-Tenant": "secret"}, "proxy": "socks5://user:secret@127.0.0.1"}
    journal = "postgresql://user:secret@127.0.0.1:port/jobs?what"
    for values, arguments in (
        ({}, {"api_key": KEY + end}),
        ({"API_KEY": KEY + end}, {}),
        (CLOUD, own),
        ({**CLOUD, "API_URL": f"https://{KEY}@127.0.0.1"}, {}),
        ({**CLOUD, "INTERACT_JOURNAL": journal}, {}),
        ({**CLOUD, "INTERACT_JOURNAL": journal + end}, {}),
    ):
        variables(**values)
        with pytest.raises(ValueError, match=r"API_|API key|proxy|JOURNAL|database") as caught:
            make(**arguments)
        frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
        ours = [one.f_locals for one in frames if one.f_code.co_filename.startswith(FOLDER)]
        assert ours
        assert not re.search(f"{KEY}|secret", f"{caught.value} {ours}")
        assert caught.value.__context__ is None  # It has frames, too.


@both_ways
def test_the_journal_is_the_one_that_is_passed_or_named_or_none_or_an_error(
    make: Make, variables: SetVariables, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert make(api_key=KEY).journal is None
    variables(INTERACT_JOURNAL="")
    assert make(api_key=KEY).journal is None
    variables(INTERACT_JOURNAL=tmp_path)
    shown = f"FileJournal({str(tmp_path)!r}, service='https://x.example')"
    assert repr(make(api_key=KEY, api_url="https://x.example/v2").journal) == shown
    journal = MagicMock(**{"__bool__.return_value": False})
    assert make(api_key=KEY, journal=journal).journal is journal
    variables(INTERACT_JOURNAL="postgres://me:secret@db.example/jobs")
    shown = "PostgresJournal('postgres://db.example/jobs', service='https://api.firecrawl.dev')"
    assert repr(make(api_key=KEY).journal) == shown
    assert caplog.messages == []
    (tmp_path / "file").touch()
    variables(INTERACT_JOURNAL=tmp_path / "file")
    with pytest.raises(JournalError, match=r"^FIRECRAWL_INTERACT_JOURNAL: .* cannot be created"):
        make(api_key=KEY)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("'{}", "has quotes around it"),
        ('{}"', "has quotes around it"),
        ("{}\n", "has a blank around it or a control character in it"),
        ("{}\none more", "has a blank around it or a control character in it"),
        (" {}", "has a blank around it or a control character in it"),
        ("postgresql:/secret@host/jobs", "has a scheme without // after it"),
        ("jdbc:postgresql://host/jobs", "has a scheme without // after it"),
        ("mysql://secret@host/jobs", "is another kind of URL"),
        ("host=db user=me password=secret dbname=jobs", "has a password and is no URL"),
    ],
)
def test_a_variable_that_can_name_no_journal_is_refused_and_makes_nothing(
    variables: SetVariables,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    value: str,
    problem: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    variables(INTERACT_JOURNAL=value.format(tmp_path / "journal"))
    advice = "set it to a directory, or to a postgresql:// URL"
    with pytest.raises(ValueError, match=f"^FIRECRAWL_INTERACT_JOURNAL {problem}: {advice}$"):
        delete_session_from_environment(api_key=KEY)
    assert list(tmp_path.iterdir()) == []
    delete_session_from_environment(api_key=KEY, journal=InMemoryJournal())  # It takes precedence.


@pytest.mark.parametrize("name", ["caf\udce9", "no\u00a0break"])  # The first is no UTF-8.
def test_a_variable_may_name_any_directory_and_all_that_names_it_can_be_printed(
    variables: SetVariables,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    variables(INTERACT_JOURNAL=name)
    made = delete_session_from_environment(api_key=KEY)
    made.close()
    assert made.journal is not None
    with pytest.raises(JournalError) as raised:
        made.journal.opened("one")
    for text in (*caplog.messages, str(raised.value)):
        assert ascii(f"{tmp_path}/{name}").strip("'") in text


def test_a_variable_may_begin_at_home_and_where_a_relative_one_lies_is_logged(
    variables: SetVariables,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    variables(INTERACT_JOURNAL="~/Application Support")
    delete_session_from_environment(api_key=KEY)
    assert (tmp_path / "home" / "Application Support").is_dir()
    assert caplog.messages == []
    variables(INTERACT_JOURNAL="open-sessions")
    delete_session_from_environment(api_key=KEY)
    expected = tmp_path / "open-sessions"
    assert expected.is_dir()
    text = f"FIRECRAWL_INTERACT_JOURNAL is a relative path: it is {expected}"
    assert caplog.record_tuples == [("firecrawl_interact", logging.WARNING, text)]
    monkeypatch.setattr(logging.getLogger("firecrawl_interact"), "filter", lambda record: 1 / 0)
    delete_session_from_environment(api_key=KEY)


@pytest.mark.enable_socket
@both_ways
def test_it_works_without_a_block_and_in_one_that_closes_it(
    make: Make, variables: SetVariables, tmp_path: Path
) -> None:
    variables(INTERACT_JOURNAL=tmp_path)
    service, told = FakeService(), list[Outcome]()
    with LoopbackService(service) as loopback, asyncio.Runner() as runner:
        made = make(
            api_key="fc-test",
            api_url=loopback.api_url,
            user_agent="Browsing/1",
            on_outcome=told.append,
        )
        is_awaited = isinstance(made, AsyncDeleteSession)

        def end(call: Any) -> object:  # Any: what is awaited, or a result
            async def result() -> object:
                return await call

            return runner.run(result()) if is_awaited else call

        assert end(made(service.open_session())) is told[-1]
        enter, leave = ("__aenter__", "__aexit__") if is_awaited else ("__enter__", "__exit__")
        for _ in range(2):
            assert end(getattr(made, enter)()) is made
            end(getattr(made, leave)(None, None, None))
        with pytest.raises(UnreachableError, match="closed"):
            end(made("unknown"))
    assert made.journal is not None
    with pytest.raises(JournalError, match="it is closed"):
        made.journal.opened("two")
    assert service.sessions_left_open == []
    assert [request.headers["User-Agent"] for request in service.requests] == ["Browsing/1"]


class Cloud(InMemoryTransport):
    api_url = "https://api.firecrawl.dev"


class Memory(InMemoryTransport):
    api_url: Any = None  # as a transport of one's own that does not say it


def test_a_transport_of_ones_own_takes_the_key_and_the_journal_of_the_environment(
    variables: SetVariables, tmp_path: Path
) -> None:
    service, told = FakeService(["fc-test"]), list[Outcome]()
    with pytest.raises(InvalidApiKeyError, match="no API key was set"):
        delete_session_from_environment(transport=Cloud(service))
    variables(API_KEY="fc-test", INTERACT_JOURNAL=tmp_path, API_URL="http://firecrawl:3002")
    for transport, label in (
        (Cloud(service), "https://api.firecrawl.dev"),
        (InMemoryTransport(service), "in memory"),
        (Memory(service), "http://firecrawl:3002"),
    ):
        with delete_session_from_environment(
            transport=transport, on_outcome=told.append
        ) as delete_session:
            assert delete_session(service.open_session()) is told[-1]
        assert f"service={label!r}" in repr(delete_session.journal)


def test_a_transport_of_another_service_needs_no_key() -> None:
    service = FakeService([])
    for transport in (InMemoryTransport(service), Memory(service)):
        delete_session_from_environment(transport=transport).check()
    awaited = async_delete_session_from_environment(transport=AsyncInMemoryTransport(service))
    asyncio.run(awaited.check())


@both_ways
@pytest.mark.parametrize("others", [{"api_url": "https://x.example"}, {"pool_size": 2}])
def test_a_transport_has_an_address_and_options_of_its_own(make: Make, others: Values) -> None:
    with pytest.raises(TypeError, match="pass a transport, or the address and the options of one"):
        make(transport=InMemoryTransport(FakeService()), api_key=KEY, **others)

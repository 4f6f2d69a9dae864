"""From the environment's variables to a ready use case, blocking and awaited."""

import asyncio
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from firecrawl_interact import (
    AsyncDeleteSession,
    AsyncInMemoryTransport,
    DeleteSession,
    FakeService,
    FileJournal,
    ForbiddenError,
    InMemoryJournal,
    InMemoryTransport,
    InvalidApiKeyError,
    JournalError,
    LoopbackService,
    Outcome,
    Reply,
    RetryPolicy,
    async_delete_session_from_environment,
    delete_session_from_environment,
)

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
FORBIDDEN = Reply(403, json={"success": False, "error": "Forbidden."})
OTHERS = {"API_KEY": f"{KEY}\n", "API_URL": "no address"}


@both_ways
@pytest.mark.parametrize(
    ("values", "arguments", "shown"),
    [
        (CLOUD, {}, "'https://api.firecrawl.dev'"),
        ({"API_URL": "http://127.0.0.1:3002", "API_KEY": ""}, {}, "'http://127.0.0.1:3002'"),
        ({**CLOUD, "API_URL": ""}, {}, "'https://api.firecrawl.dev'"),
        ({**CLOUD, "API_URL": "http://x/v2"}, {"allow_plain_http": True}, "'http://x'"),
        ({**CLOUD, "API_URL": "https://x.example/a/v2/"}, {}, "'https://x.example/a'"),
        (OTHERS, {"api_key": KEY, "api_url": "http://x", "allow_plain_http": True}, "'http://x'"),
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
        ({"API_KEY": "", "API_URL": ""}, {}, "no API key was set, but https://api.firecrawl.dev"),
        ({"API_URL": "https://API.firecrawl.dev/v2"}, {}, "no API key was set"),
        *(
            ({"API_KEY": key}, {}, "^FIRECRAWL_API_KEY: the API key ")
            for key in (f"{KEY}\n", f" {KEY}", " ", f"'{KEY}'", f"Bearer {KEY}", f"{KEY} # ours")
        ),
        *(
            ({**CLOUD, "API_URL": address}, {}, "^FIRECRAWL_API_URL ")
            for address in ("ftp://x", "https://x\n", "http://x/v2", f"https://me:{KEY}@127.0.0.1")
        ),
        (CLOUD, {"api_key": ""}, "the API key is empty"),
        (CLOUD, {"api_url": ""}, "^api_url "),
        (CLOUD, {"pool_size": 0}, "^pool_size "),
        (CLOUD, {"connect_timeout": 0}, "^connect_timeout "),
        (CLOUD, {"timeout": 5}, "unexpected keyword argument 'timeout'"),
        *(
            ({**CLOUD, "INTERACT_JOURNAL": location}, {}, problem)
            for location, problem in (
                (
                    f"mysql://me:{KEY}@127.0.0.1/jobs",
                    "_JOURNAL: a journal must be a ",
                ),
                (
                    f"host=127.0.0.1 password={KEY}",
                    "_JOURNAL: a journal must be a ",
                ),
                (
                    f"postgresql://me:{KEY}@127.0.0.1/jobs?what",
                    "_JOURNAL: database must be a ",
                ),
                (__file__, "^Cannot open the journal "),
            )
        ),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_name_without_a_secret(
    make: Make, variables: SetVariables, values: Values, arguments: Values, problem: str
) -> None:
    variables(**values)
    with pytest.raises((ValueError, TypeError, JournalError), match=problem) as caught:
        make(**arguments)
    assert isinstance(caught.value, InvalidApiKeyError) is bool(re.search("API.key", problem, re.I))
    assert KEY not in "".join(traceback.format_exception(caught.value))


# --- the journal ---------------------------------------------------------------------------------


@both_ways
def test_the_journal_is_the_one_that_is_passed_or_named_or_none(
    make: Make, variables: SetVariables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def journal(**arguments: Any) -> str:  # Any: of many types
        return repr(make(api_key=KEY, **arguments)).partition("journal=")[2].removesuffix(")")

    assert journal() == ""
    variables(INTERACT_JOURNAL="")
    assert journal() == ""
    variables(INTERACT_JOURNAL=tmp_path)
    expected = f"FileJournal({str(tmp_path)!r}, service='https://x.example')"
    assert journal(api_url="https://x.example/v2") == expected
    assert journal(journal=InMemoryJournal()) == repr(
        InMemoryJournal(service="https://api.firecrawl.dev")
    )
    for home in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(home, str(tmp_path))
    variables(INTERACT_JOURNAL="~/jobs")
    assert f"FileJournal({str(tmp_path / 'jobs')!r}" in journal()
    variables(INTERACT_JOURNAL="postgres://me:secret@db.example/jobs")
    where = "'postgresql://db.example/jobs', service='https://api.firecrawl.dev'"
    assert journal() == f"PostgresJournal({where})"


# --- ready to use --------------------------------------------------------------------------------


@pytest.mark.enable_socket
@both_ways
def test_it_works_in_a_block_that_closes_it(
    make: Make, variables: SetVariables, tmp_path: Path
) -> None:
    variables(INTERACT_JOURNAL=tmp_path, API_KEY="fc-test")
    service, told = FakeService(), list[Outcome]()
    session_ids = [service.open_session() for _ in range(2)]
    service.queue(FORBIDDEN, session_id=session_ids[1])

    async def use_in_tasks(made: AsyncDeleteSession) -> None:
        async with made, made.on_exit(session_ids[1]):
            await made(session_ids[0])

    def use(made: DeleteSession) -> None:
        with made, made.on_exit(session_ids[1]):
            made(session_ids[0])

    with LoopbackService(service) as loopback:
        api_url = loopback.api_url
        own = {"user_agent": "Browsing/1", "headers": {"X-Team": "a"}}
        made = make(api_url=api_url, on_outcome=told.append, **own)
        with pytest.raises(ForbiddenError):
            asyncio.run(use_in_tasks(made)) if isinstance(made, AsyncDeleteSession) else use(made)
    assert [outcome.session_id for outcome in told] == session_ids
    for request in service.requests:
        assert (request.headers["User-Agent"], request.headers["X-Team"]) == ("Browsing/1", "a")
    assert FileJournal(tmp_path, service=api_url).orphans() == session_ids[1:]


class Cloud(InMemoryTransport):
    api_url = "https://api.firecrawl.dev"


class Memory(InMemoryTransport):
    api_url: Any = None  # as a transport of one's own that does not say it


@pytest.mark.parametrize(
    ("transport_class", "address", "label"),
    [
        (Cloud, "no address", "https://api.firecrawl.dev"),
        (InMemoryTransport, "no address", "in memory"),
        (Memory, "http://firecrawl:3002/v2", "http://firecrawl:3002"),
        (Memory, "", "https://api.firecrawl.dev"),
    ],
)
def test_a_given_transport_gets_the_environments_key_and_journal(
    variables: SetVariables,
    tmp_path: Path,
    transport_class: type[InMemoryTransport],
    address: str,
    label: str,
) -> None:
    variables(API_KEY="fc-test", INTERACT_JOURNAL=tmp_path, API_URL=address)
    service = FakeService(["fc-test"])
    with delete_session_from_environment(transport=transport_class(service)) as delete_session:
        delete_session(service.open_session())
    assert f"service={label!r}" in repr(delete_session)


def test_a_transport_of_another_service_needs_no_key() -> None:
    service = FakeService([])
    for transport in (InMemoryTransport(service), Memory(service)):
        delete_session_from_environment(transport=transport).check()
    awaited = async_delete_session_from_environment(transport=AsyncInMemoryTransport(service))
    asyncio.run(awaited.check())
    with pytest.raises(InvalidApiKeyError, match="no API key was set"):
        delete_session_from_environment(transport=Cloud(service))


@both_ways
@pytest.mark.parametrize("others", [{"api_url": "https://x.example"}, {"pool_size": 2}])
def test_a_transport_has_an_address_and_options_of_its_own(make: Make, others: Values) -> None:
    with pytest.raises(TypeError, match="pass a transport, or api_url and the options of one"):
        make(transport=InMemoryTransport(FakeService()), api_key=KEY, **others)

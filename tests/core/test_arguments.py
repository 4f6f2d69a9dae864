"""What callers may pass. What would lose a session in silence is refused, and names no secret."""

import asyncio
import enum
import math
import re
import traceback
import uuid
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import wraps
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock, create_autospec

import pytest
from hypothesis import example, given, strategies as st

from firecrawl_interact import core
from firecrawl_interact.adapters import AsyncioTransport, FileJournal, Urllib3Transport

from .scripted_transport import (
    DESTROYED,
    SESSION_ID,
    AsyncScriptedTransport,
    ScriptedTransport,
    delete_blocking,
    ended,
    error_of,
)
from .side_by_side import DeleteMany, FunctionTransport, listed, many, many_awaited

CANARY = "canary-0123"
BLOCKING = core.DeleteSession(Urllib3Transport(), CANARY)
AWAITED = core.AsyncDeleteSession(AsyncioTransport(), CANARY)

# Transports

TAKE_AWAITED = "Pass AsyncioTransport(), AsyncInMemoryTransport() in tests, or take DeleteSession."
TAKE_BLOCKING = "Pass Urllib3Transport(), InMemoryTransport() in tests, or take AsyncDeleteSession."
IS_AWAITED = f"must be a coroutine function (async def). {TAKE_AWAITED}"
BLOCKS = f"must be an ordinary function. {TAKE_BLOCKING}"


async def awaited_hook(outcome: core.Outcome) -> None:
    raise AssertionError


OTHERS: dict[str, dict[str, Any]] = {  # Any: what no type checker takes
    f"transport: AsyncioTransport.send {BLOCKS}": {"transport": AsyncioTransport()},
    f"transport: NoneType has no method send. {TAKE_BLOCKING}": {"transport": None},
    "transport: Mock has no method monotonic. Pass": {"transport": Mock(spec=["send", "sleep"])},
    "transport: Mock has no method sleep. Pass": {"transport": Mock(spec=["send", "monotonic"])},
    "transport must be an object, not the class Urllib": {"transport": Urllib3Transport},
    "retry must be of type RetryPolicy, not int": {"retry": 0},
    "retry must be of type RetryPolicy, not bool": {"retry": False},
    "journal: str has no method opened. Take a FileJournal.": {"journal": "directory"},
    "journal must be an object, not the class FileJournal": {"journal": FileJournal},
    "on_outcome must be an ordinary function (def), because it is not awaited": {
        "on_outcome": awaited_hook
    },
    "on_outcome must be a function, not str": {"on_outcome": "print"},
    "random must be a function, not int": {"random": 3},
    "api_key must be of type str, not int": {"api_key": 1},
    "headers must be of type Mapping, not list": {"headers": [("X-Team", "a")]},
    "headers: the value of X-Team must be of type str, not int": {"headers": {"X-Team": 1}},
}


@pytest.mark.parametrize(("says", "argument"), OTHERS.items(), ids=OTHERS)
def test_nothing_else_is_taken_in_the_place_of_another_object(
    says: str, argument: dict[str, Any]
) -> None:
    with pytest.raises(TypeError, match=re.escape(says)):
        core.DeleteSession(**{"transport": ScriptedTransport(), "api_key": None, **argument})


@pytest.mark.parametrize(
    ("transport", "says"),
    [
        (Urllib3Transport(), f"Urllib3Transport.send {IS_AWAITED}"),
        ("https://api.firecrawl.dev", f"str has no method send. {TAKE_AWAITED}"),
    ],
)
def test_no_other_transport_is_awaited(transport: Any, says: str) -> None:
    with pytest.raises(TypeError, match=re.escape(f"transport: {says}")):
        core.AsyncDeleteSession(transport, None)


@pytest.mark.parametrize("name", ["__call__", "on_exit", "opening"])
def test_a_policy_of_one_delete_is_checked_before_anything_is_sent(name: str) -> None:
    transport = ScriptedTransport(DESTROYED)
    method: Any = getattr(core.DeleteSession(transport, None), name)  # Any: a mistake of a user's
    with pytest.raises(TypeError, match="retry must be of type RetryPolicy, not int"):
        method(str if name == "opening" else SESSION_ID, retry=3)
    assert transport.requests == []


@pytest.mark.parametrize("delete_session", [BLOCKING, AWAITED], ids=["blocking", "awaited"])
@pytest.mark.parametrize("arguments", [{"open_session": SESSION_ID}, {"id_of": "id"}])
def test_an_opener_is_a_function_and_so_is_what_takes_the_id(
    delete_session: Any, arguments: dict[str, Any]
) -> None:
    [name] = arguments
    with pytest.raises(TypeError, match=f"{name} must be a function, not str"):
        delete_session.opening(**{"open_session": str, **arguments})


@pytest.mark.parametrize(
    ("delete_many", "kind"), [(many, Urllib3Transport), (many_awaited, AsyncioTransport)]
)
def test_an_autospecced_transport_sends_and_its_clock_stands_still(
    delete_many: DeleteMany, kind: type
) -> None:
    transport = create_autospec(kind, instance=True)
    use_case: Any = {many: core.DeleteSession, many_awaited: core.AsyncDeleteSession}[delete_many]
    delete_session = use_case(transport, None)
    transport.send.return_value = DESTROYED
    assert ended(delete_session(SESSION_ID)).session_id == SESSION_ID
    transport.send.side_effect = core.ConnectFailedError("refused")
    with pytest.raises(core.UnreachableError) as raised:
        ended(delete_session(SESSION_ID))
    assert raised.value.attempts == transport.sleep.call_count + 1 == 10
    transport.monotonic.return_value = None
    with pytest.raises(TypeError, match="NoneType"):
        ended(delete_session(SESSION_ID))


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a method as libraries for traces and retries do."""

    @wraps(function)
    def wrapper(*arguments: Any) -> Any:
        return function(*arguments)

    return wrapper


class Traced(ScriptedTransport):
    send = decorated(ScriptedTransport.send)
    sleep = decorated(ScriptedTransport.sleep)


class AsyncTraced(AsyncScriptedTransport):
    send = decorated(AsyncScriptedTransport.send)
    sleep = decorated(AsyncScriptedTransport.sleep)


def test_a_transport_with_a_decorator_is_taken() -> None:
    assert delete_blocking(Traced(DESTROYED)).attempts == 1
    delete_session = core.AsyncDeleteSession(AsyncTraced(ScriptedTransport(DESTROYED)), None)
    assert asyncio.run(delete_session(SESSION_ID)).attempts == 1


@pytest.mark.parametrize(
    ("use_case", "transport", "says"),
    [
        (core.DeleteSession, AsyncTraced(ScriptedTransport()), "an ordinary function"),
        (core.AsyncDeleteSession, Traced(), "a coroutine function (async def)"),
    ],
)
def test_a_decorated_transport_of_the_other_kind_is_refused(
    use_case: Callable[..., object], transport: object, says: str
) -> None:
    with pytest.raises(TypeError, match=rf"Traced.send must be {re.escape(says)}\. Pass "):
        use_case(transport, None)


# Keys and headers


@given(st.text() | st.from_regex(r"[A-Za-z0-9._~+/-]{1,20}={0,3}.?", fullmatch=True))
@example(f"{CANARY}\n")
@example(f"Bearer {CANARY}")
def test_every_key_is_refused_or_stands_in_the_header_as_it_is(api_key: str) -> None:
    transport = ScriptedTransport(DESTROYED)
    if re.fullmatch(r"[A-Za-z0-9\-._~+/]+=*", api_key):
        delete_blocking(transport, api_key=api_key)
        assert transport.requests[0].headers["Authorization"] == f"Bearer {api_key}"
    else:
        with pytest.raises(core.InvalidApiKeyError) as raised:
            delete_blocking(transport, api_key=api_key)
        assert CANARY not in "".join(traceback.format_exception(raised.value))


SET_BY_US = ["accept", "Accept-Encoding", "Authorization", "Connection", "Content-Length", "Expect"]
SET_BY_US += ["HOST", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "TE", "Trailer"]
SET_BY_US += ["Transfer-Encoding", "Upgrade", "User-Agent"]
NO_VALUE = "the value of X-Team has an invalid character, or whitespace"


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        *((name, "k", f"the library or its transport sets {name}") for name in SET_BY_US),
        *(
            (name, "k", "a name is empty or has an invalid character")
            for name in ("", "X Team", "X-Team: k", "X-Team\n", "X-Tëam")
        ),
        *(("X-Team", value, NO_VALUE) for value in ("k\r\nX: y", "k\n", " k", "ké", "k\0")),
    ],
)
def test_a_header_that_is_refused_is_not_quoted(name: str, value: str, says: str) -> None:
    given_headers = {name.replace("k", CANARY): value.replace("k", CANARY)}
    with pytest.raises(ValueError, match=f"^headers: {says}") as raised:
        core.DeleteSession(ScriptedTransport(), None, headers=given_headers)
    assert CANARY not in "".join(traceback.format_exception(raised.value))


# Numbers


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ({"max_attempts": 0}, "max_attempts must be at least 1, not 0"),
        ({"deadline": 0}, "deadline must be seconds, more than 0 and finite, not 0"),
        ({"attempt_timeout": math.inf}, "attempt_timeout must be seconds, more than 0 and finite"),
        ({"first_pause": -1}, "first_pause must be seconds, at least 0 and finite, not -1"),
        (
            {"longest_pause": math.nan},
            "longest_pause must be seconds, at least 0 and finite, not nan",
        ),
        ({"deadline": "60"}, "deadline must be a number of seconds, not str"),
        ({"max_attempts": 2.5}, "max_attempts must be of type int, not float"),
    ],
)
def test_a_policy_that_cannot_work_is_refused(policy: Mapping[str, Any], says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"^{says}"):
        core.RetryPolicy(**policy)  # Any: a number of either kind


# Ids: those that can only name one session, and that a service may have made

ANOTHER_PATH = "it means another path (RFC 3986, 5.2.4)"


@pytest.mark.parametrize(
    ("session_id", "problem"),
    [
        ("", "it is empty"),
        ("..", ANOTHER_PATH),
        ("x" * 121, "it is longer than 120 characters"),
        (f'"{SESSION_ID}"', "it has the character '\"'"),
        ("a\n", "it has the character '\\n'"),
        ("a\ud800", "it has the character '\\ud800'"),
        ("scrape:", "it is empty"),
        ("scrape:a/b", "it has the character '/'"),
        ("scrape:scrape:a", "it has the character ':'"),
        ("scrape:..", ANOTHER_PATH),
        ("Scrape:a", "it has the character ':'"),
    ],
    ids=ascii,
)
def test_an_id_is_refused_with_what_is_wrong(session_id: str, problem: str) -> None:
    error = error_of(core.InvalidSessionIdError, session_id=session_id)
    assert error.args[0] == f"the id cannot be sent: {problem}"
    assert (error.session_id, error.session_fate) == (session_id, core.SessionFate.UNTOUCHED)
    assert (error.attempts, error.transient) == (0, False)
    assert str(error).isprintable()
    assert len(str(error)) < 400


@pytest.mark.parametrize("no_id", [None, b"a-secret", SimpleNamespace()])
def test_of_another_object_in_its_place_the_type_is_shown_and_no_more(no_id: object) -> None:
    error = error_of(core.InvalidSessionIdError, session_id=no_id)
    kind = type(no_id).__name__
    assert error.args[0] == f"a session id is a str or a UUID, not {kind}"
    assert error.session_id == f"<{kind}>"
    assert "a-secret" not in f"{error} {error!r}"


@given(
    st.text(max_size=30)
    | st.text("./%?#\\ \t\r\n0aé2e~_-", max_size=10)
    | st.text(st.characters(codec="ascii"), max_size=300)
    | st.from_regex(r"[A-Za-z0-9._~-]{1,300}", fullmatch=True)
    | st.uuids()
)
@example("a\n")
@example("...")
@example("A.b_c~d-9")
@example("x" * 120)
def test_an_id_is_sent_as_it_is_or_refused_by_one_rule(session_id: str | uuid.UUID) -> None:
    text = str(session_id)
    is_sendable = re.fullmatch(r"[A-Za-z0-9\-._~]{1,120}", text) and text not in {".", ".."}
    if is_sendable:
        transport = ScriptedTransport(DESTROYED)
        assert delete_blocking(transport, session_id).session_id == text
        assert [request.path for request in transport.requests] == [f"/v2/interact/{text}"]
    else:
        error_of(core.InvalidSessionIdError, session_id=session_id)  # without a request


class Ids(str, enum.Enum):  # noqa: UP042 - a StrEnum formats as its value anyway
    FIRST = "session-1"


def test_an_id_of_an_enum_is_sent_as_its_value() -> None:
    transport = ScriptedTransport(DESTROYED)
    delete_blocking(transport, Ids.FIRST)
    assert [request.path for request in transport.requests] == ["/v2/interact/session-1"]


# Runs

RUNS: list[Callable[..., Any]] = [BLOCKING.many, AWAITED.many]  # Any: of either kind


@pytest.mark.parametrize("many", RUNS, ids=["blocking", "awaited"])
def test_a_run_takes_ids_and_limits_that_can_work(many: Callable[..., Any]) -> None:
    for single in ("an-id", b"an-id", uuid.uuid4()):
        with pytest.raises(TypeError, match=r"session_ids is a single .*Pass a list: \[the_id\]"):
            many(single)
    with pytest.raises(TypeError, match="session_ids must be an iterable of ids, not NoneType"):
        many(None)
    with pytest.raises(TypeError, match=r"session_ids\[1\] must be a str or a UUID, not tuple"):
        many(["an-id", ("an-id",)])
    with pytest.raises(TypeError, match="pass either session_ids or scrape_ids=, and not both"):
        many()
    with pytest.raises(TypeError, match="pass either session_ids or scrape_ids=, and not both"):
        many(["an-id"], scrape_ids=["an-id"])
    with pytest.raises(ValueError, match="concurrency must be "):
        many([], concurrency=0)
    with pytest.raises(ValueError, match="shutdown_timeout must be seconds, at least 0 and finit"):
        many([], shutdown_timeout=-1)


async def awaited_ids() -> AsyncGenerator[str]:
    yield SESSION_ID


@pytest.mark.filterwarnings("ignore:<.* was never iterated")
@pytest.mark.parametrize(
    ("many", "ids"),
    [*((run, (name for name in "a")) for run in RUNS), (RUNS[1], awaited_ids())],
    ids=["blocking", "awaited", "asynchronous ids"],
)
def test_a_generator_that_has_ended_is_told_of(many: Callable[..., Any], ids: Any) -> None:
    many(ids)  # It has not ended.
    asyncio.run(listed(ids))
    words = r"a generator that has ended: .* pass a list\."
    with pytest.warns(RuntimeWarning, match=words) as warned:
        many(ids)
    assert warned[0].filename == __file__


def test_asynchronous_ids_are_refused_by_a_blocking_run() -> None:
    with pytest.raises(TypeError, match="session_ids must be an iterable of ids, not async_genera"):
        BLOCKING.many(awaited_ids())  # type: ignore[call-overload] # the point


def test_a_use_case_can_run_several_times() -> None:
    delete_many = many(FunctionTransport())
    assert repr(delete_many).endswith(", concurrency=8)")
    for ids in (["a"], ["a", "b"]):
        deletions = delete_many(ids)
        assert repr(deletions) == "<Deletions: 0 in flight, 0 waiting>"
        assert deletions.pause is None
        assert len(list(deletions)) == len(ids)

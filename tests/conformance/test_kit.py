"""How the kit itself behaves towards those who use it."""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any
from unittest import SkipTest

import pytest

from firecrawl_interact.adapters import (
    FakeService,
    FileJournal,
    InMemoryJournal,
    InMemoryTransport,
    Urllib3Transport,
)
from firecrawl_interact.adapters.conformance import (
    CASES,
    BrokenPromiseError,
    Case,
    KnownToBeBrokenError,
    Severity,
    certificates,
    check,
    check_journal,
)
from firecrawl_interact.adapters.conformance.driver import KEY
from firecrawl_interact.core import (
    ConnectFailedError,
    ConnectionLostError,
    Request,
    Response,
    TimedOutError,
    TransportError,
)


def case_named(name: str) -> Case:
    [case] = [case for case in CASES if case.name == name]
    return case


LOST_CASE = case_named("a-close-before-the-response-is-a-lost-connection")
GZIP_CASE = case_named("a-response-coded-as-gzip-is-refused")
STRICT_CASE = case_named("a-refused-connection-was-not-sent")
SOCKET_CASE = case_named("cookies-are-not-kept")
ASLEEP = case_named("time-passes-while-it-sleeps")


class SaysOk(InMemoryTransport):
    """A transport that makes up every response."""

    def send(self, request: Request, timeout: float) -> Response:
        return Response(200, {}, b"ok")


def test_importing_the_kit_needs_no_extra_and_no_test_framework() -> None:
    code = """import sys; sys.modules.update(dict.fromkeys(("pytest", "trustme", "urllib3")))
import firecrawl_interact.adapters.conformance"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_case_reads_as_a_sentence_and_says_where_it_has_a_meaning() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    for case in CASES:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+){2,}", case.name)
        assert re.fullmatch(r".*[^.]", case.promise)
        assert set() < case.over <= {"http", "https", "memory"}
        assert set() < case.kinds <= {"blocking", "async"}


def test_check_plays_all_cases_and_begins_with_what_matters_most() -> None:
    with pytest.raises(AssertionError) as caught:
        check(SaysOk, over="memory")
    report = str(caught.value)
    assert re.match(
        r"\d+ promises kept, \d+ broken, 0 known to be broken, 0 cases not played\n"
        r"\d+ broken, and a session may be lost or billed, or the key may leak:\n"
        r"  [a-z0-9-]+: Promised: .* Seen: ",
        report,
    )
    parts = re.split(r"^\d+ broken, and ", report, flags=re.MULTILINE)[1:]
    assert [part.partition(":\n")[0] for part in parts] == [each.value for each in Severity]
    assert "\n  a-close-before-the-response-is-a-lost-connection: Promised: " in parts[0]
    assert "\n  a-silent-server-ends-in-a-timeout: Promised: " in parts[1]
    assert "\n  a-refused-connection-was-not-sent: Promised: " in parts[2]
    assert isinstance(caught.value.__cause__, ExceptionGroup)


def raising(error: Exception, cause: Exception | None = None) -> type[InMemoryTransport]:
    """Return a transport that fails each call in this way."""

    class Fails(InMemoryTransport):
        def send(self, request: Request, timeout: float) -> Response:
            raise error from cause

    return Fails


class SaysNothing(InMemoryTransport):
    """A transport whose errors have no message."""

    def send(self, request: Request, timeout: float) -> Response:
        try:
            return super().send(request, timeout)
        except TransportError as error:
            raise type(error)("") from error


@pytest.mark.parametrize(
    ("make_transport", "case", "severity"),
    [
        pytest.param(SaysNothing, LOST_CASE, Severity.STRICTNESS, id="an empty message"),
        pytest.param(
            raising(TimedOutError("no")), LOST_CASE, Severity.STRICTNESS, id="the same for it"
        ),
        pytest.param(SaysOk, LOST_CASE, Severity.MAY_LOSE_SESSIONS, id="a response"),
        pytest.param(
            raising(ConnectFailedError("no")),
            GZIP_CASE,
            Severity.MAY_LOSE_SESSIONS,
            id="nothing was sent, it says",
        ),
        pytest.param(
            raising(ConnectionLostError("no")), STRICT_CASE, Severity.STRICTNESS, id="it was sent"
        ),
        pytest.param(
            raising(KeyError("no")), STRICT_CASE, Severity.MAY_LOSE_SESSIONS, id="another exception"
        ),
    ],
)
def test_what_was_seen_says_what_it_can_cost(
    make_transport: type[InMemoryTransport], case: Case, severity: Severity
) -> None:
    with pytest.raises(BrokenPromiseError) as broken:
        case.run(make_transport, over="memory")
    assert broken.value.severity is severity
    with pytest.raises(KnownToBeBrokenError) as known:
        case.run(make_transport, over="memory", known={case.name})
    assert known.value.severity is severity


SHOWN = f"refused: Bearer {KEY}"


@pytest.mark.parametrize(
    ("make_transport", "seen"),
    [
        (
            raising(ConnectFailedError(SHOWN), OSError("refused")),
            "the API key in the text of ConnectFailedError: .*Bearer \\*{3}",
        ),
        (
            raising(ConnectFailedError("refused"), OSError(SHOWN)),
            "the API key in the text of OSError, which is the cause or context of"
            " ConnectFailedError: .*Bearer \\*{3}",
        ),
    ],
)
def test_the_exception_that_shows_the_key_is_named_and_the_key_is_not(
    make_transport: type[InMemoryTransport], seen: str
) -> None:
    with pytest.raises(BrokenPromiseError, match=seen) as broken:
        STRICT_CASE.run(make_transport, over="memory")
    assert broken.value.severity is Severity.MAY_LOSE_SESSIONS
    assert KEY not in str(broken.value)


class HasNoClose:
    def __init__(self, service: FakeService) -> None:
        inner = InMemoryTransport(service)
        self.send, self.sleep, self.monotonic = inner.send, inner.sleep, inner.monotonic


def test_check_says_which_promises_are_kept_and_which_could_not_be_played_and_why() -> None:
    report = check(HasNoClose, over="memory")
    [(case, reason)] = report.skipped.items()
    assert case.name == "a-closed-transport-sends-nothing"
    assert reason == "this transport has no close: the port asks for none"
    assert report.passed == [one for one in CASES if "memory" in one.over and one != case]
    assert str(report) == (
        f"{len(report.passed)} promises kept, 0 broken, 0 known to be broken, 1 cases not played"
        f"\nnot played: {case}: {reason}"
    )


class ForgetsToSleep(InMemoryTransport):
    def sleep(self, seconds: float) -> None:
        pass


def test_what_is_known_to_be_broken_is_reported_and_no_failure_but_a_skip() -> None:
    report = check(ForgetsToSleep, over="memory", known=[ASLEEP.name])
    [(case, seen)] = report.known.items()
    assert case is ASLEEP
    assert f"\nknown to be broken: {case}: {seen}" in str(report)
    assert ASLEEP not in report.passed
    with pytest.raises(SkipTest, match=r"Promised: its clock never goes back.* Seen: 0\.0[0-3]"):
        ASLEEP.run(ForgetsToSleep, over="memory", known={ASLEEP.name})


def test_what_is_known_to_be_broken_and_is_kept_now_is_a_failure() -> None:
    message = f"This promise is kept now: .* Take '{ASLEEP}' out of known"
    with pytest.raises(AssertionError, match=message):
        check(InMemoryTransport, over="memory", known=[ASLEEP.name])


@pytest.mark.parametrize("known", [["a-case-that-was-renamed"], ASLEEP.name])
def test_known_names_cases_only(known: list[str] | str) -> None:
    for play in (partial(check, InMemoryTransport), partial(check_journal, InMemoryJournal)):
        with pytest.raises(ValueError, match="known names cases that do not exist: "):
            play(known=known)


class NeverForgets(InMemoryJournal):
    def gone(self, session_id: object, /) -> None:
        pass


def test_the_kit_for_journals_says_what_is_kept_and_what_is_not() -> None:
    known = ["a-sweep-left-half-way-loses-nothing"]
    with pytest.raises(AssertionError) as raised:
        check_journal(partial(NeverForgets, NeverForgets()), known=known)
    first, *lines = str(raised.value).splitlines()
    assert re.search(r"^\d+ promises kept, 4 broken, 1 known to be broken, \d+ cases not", first)
    assert any(line.startswith("  what-is-gone-is-no-orphan: Promised: ") for line in lines)


class YieldsNothing(InMemoryJournal):
    def adopt_orphans(self) -> Iterator[str]:
        return iter(())


def test_a_journal_that_yields_no_orphan_is_said_to_do_so() -> None:
    with pytest.raises(AssertionError) as raised:
        check_journal(partial(YieldsNothing, YieldsNothing()))
    assert str(raised.value).count("Seen: no orphan was yielded.") == 3


@pytest.mark.parametrize(
    ("make_journal", "patience", "error"),
    [
        (InMemoryJournal, -1, ValueError("patience must be seconds, at least 0 and finite")),
        (None, 0, TypeError("'NoneType' object is not callable")),
        (FileJournal, 0, TypeError("missing 1 required positional argument: 'directory'")),
    ],
)
def test_what_can_check_no_journal_is_no_broken_promise(
    make_journal: Any, patience: float, error: Exception
) -> None:
    with pytest.raises(type(error), match=str(error)):
        check_journal(make_journal, patience=patience)


def test_a_way_to_the_service_that_there_is_not_is_refused_and_one_without_meaning_skipped() -> (
    None
):
    for play in (check, ASLEEP.run):
        with pytest.raises(
            ValueError, match="over must be one of http, https, memory, not 'htpps'"
        ):
            play(InMemoryTransport, over="htpps")  # type: ignore[arg-type] # the mistake
    with pytest.raises(SkipTest, match="only applies over http and https"):
        SOCKET_CASE.run(InMemoryTransport, over="memory")


@pytest.mark.enable_socket
def test_a_proxy_of_the_environment_disturbs_no_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    SOCKET_CASE.run(Urllib3Transport, over="https")


def test_without_trustme_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    certificates.trusted.cache_clear()
    certificates._authority.cache_clear()
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ImportError, match=r"pip install '\.\[conformance\]'"):
        SOCKET_CASE.run(Urllib3Transport, over="https")

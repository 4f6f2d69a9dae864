"""How the kit itself behaves towards those who use it."""

import re
import subprocess
import sys
from unittest import SkipTest

import pytest

from firecrawl_interact.adapters import FakeService, InMemoryTransport, Urllib3Transport
from firecrawl_interact.adapters.conformance import CASES, Case, Report, certificates, check
from firecrawl_interact.core import Request, Response

SOCKET_CASE = next(case for case in CASES if case.name == "cookies-are-not-kept")


class SaysOk(InMemoryTransport):
    """A transport that makes up every response."""

    def send(self, request: Request, timeout: float) -> Response:
        return Response(200, {}, b"ok")


def test_importing_the_kit_needs_no_extra_and_no_test_framework() -> None:
    absent = ("aiohttp", "pytest", "trustme", "urllib3")
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({absent}))\n"
        "import firecrawl_interact.adapters.conformance"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_case_has_a_name_of_its_own() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_case_reads_as_a_sentence(case: Case) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+){2,}", case.name)
    assert str(case) == case.name
    assert "\n" not in case.promise
    assert not case.promise.endswith(".")


def test_a_case_says_where_it_has_a_meaning() -> None:
    assert all(case.over <= {"http", "https", "memory"} and case.over for case in CASES)
    assert all(case.kinds <= {"blocking", "async"} and case.kinds for case in CASES)


def test_a_case_without_a_meaning_there_is_skipped() -> None:
    with pytest.raises(SkipTest, match="has a meaning over http and https only"):
        SOCKET_CASE.run(InMemoryTransport, over="memory")


def test_a_broken_promise_is_explained() -> None:
    case = next(case for case in CASES if case.name == "a-refused-connection-was-not-sent")
    with pytest.raises(
        AssertionError,
        match=r"Promised: no connection is a ConnectFailedError.* Seen: instead of"
        r" ConnectFailedError, transient: a response with status 200 and 2 bytes\.",
    ):
        case.run(SaysOk, over="memory")


def test_check_plays_all_cases_and_names_each_broken_promise() -> None:
    with pytest.raises(AssertionError) as caught:
        check(SaysOk, over="memory")
    shown = str(caught.value)
    assert re.match(r"\d+ promises kept, \d+ broken, \d+ cases not played\n", shown)
    assert "BROKEN a-refused-connection-was-not-sent: Promised: " in shown
    assert "BROKEN a-silent-server-ends-in-a-timeout: Promised: " in shown
    assert isinstance(caught.value.__cause__, ExceptionGroup)


def test_check_tells_which_promises_are_kept() -> None:
    report = check(InMemoryTransport, over="memory")
    assert isinstance(report, Report)
    assert {case.name for case in report.passed} == {
        case.name for case in CASES if "memory" in case.over
    }
    assert str(report) == f"{len(report.passed)} promises kept, 0 broken, 0 cases not played"


def test_check_tells_which_cases_could_not_be_played_and_why() -> None:
    class HasNoClose:
        def __init__(self, service: FakeService) -> None:
            self._inner = InMemoryTransport(service)
            self.send = self._inner.send
            self.sleep = self._inner.sleep
            self.monotonic = self._inner.monotonic

    report = check(HasNoClose, over="memory")
    assert report.skipped == {
        "a-closed-transport-sends-nothing": "this transport has no close: the port asks for none"
    }
    assert "not played a-closed-transport-sends-nothing: this transport has no" in str(report)


def test_without_trustme_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    certificates.trusted.cache_clear()
    certificates._authority.cache_clear()
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ImportError, match=r"pip install 'firecrawl-interact\[conformance\]'"):
        SOCKET_CASE.run(Urllib3Transport, over="https")

"""The fork that installs itself under urllib3's name: noticed, warned of, and usable."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

_PRELUDE = """
import sys, warnings
sys.path.insert(0, sys.argv[1])
from firecrawl_interact.adapters import FakeService, LoopbackService, Urllib3Transport
from firecrawl_interact.core import DeleteSession
"""

Run = Callable[[str], str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    place = tmp_path_factory.mktemp("urllib3-future")
    installed = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--target", str(place), "urllib3-future"],
        capture_output=True,
        text=True,
        check=False,
    )
    if installed.returncode:
        pytest.skip(f"urllib3-future cannot be installed here: {installed.stderr[-200:]}")
    return lambda code: _output(place, code)


def _output(place: Path, code: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-c", _PRELUDE + code, str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_a_warning_says_which_promises_do_not_hold(run: Run) -> None:
    said = run(
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    Urllib3Transport()\n"
        "print(caught[0].category.__name__, caught[0].message)"
    )
    assert said.startswith("RuntimeWarning urllib3-future 2.")
    assert "These promises do not hold: " in said


def test_a_session_is_destroyed_all_the_same(run: Run) -> None:
    said = run(
        "warnings.simplefilter('ignore')\n"
        "service = FakeService()\n"
        "with LoopbackService(service) as loopback, Urllib3Transport(loopback.api_url) as t:\n"
        "    print(DeleteSession(t, 'fc-test')(service.open_session('a')).credits_billed)"
    )
    assert said == "2\n"


@pytest.mark.parametrize(
    "promise",
    [
        "a call without a connection ends in a ConnectFailedError, for nothing reached the service",
        "a connection that ends before the whole response is a ConnectionLostError, never a"
        " response and never sent=False",
        "a redirect is data: it is never followed",
        "a status is data: it is handed over after a single request, without a retry",
    ],
)
def test_what_is_said_of_a_session_stays_true(run: Run, promise: str) -> None:
    said = run(
        "warnings.simplefilter('ignore')\n"
        "from firecrawl_interact.adapters.conformance import CASES\n"
        f"cases = [c for c in CASES if c.promise == {promise!r} and 'http' in c.over]\n"
        "assert cases\n"
        "for case in cases:\n"
        "    case.run(Urllib3Transport)\n"
        "print('kept')"
    )
    assert said == "kept\n"


def test_a_certificate_that_does_not_verify_is_refused_for_good(run: Run) -> None:
    run(
        "warnings.simplefilter('ignore')\n"
        "from firecrawl_interact.adapters.conformance import CASES\n"
        "names = ['an-untrusted-certificate-is-refused', 'an-expired-certificate-is-refused']\n"
        "for case in [case for case in CASES if case.name in names]:\n"
        "    case.run(Urllib3Transport, over='https')"
    )

"""What the suite's classes need: servers and transports, journals, and what is known to fail."""

import ssl
import sys
import time
import uuid
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from itertools import product
from typing import ClassVar

import pytest

from firecrawl_interact.core.journal import Journal
from firecrawl_interact.core.transport import TransportError

from . import certificates
from .driver import ENOUGH, AnyTransport, Driver, compare, require
from .server import FaultFunction, FaultServer

WITH_THREADS = "ignore:.*may lead to deadlocks in the child:DeprecationWarning"


def unless_windows(reason: str) -> pytest.MarkDecorator:
    """Skip a test on Windows, and say what it needs that Windows does not have."""
    return pytest.mark.skipif(sys.platform == "win32", reason=reason)


class ConformanceTests:
    """pytest plays each subclass, whatever its name, unless that says `__test__ = False`."""

    __test__: ClassVar[bool] = False
    known: ClassVar[Mapping[str, str]] = {}
    """The names of tests that are known to fail, each with a reason."""
    schemes: ClassVar[tuple[str, ...]] = ()  # what each test is played over

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "__test__" not in vars(cls):
            cls.__test__ = True
        if unknown := [name for name in cls.known if not _exists(cls, name)]:
            raise ValueError(f"{cls.__name__}.known names tests that do not exist: {unknown}")

    @pytest.fixture(autouse=True)
    def _expect_what_is_known(self, request: pytest.FixtureRequest) -> None:
        name: str = request.node.name
        for known in (name, name.partition("[")[0]):
            if known in self.known:
                reason = self.known[known]
                request.applymarker(pytest.mark.xfail(strict=True, reason=reason))


def _exists(cls: type[ConformanceTests], name: str) -> bool:
    test, _, parameters = name.removesuffix("]").partition("[")
    function = getattr(cls, test, None)
    if function is None or not parameters:
        return function is not None and test.startswith("test_")
    marks = [mark for mark in getattr(function, "pytestmark", []) if mark.name == "parametrize"]
    ids = [list(mark.kwargs.get("ids", ())) for mark in marks]
    if "scheme" not in [mark.args[0] for mark in marks]:
        ids.insert(0, list(cls.schemes))
    return parameters in {"-".join(names) for names in product(*filter(None, ids))}


class TransportHarness(ConformanceTests):
    """What the tests of a transport need: a server on this machine, and the transport itself."""

    __test__ = False
    schemes: ClassVar[tuple[str, ...]] = ("http", "https")

    def make_transport(self, api_url: str, ssl_context: ssl.SSLContext | None) -> AnyTransport:
        """Make the transport under test, blocking or awaited. Over https the context verifies."""
        raise NotImplementedError(f"{type(self).__name__} says no make_transport")

    @pytest.fixture(autouse=True, params=schemes)
    def scheme(
        self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[None]:
        """Let the server speak this, and no proxy of the environment be in between."""
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        self.is_https: bool = request.param == "https"
        with ExitStack() as self._stack:
            yield

    def serve(
        self, *faults: FaultFunction, in_handshake: bool = False, listening: bool = True
    ) -> FaultServer:
        """Start a server whose first connections meet these faults."""
        tls = certificates.trusted() if self.is_https else None
        server = FaultServer(*faults, tls=tls, in_handshake=in_handshake, listening=listening)
        return self._stack.enter_context(server)

    def drive(self, api_url: str) -> Driver:
        """Make a transport that sends to this address."""
        context = certificates.client_context() if self.is_https else None
        driver = Driver(self.make_transport(api_url, context))
        self._stack.callback(driver.close)
        return driver

    def start(self, *faults: FaultFunction) -> tuple[FaultServer, Driver]:
        """Start a server, and make a transport that sends to it."""
        server = self.serve(*faults)
        return server, self.drive(server.api_url)

    def refuses(
        self, fault: FaultFunction, *kinds: type[TransportError], timeout: float = ENOUGH
    ) -> tuple[FaultServer, TransportError]:
        """Check that a fault is an error of one of these kinds, and the next call is well."""
        __tracebackhide__ = True
        server, driver = self.start(fault)
        error = driver.fails(*kinds, timeout=timeout)
        driver.works(server, 1)
        return server, error


class JournalHarness(ConformanceTests):
    """What the tests of a journal need: journals of one storage, with a label for each test."""

    __test__ = False
    lease: ClassVar[float] = 0
    """Seconds after which a killed process's sessions are orphans; 0 if the system tells."""
    secrets: ClassVar[Collection[str]] = ()
    """Passwords that no repr and no error may show."""

    def make_journal(self, service: str) -> Journal:
        """Make a journal with this label. All of a test have one storage, and can be pickled."""
        raise NotImplementedError(f"{type(self).__name__} says no make_journal")

    def outage(self) -> AbstractContextManager[object]:
        """Make the storage unavailable while a block lasts. Left out, two tests are skipped."""
        pytest.skip("this journal's tests say no outage()")

    @pytest.fixture(autouse=True)
    def _set_up(self) -> Iterator[None]:
        self.label: str = f"https://{uuid.uuid4().hex}.example"
        with ExitStack() as self._stack:
            yield

    def new(self, label: str | None = None) -> Journal:
        """Make another journal, that is closed when the test is over."""
        journal = self.make_journal(service=label or self.label)
        self._stack.callback(journal.close)
        return journal

    def leave(self, *session_ids: str, label: str | None = None) -> None:
        """Let a journal be closed with these sessions open."""
        journal = self.new(label)
        for session_id in session_ids:
            journal.opened(session_id)
        journal.close()

    def sweep(self) -> list[str]:
        """Let a new journal adopt the orphans."""
        return list(self.new().adopt_orphans())

    def expect(self, *session_ids: str, label: str | None = None) -> None:
        """Require that these are the orphans, each once: they are listed, and then adopted."""
        __tracebackhide__ = True
        journal, expected = self.new(label), sorted(session_ids)
        compare("orphans()", sorted(journal.orphans()), expected)
        require_orphans(journal.adopt_orphans(), session_ids)

    def wait_a_lease(self, leases: float = 1.2) -> None:
        """Wait until a process that is dead now counts as dead."""
        time.sleep(self.lease * leases)


def require_orphans(found: Iterable[str], expected: Collection[str]) -> None:
    """Require that a sweep has found these sessions, each once."""
    __tracebackhide__ = True
    came, due = Counter(found), Counter(expected)
    lost, surplus = sorted(due - came), sorted(came - due)
    require(not lost, f"adopt_orphans() gave {len(came)} of {len(due)} orphans, without {lost}")
    require(not surplus, f"adopt_orphans() gave what is no orphan, or twice: {surplus}")

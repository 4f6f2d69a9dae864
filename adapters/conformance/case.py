"""A case of the kit, and the report of many."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Generic, TypeVar, get_args
from unittest import SkipTest

import msgspec

from .driver import Kind
from .expectations import BrokenPromiseError, Severity
from .harness import KINDS, Channel, Harness, MakeTransport

HTTPS: frozenset[Channel] = frozenset({"https"})
SOCKETS: frozenset[Channel] = frozenset({"http", "https"})
EVERYWHERE: frozenset[Channel] = frozenset({"http", "https", "memory"})


class Scenario(msgspec.Struct, frozen=True):
    """What is played with a transport, and over which ways to a service it can be."""

    play: Callable[[Harness], None]
    over: frozenset[Channel] = SOCKETS


CaseT = TypeVar("CaseT", bound="PromiseCase")


class KnownToBeBrokenError(SkipTest):
    """The transport breaks this promise, and `known` says so. pytest takes it as a skip."""

    def __init__(self, seen: str, severity: Severity) -> None:
        super().__init__(seen)
        self.severity: Severity = severity  #: what that can cost, by what was seen


class PromiseCase(msgspec.Struct, frozen=True):
    """One promise of a port. A subclass has a scenario in which it is kept or broken."""

    name: str
    """What happens, in words that fit a test id."""
    promise: str
    """What every adapter promises, in one line."""
    severity: Severity
    """What it costs when the promise is broken, unless what was seen says more: an empty message
    costs little wherever it is seen, and a key in a message is the worst everywhere."""

    @contextmanager
    def _telling(self, known: Collection[str]) -> Iterator[None]:
        """Say of a promise that is broken in a block what it is, and what was seen."""
        try:
            yield
        except AssertionError as broken:
            seen = f"Promised: {self.promise}. Seen: {broken}."
            severity = getattr(broken, "severity", None) or self.severity
            if self.name in known:
                raise KnownToBeBrokenError(seen, severity) from broken
            raise BrokenPromiseError(seen, severity) from broken
        if self.name in known:
            advice = f"Take {self.name!r} out of known."
            raise AssertionError(f"This promise is kept now: {self.promise}. {advice}")

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class Case(PromiseCase, frozen=True):
    """One promise of the port, and a scenario in which a transport keeps or breaks it."""

    scenario: Scenario
    kinds: frozenset[Kind] = KINDS
    """The kinds of transport that the case is about: `blocking`, `async`."""

    @property
    def over(self) -> frozenset[Channel]:
        """The ways to a service to which the case applies."""
        return self.scenario.over

    def run(
        self,
        make_transport: MakeTransport,
        *,
        over: Channel = "http",
        known: Collection[str] = (),
    ) -> None:
        """Play the case with a new transport, and close it.

        Args:
            make_transport: makes the transport under test. It is called with the service's
                `api_url`; over https with `ssl_context=` besides, which verifies; over memory
                with a `FakeService`.
            over: the way to the service: `http`, `https` (needs trustme) or `memory`.
            known: the names of the cases that this transport is known to fail.

        Raises:
            BrokenPromiseError: the promise is broken, with what was promised, what was seen, and
                the `severity` of that. It is an `AssertionError`.
            AssertionError: the promise is kept although `known` names it.
            unittest.SkipTest: the case does not apply here, or `known` names it and the promise
                is broken. pytest reports both as a skip.
            ValueError: `over` is not one of the three.
        """
        check_channel(over)
        if over not in self.over:
            raise SkipTest(f"this case only applies over {' and '.join(sorted(self.over))}")
        with self._telling(known), Harness(make_transport, over, self.kinds) as harness:
            self.scenario.play(harness)


def case(
    severity: Severity,
    over: frozenset[Channel] = SOCKETS,
    kinds: frozenset[Kind] = KINDS,
) -> Callable[[Callable[[Harness], None]], Case]:
    """Make a case of a function: its name is the function's, its promise the docstring."""

    def make(play: Callable[[Harness], None]) -> Case:
        name = play.__name__.replace("_", "-")
        return Case(name, promise_of(play), severity, Scenario(play, over), kinds)

    return make


def promise_of(scenario: Callable[..., None]) -> str:
    """Return its docstring as a part of a sentence. Under `python -OO` it has none."""
    promise = (scenario.__doc__ or "").removesuffix(".")
    return promise[:1].lower() + promise[1:]


def cases(promise: str, severity: Severity, scenarios: Mapping[str, Scenario]) -> list[Case]:
    """Make a case of each scenario, by its name, all with the same promise."""
    return [Case(name, promise, severity, scenario) for name, scenario in scenarios.items()]


class Report(msgspec.Struct, Generic[CaseT], frozen=True):
    """The results of the cases that apply here."""

    passed: list[CaseT]
    failed: dict[CaseT, AssertionError]
    """What was seen of a broken promise, or that a promise known to be broken is kept."""
    known: dict[CaseT, str]
    """What was seen of a promise that is known to be broken."""
    skipped: dict[CaseT, str]
    """Why a case could not be played here."""

    def __str__(self) -> str:
        lines = [
            f"{len(self.passed)} promises kept, {len(self.failed)} broken,"
            f" {len(self.known)} known to be broken, {len(self.skipped)} cases not played"
        ]
        for severity in Severity:
            # A promise that is kept although `known` names it costs nothing.
            broken = [
                f"  {case}: {seen}"
                for case, seen in self.failed.items()
                if getattr(seen, "severity", Severity.STRICTNESS) is severity
            ]
            if broken:
                lines += [f"{len(broken)} broken, and {severity.value}:", *broken]
        lines += [f"known to be broken: {case}: {seen}" for case, seen in self.known.items()]
        lines += [f"not played: {case}: {reason}" for case, reason in self.skipped.items()]
        return "\n".join(lines)


def check_cases(cases: Iterable[CaseT], play: Callable[[CaseT], None]) -> Report[CaseT]:
    """Play all cases, one after the other, also after a failure."""
    report: Report[CaseT] = Report([], {}, {}, {})
    for case in cases:
        try:
            play(case)
        except KnownToBeBrokenError as broken:
            report.known[case] = str(broken)
        except SkipTest as skip:
            report.skipped[case] = str(skip)
        except AssertionError as broken:
            report.failed[case] = broken
        else:
            report.passed.append(case)
    if report.failed:
        raise AssertionError(str(report)) from ExceptionGroup(
            "broken promises", list(report.failed.values())
        )
    return report


def check_channel(over: str) -> None:
    """Raise a `ValueError` for an unknown way to a service."""
    if over not in get_args(Channel):
        raise ValueError(f"over must be one of {', '.join(get_args(Channel))}, not {over!r}")

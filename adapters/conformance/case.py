"""What a case is, and how many of them are run at once."""

from collections.abc import Callable, Iterable
from typing import TypeAlias
from unittest import SkipTest

import msgspec

from .driver import Kind
from .harness import KINDS, Channel, Harness, MakeTransport

Scenario: TypeAlias = Callable[[Harness], None]

SOCKETS: frozenset[Channel] = frozenset({"http", "https"})
EVERYWHERE: frozenset[Channel] = frozenset({"http", "https", "memory"})


class Case(msgspec.Struct, frozen=True):
    """One promise of the port, and a scenario in which a transport keeps or breaks it."""

    name: str
    """What happens, in words that a test id can carry."""
    promise: str
    """What every transport promises, in one line."""
    scenario: Scenario
    over: frozenset[Channel] = SOCKETS
    """The ways to a service over which the case has a meaning."""
    kinds: frozenset[Kind] = KINDS
    """The kinds of transport that the case is about: `blocking`, `async`."""

    def run(self, make_transport: MakeTransport, *, over: Channel = "http") -> None:
        """Play the case with a new transport, and close it.

        Args:
            make_transport: makes the transport under test. It is called with the service's
                `api_url`; over https with `ssl_context=` besides, which verifies; over memory
                with a `FakeService`.
            over: the way to the service: `http`, `https` (needs trustme) or `memory`.

        Raises:
            AssertionError: the promise is broken. It says what was promised and what was seen.
            unittest.SkipTest: the case has no meaning here. pytest knows it as a skip.
        """
        if over not in self.over:
            raise SkipTest(f"this case has a meaning over {' and '.join(sorted(self.over))} only")
        try:
            with Harness(make_transport, over, self.kinds) as harness:
                self.scenario(harness)
        except AssertionError as broken:
            raise AssertionError(f"Promised: {self.promise}. Seen: {broken}.") from broken

    def __str__(self) -> str:
        return self.name


class Report(msgspec.Struct, frozen=True):
    """What became of the cases that have a meaning over one way to the service."""

    passed: list[Case]
    skipped: dict[str, str]
    """Why a case, by its name, could not be played here."""
    failed: dict[str, AssertionError]
    """What was seen of a broken promise, by the name of the case."""

    def __str__(self) -> str:
        lines = [
            f"{len(self.passed)} promises kept, {len(self.failed)} broken,"
            f" {len(self.skipped)} cases not played"
        ]
        lines += [f"BROKEN {name}: {broken}" for name, broken in self.failed.items()]
        lines += [f"not played {name}: {reason}" for name, reason in self.skipped.items()]
        return "\n".join(lines)


def check_cases(cases: Iterable[Case], make_transport: MakeTransport, *, over: Channel) -> Report:
    """Play cases one after the other. All of them are played, whatever becomes of the first."""
    report = Report([], {}, {})
    for case in cases:
        if over not in case.over:
            continue
        try:
            case.run(make_transport, over=over)
        except SkipTest as skip:
            report.skipped[case.name] = str(skip)
        except AssertionError as broken:
            report.failed[case.name] = broken
        else:
            report.passed.append(case)
    if report.failed:
        raise AssertionError(str(report)) from ExceptionGroup(
            "broken promises", list(report.failed.values())
        )
    return report

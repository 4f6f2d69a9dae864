"""The conformance kit: `check` plays all `CASES` on a transport, and `check_journal` on a journal.

It needs no test framework. It plays the cases on 127.0.0.1, over `http`, over `https` (which needs
the extra `conformance`), or in `memory` with a `FakeService`:

    check(MyTransport)                  # called as MyTransport(api_url)
    check(MyTransport, over="https")    # called as MyTransport(api_url, ssl_context=ssl_context)

and in pytest:

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_my_transport(case):
        case.run(MyTransport, known={"calls-in-a-row-use-one-connection"})

`known` names the cases that the transport is known to fail. They are still played, and one that
passes is a failure too, so that the list stays true.
"""

from collections.abc import Collection, Sequence

from firecrawl_interact.core.arguments import check_seconds

from . import journal_cases, journal_machine, journal_process_cases
from .case import Case, KnownToBeBrokenError, Report, check_cases, check_channel
from .cases import CASES
from .expectations import BrokenPromiseError, Severity
from .harness import Channel, MakeTransport
from .journal_case import JournalCase, MakeJournal, Outage, cases_of

JOURNAL_CASES: list[JournalCase] = [
    case
    for module in (journal_cases, journal_process_cases, journal_machine)
    for case in cases_of(module)
]


def check(
    make_transport: MakeTransport, *, over: Channel = "http", known: Collection[str] = ()
) -> Report[Case]:
    """Play all cases that apply to one way to the service.

    Args:
        make_transport: makes the transport under test, as `Case.run` says.
        over: `http`, `https` or `memory`.
        known: the names of the cases that this transport is known to fail.

    Returns:
        Which promises are kept, which are known to be broken, and which cases could not be
        played here, and why.

    Raises:
        AssertionError: promises are broken, or kept although `known` names them. The message
            lists each with what was seen, the most severe first.
        ValueError: `known` or `over` has a name that does not exist.
    """
    _refuse_unknown_names(known, CASES)
    check_channel(over)
    return check_cases(
        [case for case in CASES if over in case.over],
        lambda case: case.run(make_transport, over=over, known=known),
    )


def check_journal(
    make_journal: MakeJournal,
    *,
    patience: float = 0,
    outage: Outage | None = None,
    secrets: Collection[str] = (),
    known: Collection[str] = (),
) -> Report[JournalCase]:
    """Play all cases for journals. They start, kill, stop and fork processes.

    The processes import the calling script again, so it needs `if __name__ == "__main__":`.

    Args:
        make_journal: makes a journal, called as `make_journal(service=label)`. All journals share
            one storage, and each case has its own label.
        patience: the seconds after which a dead process's sessions are orphans: the lease, or 0 if
            the system tells which process is dead.
        outage: a function without arguments that returns a context manager: in its block the
            storage is unavailable. None: two cases are not played.
        secrets: passwords that no repr and no error may show.
        known: the names of the cases that this journal is known to fail.

    Returns and raises what `check` does. What `make_journal` raises at once comes through.
    """
    _refuse_unknown_names(known, JOURNAL_CASES)
    check_seconds("patience", patience, may_be_zero=True)
    make_journal(service="https://check.example").close()  # If that fails, no case says why.
    return check_cases(
        JOURNAL_CASES,
        lambda case: case.run(
            make_journal, patience=patience, outage=outage, secrets=secrets, known=known
        ),
    )


def _refuse_unknown_names(known: Collection[str], cases: Sequence[Case | JournalCase]) -> None:
    if unknown := set(known) - {case.name for case in cases}:
        raise ValueError(f"known names cases that do not exist: {', '.join(sorted(unknown))}")


__all__ = [
    "CASES",
    "JOURNAL_CASES",
    "BrokenPromiseError",
    "Case",
    "Channel",
    "JournalCase",
    "KnownToBeBrokenError",
    "MakeJournal",
    "MakeTransport",
    "Outage",
    "Report",
    "Severity",
    "check",
    "check_journal",
]

"""The proof that a transport keeps the port's contract: `check`, or each of `CASES` by itself.

`check_journal` and `JOURNAL_CASES` are the same for a journal.

The kit needs no test framework. It plays its cases on 127.0.0.1, over `http`, over `https` (then
it needs the extra `conformance`), or in `memory` with a `FakeService`:

    check(MyTransport)                  # called as MyTransport(api_url)
    check(MyTransport, over="https")    # called as MyTransport(api_url, ssl_context=ssl_context)

and in pytest:

    @pytest.mark.parametrize("case", CASES, ids=str)
    def test_my_transport(case):
        case.run(MyTransport, known={"calls-in-a-row-use-one-connection"})

`known` names the cases that the transport does not keep, and that is accepted. They are still
played: if one is kept after all, that is a failure, so that the list stays true.
"""

from collections.abc import Collection, Sequence

from . import journal_cases, journal_process_cases
from .case import Case, KnownToBeBrokenError, Report, Severity, check_cases, check_channel
from .cases import CASES
from .harness import Channel, MakeTransport
from .journal_case import JournalCase, MakeJournal, Outage, cases_of

JOURNAL_CASES: list[JournalCase] = [*cases_of(journal_cases), *cases_of(journal_process_cases)]


def check(
    make_transport: MakeTransport, *, over: Channel = "http", known: Collection[str] = ()
) -> Report[Case]:
    """Play all cases that have a meaning over one way to the service.

    Args:
        make_transport: makes the transport under test, as `Case.run` says.
        over: `http`, `https` or `memory`.
        known: the names of the cases that this transport is known not to keep.

    Returns:
        Which promises are kept, which are known to be broken, and which cases could not be
        played here, and why.

    Raises:
        AssertionError: promises are broken, or kept although `known` names them. The message
            names each, the most severe first, and says what was seen.
        ValueError: `known` names what is no case, or `over` no way to the service.
    """
    _check_known(known, CASES)
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
    """Play all cases for journals. Processes are started, killed, stopped and forked.

    Args:
        make_journal: makes a journal, called as `make_journal(service=label)`. All that it makes
            are at one place, and each case has a label of its own.
        patience: the seconds after which a dead process's sessions are orphans: 0 where the
            system says who is dead, and the lease where time says it.
        outage: called without arguments, it gives a context manager in whose block the storage is
            away. None: two cases are not played.
        secrets: passwords that no repr and no error may show.
        known: the names of the cases that this journal is known not to keep.

    Returns and raises what `check` does.
    """
    _check_known(known, JOURNAL_CASES)
    return check_cases(
        JOURNAL_CASES,
        lambda case: case.run(
            make_journal, patience=patience, outage=outage, secrets=secrets, known=known
        ),
    )


def _check_known(known: Collection[str], cases: Sequence[Case | JournalCase]) -> None:
    if unknown := set(known) - {case.name for case in cases}:
        raise ValueError(f"known names what is no case: {', '.join(sorted(unknown))}")


__all__ = [
    "CASES",
    "JOURNAL_CASES",
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

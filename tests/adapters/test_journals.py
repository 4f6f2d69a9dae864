"""What all journals have from one place, beyond what the conformance kit checks."""

import copy
import pickle
import sys
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from pathlib import Path

import pytest

from firecrawl_interact import FileJournal, InMemoryJournal, JournalError
from firecrawl_interact.adapters.journals.base import BaseJournal

AT_ONCE = 10 if sys.platform == "win32" else 50  # wine takes minutes for 50 threads.


@pytest.mark.parametrize(
    ("label", "normalized"),
    [
        ("HTTPS://API.Example:443/Path/v2/", "https://api.example/Path"),
        ("http://api.example:80", "http://api.example"),
        ("https://no address", "https://no address"),
        ("API.Example/v2", "API.Example/v2"),
        ("", None),
    ],
)
def test_a_label_that_is_an_address_is_written_as_transports_write_it(
    label: str, normalized: str | None
) -> None:
    with InMemoryJournal(service=label) as journal:
        journal.opened("one")
    assert InMemoryJournal(journal, service="another").other_services() == [normalized or ""]
    assert list(InMemoryJournal(journal, service=normalized).adopt_orphans()) == ["one"]


def test_memory_lists_open_sessions_in_order() -> None:
    journal, session_id, gone = InMemoryJournal(), uuid.uuid4(), uuid.uuid4()
    for one in ("three", gone, session_id):
        journal.opened(one)
    journal.gone(gone)
    another = InMemoryJournal(journal, service="another")
    another.opened("one")
    assert journal.sessions_left_open == ["three", str(session_id)]
    assert journal.other_services() == []
    another.close()
    assert journal.other_services() == ["another"]


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Let threads take turns as often as Python can."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(usual)


@pytest.mark.usefixtures("eager_threads")
@pytest.mark.parametrize(
    ("kind", "rounds"),
    [(InMemoryJournal, 20), (FileJournal, 1)],  # In memory, each third goes wrong without a lock.
)
def test_threads_and_sweepers_at_once_lose_nothing(
    kind: Callable[..., BaseJournal], rounds: int, tmp_path: Path
) -> None:
    def work(number: int) -> list[str]:
        living.opened(f"living-{number}")
        leaves_and_sweeps = make_journal()
        for place in range(5):
            leaves_and_sweeps.opened(f"dead-{number}-{place}")
        leaves_and_sweeps.close()
        found = list(leaves_and_sweeps.adopt_orphans())
        for session_id in found:
            leaves_and_sweeps.gone(session_id)
        leaves_and_sweeps.close()
        return found

    descriptors = len([*Path("/dev/fd").glob("*")])  # none on Windows
    for _ in range(rounds):
        make_journal = partial(
            kind, tmp_path if kind is FileJournal else InMemoryJournal(), service=""
        )
        with make_journal() as living, ThreadPoolExecutor(AT_ONCE) as threads:
            found = [*chain(*threads.map(work, range(AT_ONCE)))]
        assert len(found) == len(set(found)) == AT_ONCE * 5
        with make_journal() as sweeper:
            assert len(list(sweeper.adopt_orphans())) == AT_ONCE
    assert len([*Path("/dev/fd").glob("*")]) <= descriptors


@pytest.mark.parametrize("copy_of", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])  # noqa: S301 - our own bytes
def test_a_copy_of_memory_has_what_was_recorded_and_its_own_storage(
    copy_of: Callable[[InMemoryJournal], InMemoryJournal],
) -> None:
    journal = InMemoryJournal()
    journal.opened("one")
    other = copy_of(journal)
    other.opened("two")
    assert (journal.sessions_left_open, other.sessions_left_open) == (["one"], ["one", "two"])


class FailingJournal(InMemoryJournal):
    """A journal whose storage fails, and whose name has two lines."""

    def __init__(self, error: Exception) -> None:
        super().__init__(service="")
        self._shown, self._error = "at\nhome", error

    def _record(self, session_id: str) -> None:
        raise self._error

    def _orphans(self) -> list[str]:
        raise self._error


@pytest.mark.parametrize(
    ("error", "reason"), [(OSError("Is it\nup?"), "Is it"), (TimeoutError(), "TimeoutError")]
)
def test_a_storage_error_is_one_line_with_session_and_cause(error: Exception, reason: str) -> None:
    with pytest.raises(JournalError) as raised:
        FailingJournal(error).opened("one")
    problem = "Cannot record session 'one' in the journal at\\nhome"
    assert (str(raised.value), raised.value.session_id) == (f"{problem}: {reason}.", "one")
    assert raised.value.__cause__ is error
    assert error.__traceback__ is None  # Its frames may hold a password.
    with pytest.raises(JournalError) as raised:
        next(FailingJournal(error).adopt_orphans())
    problem = "Cannot adopt the orphans of the journal at\\nhome"
    assert (str(raised.value), raised.value.session_id) == (f"{problem}: {reason}.", None)

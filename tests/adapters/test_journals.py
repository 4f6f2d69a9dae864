"""What all journals have from one place, beyond what the conformance kit checks."""

import subprocess
import sys
import uuid
from collections.abc import Callable

import pytest

from firecrawl_interact import adapters
from firecrawl_interact.adapters import InMemoryJournal
from firecrawl_interact.core import JournalError


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


def test_memory_shows_what_is_left_open_in_the_order_in_which_it_was_opened() -> None:
    journal, session_id, gone = InMemoryJournal(), uuid.uuid4(), uuid.uuid4()
    for one in ("three", gone, session_id):
        journal.opened(one)
    journal.gone(gone)
    InMemoryJournal(journal, service="another").opened("one")
    assert journal.sessions_left_open == ["three", str(session_id)]


class FailingJournal(InMemoryJournal):
    """A journal whose storage fails with an error, and shows itself in two lines."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._shown, self._error = "at\nhome", error

    def _fail(self, *_: object) -> list[str]:
        raise self._error

    _record = _forget = _orphans = _adopt = _other_services = _fail  # type: ignore[assignment]  # whatever is asked of it


@pytest.mark.parametrize(
    ("call", "problem", "session_id"),
    [
        (lambda it: it.opened("one"), "Session 'one' cannot be recorded in the journal", "one"),
        (lambda it: it.gone("one"), "Session 'one' cannot be forgotten in the journal", "one"),
        (lambda it: it.orphans(), "No orphans can be listed of the journal", None),
        (lambda it: next(it.adopt_orphans()), "No orphans can be adopted from the journal", None),
        (lambda it: it.other_services(), "No services can be listed of the journal", None),
    ],
)
@pytest.mark.parametrize(
    ("error", "reason"), [(OSError("Is it\nup?"), "Is it"), (TimeoutError(), "TimeoutError")]
)
def test_an_error_of_the_storage_is_one_line_that_names_the_session_and_has_the_cause(
    call: Callable[[InMemoryJournal], object],
    problem: str,
    session_id: str | None,
    error: Exception,
    reason: str,
) -> None:
    with pytest.raises(JournalError) as raised:
        call(FailingJournal(error))
    assert str(raised.value) == f"{problem} at\\nhome: {reason}."
    assert raised.value.session_id == session_id
    assert raised.value.__cause__ is error
    assert error.__traceback__ is None  # Its frames may hold a password.


def test_importing_the_adapters_installs_no_hook_for_forks() -> None:
    code = "import logging, os, random, uuid; del os.register_at_fork; import {}"
    subprocess.run([sys.executable, "-c", code.format(adapters.__name__)], check=True)

"""Journals of one directory against a model: sets of ids, and who holds which.

The model knows three places for an id: a living journal that holds it; a living journal that has
adopted a record of it but left it to another journal; and the dead, for each label.
"""

import os
import shutil
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from firecrawl_interact.adapters import FileJournal

LABELS = ["https://here", None]
SESSIONS = [f"session-{number}" for number in range(6)]
JOURNALS = st.integers(0, 3)


class Living:
    """A journal, and what the model says it holds."""

    def __init__(self, directory: Path, service: str | None) -> None:
        self.journal = FileJournal(directory, service=service)
        self.service = service
        self.held: set[str] = set()
        self.left_to_others: set[str] = set()

    @property
    def in_its_files(self) -> set[str]:
        return self.held | self.left_to_others


def bytes_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def read_after_a_crash(files: dict[str, bytes], service: str | None) -> set[str]:
    """What a sweeper finds on the disk of a machine on which nobody lives."""
    with tempfile.TemporaryDirectory() as directory:
        for name, content in files.items():
            Path(directory, name).write_bytes(content)
        with FileJournal(directory, service=service) as sweeper:
            found = list(sweeper.adopt_orphans())
    assert len(found) == len(set(found))
    return set(found)


class Journals(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(os, "fsync", lambda descriptor: None)  # The machine itself lives on.
        self.living: list[Living] = []
        self.dead: dict[str | None, set[str]] = defaultdict(set)

    def teardown(self) -> None:
        for one in self.living:
            one.journal.close()
        shutil.rmtree(self.directory)
        self.patch.undo()

    def remembered(self, service: str | None) -> set[str]:
        """What the disk says is open, whoever lives."""
        of_the_living = [one.in_its_files for one in self.living if one.service == service]
        return self.dead[service].union(*of_the_living)

    @contextmanager
    def crash_at_any_byte(self, cut: int) -> Iterator[None]:
        """Look at the disk as if all had died after some byte that this step writes."""
        before = {label: self.remembered(label) for label in LABELS}
        files_before = bytes_of(self.directory)
        yield
        files = bytes_of(self.directory)
        for name, content in files.items():
            written = content[len(files_before.get(name, content)) :]
            if written:
                files[name] = content[: len(content) - cut % (len(written) + 1)]
        for label in LABELS:
            after = self.remembered(label)
            assert before[label] & after <= read_after_a_crash(files, label)
            assert read_after_a_crash(files, label) <= before[label] | after

    @initialize(label=st.sampled_from(LABELS))
    def first(self, label: str | None) -> None:
        self.living.append(Living(self.directory, label))

    @precondition(lambda self: len(self.living) < 4)
    @rule(label=st.sampled_from(LABELS))
    def start(self, label: str | None) -> None:
        self.living.append(Living(self.directory, label))

    @rule(which=JOURNALS, session_id=st.sampled_from(SESSIONS), cut=st.integers(0, 80))
    def opened(self, which: int, session_id: str, cut: int) -> None:
        one = self.living[which % len(self.living)]
        with self.crash_at_any_byte(cut):
            one.journal.opened(session_id)
            one.held.add(session_id)

    @rule(which=JOURNALS, session_id=st.sampled_from(SESSIONS), cut=st.integers(0, 80))
    def gone(self, which: int, session_id: str, cut: int) -> None:
        one = self.living[which % len(self.living)]
        with self.crash_at_any_byte(cut):
            one.journal.gone(session_id)
            one.held.discard(session_id)

    @rule(which=JOURNALS, cut=st.integers(0, 80))
    def adopt(self, which: int, cut: int) -> None:
        one = self.living[which % len(self.living)]
        others = [other.in_its_files for other in self.living if other is not one]
        of_others: set[str] = set().union(*others)
        expected = self.dead[one.service] - one.held - of_others
        assert sorted(one.journal.orphans()) == sorted(expected)
        with self.crash_at_any_byte(cut):
            assert sorted(one.journal.adopt_orphans()) == sorted(expected)
            one.left_to_others |= self.dead[one.service] - one.held - expected
            one.held |= expected
            self.dead[one.service] = set()

    @precondition(lambda self: len(self.living) > 1)
    @rule(which=JOURNALS)
    def die(self, which: int) -> None:
        one = self.living.pop(which % len(self.living))
        one.journal.close()
        self.dead[one.service] |= one.in_its_files

    @rule(which=JOURNALS, session_id=st.sampled_from(SESSIONS))
    def fork(self, which: int, session_id: str) -> None:
        """Let a child open a session and die. It has nothing of its parent's."""
        one = self.living[which % len(self.living)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # the threads of the test runner
            child = os.fork()
        if not child:
            try:
                for held in one.held:
                    one.journal.gone(held)
                one.journal.opened(session_id)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        self.dead[one.service].add(session_id)

    @invariant()
    def nothing_unfinished_and_nothing_empty_is_left(self) -> None:
        names = os.listdir(self.directory)
        assert not [name for name in names if not name.endswith(".jsonl")]


TestJournals = Journals.TestCase
TestJournals.settings = settings(
    max_examples=min(60, settings().max_examples), stateful_step_count=30, deadline=None
)

"""The kit finds what somebody in a hurry gets wrong; and how it behaves towards its users."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from firecrawl_interact.adapters.conformance import TransportTests

from . import broken_journals, broken_transports  # noqa: F401 - they fill `FOUND`
from .found import FOUND

HERE = Path(__file__).parent
slow = pytest.mark.slow


def play(*arguments: str, folder: Path = HERE.parents[1]) -> str:
    """Let pytest play something in a process of its own, and return what it prints."""
    # A broken transport leaves sockets open, which pytest would report in the next one's test.
    without = ("-p", "no:cacheprovider", "-p", "no:unraisableexception")
    command = [sys.executable, "-m", "pytest", "-rA", *without, *arguments]
    wide = {**os.environ, "COLUMNS": "500"}
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, cwd=folder, env=wide)
    return done.stdout.decode()


@pytest.mark.parametrize("kept", ["not any_order", pytest.param("any_order", marks=slow)])
def test_each_is_found_by_the_test_that_names_the_promise(kept: str) -> None:
    rows = [row for row in FOUND if ("any_order" in row[1]) is (kept == "any_order")]
    nodes = [
        f"{HERE / broken.__module__.rpartition('.')[2]}.py::Test{broken.__name__}::{test}"
        for broken, test, _ in rows
    ]
    # A search by chance misses a broken one now and then; the profile's is always the same.
    options = ["--tb=no", "--hypothesis-profile=quick"]
    output = play(*options, "-k", f"({kept}) and (not https or untrusted or handshake)", *nodes)
    missed = []
    for broken, test, said in rows:
        where = f"Test{broken.__name__}::{test}"
        ends = re.findall(rf"^(?:FAILED|PASSED) .*::{re.escape(where)}.*$", output, re.MULTILINE)
        if not any(said in end for end in ends):
            missed.append((where, said, ends))
    assert missed == []


def test_known_failures_are_expected_and_a_pass_fails(
    tmp_path: Path,
) -> None:
    (tmp_path / "test_mine.py").write_text(
        """
from firecrawl_interact import InMemoryJournal
from firecrawl_interact.adapters.conformance import JournalTests, TransportTests as TestBase

class TestMine(JournalTests):
    known = {
        "test_gone_of_an_unknown_id_changes_nothing": "why not",
        "test_its_pickle_is_another_journal_with_the_same_storage": "it is in memory",
        "test_a_killed_process_leaves_orphans_with_what_it_had_adopted[fork]": "as above",
    }
    journal = InMemoryJournal(service="")

    def make_journal(self, service):
        return InMemoryJournal(self.journal, service=service)
""",
        encoding="utf-8",
    )
    output = play("-k", "unknown or pickle or label or Base or fork]", folder=tmp_path)
    assert "FAILED test_mine.py::TestMine::test_gone_of_an_unknown_id_changes" in output
    assert "[XPASS(strict)] why not" in output
    assert "XFAIL test_mine.py::TestMine::test_its_pickle_is_another" in output
    assert "XFAIL test_mine.py::TestMine::test_a_killed_process_leaves_" in output
    assert "PASSED test_mine.py::TestMine::test_an_address_is_one_label" in output
    assert "Base" not in output


@pytest.mark.parametrize(
    "name",
    [
        "test_that_there_is_not",
        "known",
        "test_a_redirect_is_not_followed[306]",
        "test_a_handshake_that_fails_was_not_sent[http-a close]",
    ],
)
def test_a_name_in_known_that_there_is_not_is_refused(name: str) -> None:
    good = ["test_a_redirect_is_not_followed[http-302]", "test_cookies_are_not_kept"]
    good += ["test_a_handshake_that_fails_was_not_sent[https-a close]"]
    with pytest.raises(ValueError, match=re.escape(f"do not exist: ['{name}']")):
        type("TestMine", (TransportTests,), {"known": dict.fromkeys([*good, name], "why not")})


def test_without_the_extra_the_kit_says_what_to_install() -> None:
    code = """import sys; sys.modules["trustme"] = None
import firecrawl_interact.adapters
import firecrawl_interact.adapters.conformance"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert "the conformance suite needs trustme: pip install '.[conformance]'" in done.stderr

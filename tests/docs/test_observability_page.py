"""The log lines of the page are what its code prints."""

from pathlib import Path

from .pages import blocks, run_python, sections

SECTION = dict(sections("docs/observability.md"))["The log"]
[CODE] = blocks(SECTION, "python")
[LOGGED] = blocks(SECTION, "text")


def test_the_log_reads_as_the_page_shows_it(tmp_path: Path) -> None:
    assert run_python(CODE, tmp_path) == LOGGED


def test_a_program_that_does_not_set_up_logging_prints_nothing(tmp_path: Path) -> None:
    quiet = [line for line in CODE.splitlines() if not line.startswith("logging.")]
    assert not run_python("\n".join(quiet), tmp_path)

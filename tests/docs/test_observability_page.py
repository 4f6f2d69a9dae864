"""The log lines of the page are what a program prints that does what the page says."""

import re
import subprocess
import sys
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "docs/observability.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("\n## The log\n")[2].partition("\n## ")[0]
CODE = re.compile(r"^(?:```|<!-- invisible-code: )python\n(.*?)^(?:```|-->)$", re.M | re.S)
SWITCH_ON, *CALL = CODE.findall(SECTION)
[PRINTED] = re.findall(r"\n\n```\n(.*?)^```$", SECTION, re.M | re.S)


def printed_by(*code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(code)],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return done.stdout


def test_the_log_reads_as_the_page_shows_it() -> None:
    assert printed_by(SWITCH_ON, *CALL) == PRINTED


def test_a_program_that_does_not_set_up_logging_prints_nothing() -> None:
    assert not printed_by("import logging", *CALL)

"""The cells of the page that await run as a notebook runs them."""

import sys
from pathlib import Path

import pytest

from firecrawl_interact.adapters import FakeService

from .pages import blocks, open_sessions_of, run, text_of

pytestmark = pytest.mark.enable_socket

PAGE = "docs/notebook.md"


@pytest.mark.parametrize("cell", blocks(text_of(PAGE), "ipython"))
def test_a_cell_may_await(cell: str, firecrawl: FakeService, tmp_path: Path) -> None:
    open_sessions_of(PAGE, firecrawl)
    (tmp_path / "cell.ipy").write_text(f"{cell}\nprint(receipt.session_fate)\n", encoding="utf-8")
    options = ["--no-banner", "--colors=NoColor", "--InteractiveShell.xmode=Plain"]
    printed = run([sys.executable, "-m", "IPython", *options, "cell.ipy"], tmp_path)
    assert printed.splitlines()[-1] == "SessionFate.GONE"
    assert firecrawl.sessions_left_open == []

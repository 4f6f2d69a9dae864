"""The transports and the journal of the pages keep what their pages say, case by case."""

import importlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from firecrawl_interact.adapters.conformance import (
    CASES,
    JOURNAL_CASES,
    Case,
    JournalCase,
    KnownToBeBrokenError,
    Severity,
)

from .pages import blocks, text_of

pytestmark = pytest.mark.enable_socket
LEASE = 0.8  # in seconds; the page has a longer one, and this one costs less waiting


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The pages' code is imported from files, since pickle and other processes do."""
    folder = tmp_path_factory.mktemp("pages")
    for page in ("write-your-own-transport", "write-your-own-journal"):
        code = "\n\n".join(blocks(text_of(f"docs/{page}.md"), "python"))
        (folder / f"{page.replace('-', '_')}.py").write_text(code, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        yield folder


@pytest.fixture
def transports(folder: Path) -> ModuleType:
    return importlib.import_module("write_your_own_transport")


@pytest.fixture
def journals(folder: Path) -> ModuleType:
    return importlib.import_module("write_your_own_journal")


@pytest.mark.parametrize("test", ["test_my_keeping_transport", "test_my_awaited_keeping_transport"])
@pytest.mark.parametrize("case", [case for case in CASES if "http" in case.over], ids=str)
def test_a_transport_breaks_the_promises_that_its_page_names_and_none_of_the_worst_class(
    case: Case, test: str, transports: ModuleType
) -> None:
    try:
        getattr(transports, test)(case, "http")
    except KnownToBeBrokenError as broken:
        assert broken.severity is not Severity.MAY_LOSE_SESSIONS  # noqa: PT017 - of a skip


@pytest.mark.parametrize(
    "case", [case for case in JOURNAL_CASES if not case.name.startswith("any-order")], ids=str
)
def test_the_journal_keeps_every_promise(case: JournalCase, journals: ModuleType) -> None:
    make_journal = partial(journals.StoreJournal, journals.PATH, lease=LEASE)
    secrets = ["nothing that it knows"]
    case.run(make_journal, patience=LEASE, outage=journals.outage, secrets=secrets)

"""The journal of the page keeps every promise, as the page says."""

import sys
from collections.abc import Iterator
from functools import partial
from types import ModuleType

import pytest

from firecrawl_interact.adapters import FakeService, InMemoryTransport
from firecrawl_interact.adapters.conformance import JOURNAL_CASES, JournalCase
from firecrawl_interact.core import DeleteSession

from .pages import blocks, module_of, text_of

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.skipif(sys.platform == "win32", reason="it has no fork"),
]
PAGE = "docs/write-your-own-journal.md"
[QUOTED] = blocks(text_of(PAGE), "text")
LEASE = 0.8  # in seconds; the page has a longer one, and this one costs less waiting


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    with module_of(PAGE, tmp_path_factory.mktemp("page")) as module:
        yield module


@pytest.mark.parametrize("case", JOURNAL_CASES, ids=str)
def test_it_keeps_every_promise(case: JournalCase, page: ModuleType) -> None:
    make_journal = partial(page.StoreJournal, page.PATH, lease=LEASE)
    secrets = ["nothing that it knows"]
    case.run(make_journal, patience=LEASE, outage=page.outage, secrets=secrets)


def test_a_use_case_takes_it(page: ModuleType) -> None:
    service = FakeService(["fc-test"])
    journal = page.make_journal()
    delete_session = DeleteSession(InMemoryTransport(service), "fc-test", journal=journal)
    with delete_session.on_exit(service.open_session()):
        assert len(page.Store(page.PATH).scan("")) >= 1
    assert not journal.orphans()
    journal.close()


def test_the_message_that_the_page_quotes_is_what_the_kit_says(page: ModuleType) -> None:
    [case] = [case for case in JOURNAL_CASES if str(case).startswith("a-yielded-session-is-no-oth")]

    class YieldsBeforeItAdopts(page.StoreJournal):  # type: ignore[misc, name-defined] # the page's
        def adopt_orphans(self) -> Iterator[str]:
            yield from sorted(self.orphans())

    with pytest.raises(AssertionError) as broken:
        case.run(lambda service: YieldsBeforeItAdopts(page.PATH, service=service, lease=LEASE))
    assert f"{broken.value}\n" == QUOTED

"""The transports and the journal of the pages keep what the pages say, and break what they name."""

import gc
import importlib
import traceback
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import httpx2
import pytest

from firecrawl_interact.adapters import InMemoryTransport
from firecrawl_interact.adapters.conformance import (
    CASES,
    JOURNAL_CASES,
    Case,
    JournalCase,
    KnownToBeBrokenError,
    Severity,
)
from firecrawl_interact.adapters.conformance.server import FaultServer, good_response
from firecrawl_interact.adapters.conformance.wire_faults import responds
from firecrawl_interact.core import BadResponseError, ConnectFailedError, Request

from .pages import blocks, found, text_of

pytestmark = pytest.mark.enable_socket

TRANSPORTS, JOURNALS = "docs/write-your-own-transport.md", "docs/write-your-own-journal.md"
ON_HTTPX2, ON_HTTPX = "write_your_own_transport", "the_same_on_httpx"
TESTS = [
    (ON_HTTPX2, "test_my_transport"),
    (ON_HTTPX2, "test_my_awaited_transport"),
    (ON_HTTPX, "test_my_transport"),
    (ON_HTTPX, "test_my_awaited_transport"),
    (ON_HTTPX2, "test_my_keeping_transport"),
    (ON_HTTPX2, "test_my_awaited_keeping_transport"),
]
IN_MEMORY = [case for case in CASES if "blocking" in case.kinds and "memory" in case.over]
REQUEST = Request("DELETE", "/v2/interact/session-1", {})
LEASE = 0.8  # in seconds; the page has a longer one, and this one costs less waiting


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The pages' code is imported from files, since pickle and other processes do."""
    folder = tmp_path_factory.mktemp("pages")
    for page in (TRANSPORTS, JOURNALS):
        file = folder / Path(page).with_suffix(".py").name.replace("-", "_")
        file.write_text("\n\n".join(blocks(text_of(page), "python")), encoding="utf-8")
    on_httpx2 = (folder / f"{ON_HTTPX2}.py").read_text(encoding="utf-8")
    on_httpx = on_httpx2.replace("import httpx2 as httpx  # or: import httpx", "import httpx")
    assert "httpx2" not in on_httpx
    (folder / f"{ON_HTTPX}.py").write_text(on_httpx, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(folder)
        yield folder


@pytest.fixture
def transports(folder: Path) -> ModuleType:
    return importlib.import_module(ON_HTTPX2)


@pytest.fixture
def journals(folder: Path) -> ModuleType:
    pytest.importorskip("fcntl")
    return importlib.import_module("write_your_own_journal")


def test_the_page_begins_with_as_few_lines_as_it_says() -> None:
    """Neither imports nor empty lines count."""
    code = blocks(text_of(TRANSPORTS), "python")[0].partition("\n\n\n")[2]
    lines = [line for line in code.splitlines() if line]
    assert abs(int(found(r"begins with about (\d+) lines", text_of(TRANSPORTS))) - len(lines)) < 3


# After a handshake that failed, httpx2 leaves its socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("code", "test"), TESTS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_exactly_the_promises_that_the_page_names_are_broken_and_none_of_the_worst_class(
    case: Case, test: str, code: str, folder: Path
) -> None:
    over = "http" if "http" in case.over else "https"
    try:
        getattr(importlib.import_module(code), test)(case, over)
    except KnownToBeBrokenError as broken:
        assert broken.severity is not Severity.MAY_LOSE_SESSIONS  # noqa: PT017 - of a skip
    if over == "https":
        gc.collect()  # so that its warning comes here


def test_what_another_request_of_the_client_leaves_behind_is_never_a_response(
    transports: ModuleType,
) -> None:
    surplus = good_response("/surplus")
    with FaultServer(responds(surplus=surplus)) as server, httpx2.Client() as client:
        client.get(f"{server.api_url}/other")
        transport = transports.KeepingTransport(client, server.api_url)
        with pytest.raises(BadResponseError, match="came before the request"):
            transport.send(REQUEST, 5)
        for _ in range(2):
            assert b"/session-1" in transport.send(REQUEST, 5).body
        assert server.connections == 2


def test_no_frame_of_an_error_holds_the_headers_with_the_key(transports: ModuleType) -> None:
    def send_half(request: httpx2.Request) -> httpx2.Response:
        headers = request.headers.raw
        raise httpx2.WriteError(f"the connection broke after {len(headers)} headers")

    new_client = partial(httpx2.Client, transport=httpx2.MockTransport(send_half))
    for transport in (
        transports.HttpxTransport(new_client, "http://127.0.0.1:9"),
        transports.KeepingTransport(new_client(), "http://127.0.0.1:9"),
    ):
        with pytest.raises(ConnectFailedError) as caught:
            transport.send(REQUEST, 5)
        error: BaseException | None = caught.value
        while error is not None:
            frames = [frame.f_code.co_name for frame, _ in traceback.walk_tb(error.__traceback__)]
            assert "send_half" not in frames
            error = error.__context__


@pytest.mark.parametrize("case", IN_MEMORY, ids=str)
def test_the_wrapped_transport_keeps_the_promises_of_the_one_inside(
    case: Case, transports: ModuleType
) -> None:
    case.run(lambda service: transports.LoggedTransport(InMemoryTransport(service)), over="memory")


@pytest.mark.parametrize("case", JOURNAL_CASES, ids=str)
def test_the_journal_keeps_every_promise(case: JournalCase, journals: ModuleType) -> None:
    make_journal = partial(journals.StoreJournal, journals.PATH, lease=LEASE)
    secrets = ["nothing that it knows"]
    case.run(make_journal, patience=LEASE, outage=journals.outage, secrets=secrets)


def test_the_messages_that_the_pages_quote_are_what_the_kits_say(
    transports: ModuleType, journals: ModuleType
) -> None:
    class YieldsBeforeItAdopts(journals.StoreJournal):  # type: ignore[misc, name-defined] # the page's
        def adopt_orphans(self) -> Iterator[str]:
            yield from sorted(self.orphans())

    [headers] = [case for case in CASES if case.name == "more-than-100-headers-are-refused"]
    [yielded] = [case for case in JOURNAL_CASES if case.name.startswith("a-yielded-session-is-no")]
    with pytest.raises(AssertionError) as of_a_transport:
        headers.run(transports.OwningTransport)
    with pytest.raises(AssertionError) as of_a_journal:
        yielded.run(
            lambda service: YieldsBeforeItAdopts(journals.PATH, service=service, lease=LEASE)
        )
    assert blocks(text_of(TRANSPORTS), "text") == [f"{of_a_transport.value}\n"]
    assert blocks(text_of(JOURNALS), "text") == [f"{of_a_journal.value}\n"]

"""The transports of the page keep and break the promises that the page says they do."""

import gc
from collections.abc import Iterator
from types import ModuleType

import httpx2
import pytest

from firecrawl_interact.adapters import InMemoryTransport
from firecrawl_interact.adapters.conformance import CASES, Case, Severity
from firecrawl_interact.adapters.conformance.server import FaultServer, good_response
from firecrawl_interact.adapters.conformance.wire_faults import responds
from firecrawl_interact.core import BadResponseError, Request

from .pages import blocks, module_of, text_of

pytestmark = pytest.mark.enable_socket

PAGE = "docs/write-your-own-transport.md"
[QUOTED] = blocks(text_of(PAGE), "text")
REQUEST = Request("DELETE", "/v2/interact/session-1", {})
TESTS = {"blocking": "test_my_transport", "async": "test_my_awaited_transport"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    with module_of(PAGE, tmp_path_factory.mktemp("page")) as module:
        yield module


# After a handshake that failed, httpx2 leaves its socket to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", TESTS)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_exactly_the_promises_that_the_page_names_are_broken(
    case: Case, kind: str, page: ModuleType
) -> None:
    over = "http" if "http" in case.over else "https"
    try:
        getattr(page, TESTS[kind])(case, over)
    finally:
        if over == "https":
            gc.collect()  # so that its warning comes here


def test_every_case_that_the_page_names_is_one_of_the_kit_and_none_of_the_worst_class(
    page: ModuleType,
) -> None:
    others = {case.name for case in CASES if case.severity is not Severity.MAY_LOSE_SESSIONS}
    assert others >= page.KNOWN_IF_BLOCKING


def test_what_another_request_of_the_client_leaves_behind_is_never_a_response(
    page: ModuleType,
) -> None:
    surplus = good_response("/surplus")
    with FaultServer(responds(surplus=surplus)) as server, httpx2.Client() as client:
        client.get(f"{server.api_url}/other")
        transport = page.Httpx2Transport(client, server.api_url)
        with pytest.raises(BadResponseError, match="came before the request"):
            transport.send(REQUEST, 5)
        assert b"/session-1" in transport.send(REQUEST, 5).body
        assert b"/session-1" in transport.send(REQUEST, 5).body
        assert server.connections == 2


@pytest.mark.parametrize(
    "case", [case for case in CASES if "blocking" in case.kinds and "memory" in case.over], ids=str
)
def test_the_wrapped_transport_keeps_the_promises_of_the_one_inside(
    case: Case, page: ModuleType
) -> None:
    case.run(lambda service: page.LoggedTransport(InMemoryTransport(service)), over="memory")


def test_the_message_that_the_page_quotes_is_what_the_kit_says(page: ModuleType) -> None:
    [case] = [case for case in CASES if case.name == "more-than-100-headers-are-refused"]
    with pytest.raises(AssertionError) as broken:
        case.run(page.OwningTransport)
    assert f"{broken.value}\n" == QUOTED

"""The two texts that show what using the library looks like run as they stand."""

import textwrap

import pytest

from firecrawl_interact.adapters import FakeService

pytestmark = pytest.mark.enable_socket

DESTROY = """
    from firecrawl_interact.core import DeleteSession
    from firecrawl_interact.adapters import Urllib3Transport

    with Urllib3Transport() as transport:                          # https://api.firecrawl.dev unless told otherwise
        delete_session = DeleteSession(transport, api_key="fc-...")
        receipt = delete_session("550e8400-e29b-41d4-a716-446655440000")
    print(receipt.credits_billed, receipt.session_duration_ms)
"""  # noqa: E501 - as it stands

IN_A_TEST = """
    service = FakeService(api_keys=["fc-test"])
    session_id = service.open_session()
    delete_session = DeleteSession(InMemoryTransport(service), api_key="fc-test")
    assert delete_session(session_id).session_id == session_id
"""


def run(text: str, names: dict[str, object]) -> None:
    exec(textwrap.dedent(text), names)  # noqa: S102 - the text above


def test_destroying_a_session_over_the_network(
    firecrawl: FakeService, capsys: pytest.CaptureFixture[str]
) -> None:
    session_id = firecrawl.open_session("550e8400-e29b-41d4-a716-446655440000")
    firecrawl.sleep(90)

    run(DESTROY, {})

    assert not firecrawl.is_open(session_id)
    assert capsys.readouterr().out == "3 90000\n"


def test_destroying_a_session_in_a_test() -> None:
    names: dict[str, object] = {}
    run(
        "from firecrawl_interact.adapters import FakeService, InMemoryTransport\n"
        "from firecrawl_interact.core import DeleteSession",
        names,
    )
    run(IN_A_TEST, names)

"""Each test here that takes a `wire` or a `transport_class` runs over both transports."""

from collections.abc import Iterator

import pytest

from firecrawl_interact.adapters import AsyncioTransport, Urllib3Transport
from firecrawl_interact.adapters.conformance.harness import environment

from .driven import TransportClass, Wire


@pytest.fixture(autouse=True)
def no_proxy_variables() -> Iterator[None]:
    with environment(dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "no_proxy"))):
        yield


@pytest.fixture(params=[Urllib3Transport, AsyncioTransport])
def transport_class(request: pytest.FixtureRequest) -> TransportClass:
    transport_class: TransportClass = request.param
    return transport_class


@pytest.fixture
def wire(transport_class: TransportClass) -> Iterator[Wire]:
    with Wire(transport_class) as wire:
        yield wire

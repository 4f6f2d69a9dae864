"""Each test here that takes a `use_case` or a `way` is played blocking and awaited."""

import pytest

from firecrawl_interact import core

from ..simulation.ways import WAYS, Way
from .scripted_transport import UseCase, awaited


@pytest.fixture(params=[core.DeleteSession, awaited], ids=["blocking", "awaited"])
def use_case(request: pytest.FixtureRequest) -> UseCase:
    use_case: UseCase = request.param
    return use_case


@pytest.fixture(params=[*WAYS.values()], ids=[*WAYS])
def way(request: pytest.FixtureRequest) -> type[Way]:
    way: type[Way] = request.param
    return way

"""The transport of the page keeps and breaks the promises that the page says it does."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from firecrawl_interact.adapters.conformance import CASES, Case

pytestmark = pytest.mark.enable_socket

TEXT = (Path(__file__).parents[2] / "docs/write-your-own-transport.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
TRANSPORT, KIT = (
    block
    for name in ("class HttpxTransport", "def test_my_transport")
    for block in BLOCKS
    if name in block
)
SEEN = dict(re.findall(r"^\| `([a-z0-9-]+)` \| `(.+)` \|$", TEXT, re.MULTILINE))
[QUOTED] = re.findall(r"^```\n(Promised: .+)\n```$", TEXT, re.MULTILINE)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The page's code in a module, since what is pickled must be importable."""
    path = tmp_path_factory.mktemp("page") / "httpx_transport_of_the_page.py"
    path.write_text(f"{TRANSPORT}\n\n{KIT}", encoding="utf-8")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules[path.stem]


def play(case: Case, page: ModuleType) -> None:
    if "http" in case.over:
        page.test_my_transport(case)
    else:
        case.run(page.HttpxTransport, over="https")


def masked(text: str) -> str:
    """Leave out how long it took this time."""
    return re.sub(r"after \d+\.\d+ s", "after some time", text)


@pytest.mark.parametrize("case", [case for case in CASES if "blocking" in case.kinds], ids=str)
def test_exactly_the_promises_that_the_page_names_are_broken(case: Case, page: ModuleType) -> None:
    if case.name not in SEEN:
        play(case, page)
        return
    with pytest.raises(AssertionError) as broken:
        play(case, page)
    expected = f"Promised: {case.promise}. Seen: {SEEN[case.name]}."
    assert masked(str(broken.value)) == masked(expected)


def test_the_page_names_no_case_that_the_kit_has_not() -> None:
    assert set(SEEN) <= {case.name for case in CASES}


def test_the_message_that_the_page_quotes_is_one_of_those() -> None:
    promises = {case.name: case.promise for case in CASES}
    assert QUOTED in {f"Promised: {promises[name]}. Seen: {seen}." for name, seen in SEEN.items()}

"""The core from outside: the names that users import, what it imports, and what that costs.

What it may not import of the standard library (sockets, files, clocks) is an import rule in
pyproject.toml.
"""

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import TypeVar, get_type_hints

import pytest

import firecrawl_interact
from firecrawl_interact import adapters, core
from firecrawl_interact.adapters import InMemoryJournal

from .side_by_side import FunctionTransport

ROOT = Path(__file__).parents[2]
CLASSES = [one for name in core.__all__ if inspect.isclass(one := getattr(core, name))]
ErrorT = TypeVar("ErrorT", bound=Exception)
SLOW_TO_IMPORT = {"asyncio", "concurrent", "email", "http", "json", "socket", "ssl"}


@pytest.mark.parametrize(
    "package", [core, adapters, firecrawl_interact], ids=lambda one: one.__name__
)
def test_type_checkers_read_the_names_that_a_package_exports(package: ModuleType) -> None:
    assert package.__file__ is not None
    block = next(
        node
        for node in ast.parse(Path(package.__file__).read_text(encoding="utf-8")).body
        if isinstance(node, ast.If)
    )
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    static = {
        name.asname: f"{'.' * node.level}{node.module}"
        for node in imports
        for name in node.names
        if name.asname
    }
    exports = {name: module for module, names in package._EXPORTS.items() for name in names}
    assert static == exports
    assert dir(package) == sorted(exports)
    for name in exports:
        assert getattr(package, name) is not None


def kinds_of(kind: type[ErrorT]) -> Iterator[type[ErrorT]]:
    """Yield a class of this library, exported or not, and all that derive from it."""
    if kind.__module__.startswith("firecrawl_interact."):
        yield kind
    for below in kind.__subclasses__():
        yield from kinds_of(below)


def named_on(page: str, pattern: str) -> set[str]:
    return set(re.findall(pattern, (ROOT / page).read_text(encoding="utf-8")))


def test_each_error_is_exported_and_in_both_trees_and_the_reference() -> None:
    errors = {kind.__name__ for kind in kinds_of(core.FirecrawlInteractError)}
    names = {
        "core": {*core.__all__},
        "package": {*firecrawl_interact.__all__},
        "tree of core/errors.py": {*re.findall(r"\w+Error", core.errors.__doc__ or "")},
        "tree of the reference": named_on("docs/reference/package.md", r"- `(\w+Error)"),
        "reference": named_on("docs/reference/package.md", r":: (\w+Error)"),
    }
    assert {place: errors - known for place, known in names.items() if errors - known} == {}


def test_each_error_that_is_about_a_session_is_on_its_page() -> None:
    kinds = [kind for kind in kinds_of(core.DeleteSessionError) if not kind.__subclasses__()]
    assert {kind.__name__ for kind in kinds} <= named_on("docs/outcomes.md", r"\w+Error")


def test_a_name_that_is_not_there_is_an_ordinary_attribute_error() -> None:
    assert not hasattr(core, "Urllib3Transport")
    with pytest.raises(AttributeError, match="core' has no attribute 'DeleteEverything'"):
        core.DeleteEverything  # type: ignore[attr-defined] # noqa: B018 - the point


def test_no_value_that_users_get_can_be_changed() -> None:
    pause = core.Pause(reason="outage", seconds_left=1, waiting=2, number=3)
    for value, name in (
        (core.DeletionReceipt(session_id="a"), "attempts"),
        (core.RetryPolicy(), "deadline"),
        (pause, "number"),
        (core.Request("DELETE", "/", {}), "path"),
        (core.Response(200, {}, b""), "status"),
    ):
        with pytest.raises(AttributeError):
            setattr(value, name, 4)
    for kind in (core.DeletionReceipt, core.RetryPolicy):  # Their values are named.
        with pytest.raises(TypeError):
            kind(4)  # type: ignore[call-arg, arg-type] # the point


@pytest.mark.parametrize("kind", CLASSES)
def test_the_hints_of_each_method_can_be_resolved(kind: type) -> None:
    assert isinstance(get_type_hints(kind), dict)
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if name[0] != "_" or name in {"__call__", "__init__"}:
            assert isinstance(get_type_hints(method), dict)


def test_a_port_can_be_checked_with_isinstance() -> None:
    ports = (core.Transport, core.AsyncTransport, core.Recorder, core.Journal)
    assert [isinstance(FunctionTransport(), port) for port in ports] == [True, True, False, False]
    assert [isinstance(InMemoryJournal(), port) for port in ports] == [False, False, True, True]


# In a process of its own: pytest imports much.
A_CALL = """
import sys, msgspec
before = set(sys.modules)
from firecrawl_interact.core import DeleteSession, Response

class Transport:
    def send(self, request, timeout):
        return Response(200, {}, b'{"success":true,"creditsBilled":2,"sessionDurationMs":1.5}')
    monotonic = sleep = float

DeleteSession(Transport(), "fc-key")("550e8400-e29b-41d4-a716-446655440000")
print(*{name.partition('.')[0] for name in set(sys.modules) - before})
"""


def test_a_call_loads_nothing_slow() -> None:
    code = [sys.executable, "-c", A_CALL]
    done = subprocess.run(code, capture_output=True, text=True, check=True)
    # Python 3.15 leaves one of its own modules out of its list.
    loaded = {*done.stdout.split()} - {"firecrawl_interact", "_missing_stdlib_info"}
    assert loaded <= {*sys.stdlib_module_names} - {*SLOW_TO_IMPORT, "urllib"}


def test_what_completion_shows_is_what_is_promised() -> None:
    delete_session = core.DeleteSession(FunctionTransport(), None)
    block = delete_session.on_exit("a")
    with block:
        pass

    def public(value: object) -> set[str]:
        return {name for name in dir(value) if name[0] != "_"}

    assert public(delete_session) == {"on_exit", "opening", "many", "check", "replace", "close"}
    assert public(block) == {"session_id", "receipt", "outcome"}

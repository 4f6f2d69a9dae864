"""The core from outside: the names that users import, what it imports, and what that costs.

What it may not import of the standard library (sockets, files, clocks) is an import rule in
pyproject.toml.
"""

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import msgspec
import pytest

from firecrawl_interact import core

CLASSES = [one for name in core.__all__ if inspect.isclass(one := getattr(core, name))]
# The other modules are machinery: their names are not for users.
FOR_USERS = ["conversation", "delete_many_sessions", "delete_session", "errors", "headers"]
FOR_USERS += ["journal", "opening", "receipt", "retry", "transport"]
SLOW_TO_IMPORT = {"asyncio", "concurrent", "dataclasses", "email", "http", "json", "socket", "ssl"}


def in_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, each by name."""
    return 0 if name.isupper() else 1 if name[0].isupper() else 2, name


def test_the_names_are_sorted_and_come_once_and_completion_knows_them() -> None:
    assert core.__all__ == sorted(set(core.__all__), key=in_order)
    assert set(core.__all__) <= set(dir(core))


def test_a_name_that_is_not_there_is_an_ordinary_attribute_error() -> None:
    name = "DeleteEverything"
    with pytest.raises(AttributeError, match=f"core' has no attribute '{name}'"):
        getattr(core, name)


@pytest.mark.parametrize("name", ["Urllib3Transport", "FileJournal"])
def test_a_transport_or_a_journal_is_said_to_be_among_the_adapters(name: str) -> None:
    words = f"{name}: transports and journals are in firecrawl_interact.adapters"
    with pytest.raises(ImportError, match=words):
        getattr(core, name)


@pytest.mark.parametrize("module_name", FOR_USERS)
def test_every_public_class_is_handed_on(module_name: str) -> None:
    module = import_module(f"{core.__name__}.{module_name}")
    for name, value in vars(module).items():
        if inspect.isclass(value) and value.__module__ == module.__name__ and name[0] != "_":
            assert name in core.__all__


def test_every_class_is_ours_and_says_what_it_is_for() -> None:
    for kind in CLASSES:
        assert kind.__module__.startswith("firecrawl_interact.core."), kind
        assert kind.__doc__, kind


def test_no_value_that_users_get_can_be_changed() -> None:
    structs = [kind for kind in CLASSES if issubclass(kind, msgspec.Struct)]
    values = {core.Request, core.Response, core.DeletionReceipt, core.RetryPolicy, core.Send}
    assert values <= {*structs}
    assert [kind for kind in structs if not kind.__struct_config__.frozen] == []


def test_a_receipt_names_what_it_says() -> None:
    with pytest.raises(TypeError):
        core.DeletionReceipt("a")  # type: ignore[call-arg] # the point


def test_both_use_cases_are_called_alike() -> None:
    names = ["transport", "api_key", "retry", "headers", "journal", "on_outcome", "random"]
    for use_case in (core.DeleteSession, core.AsyncDeleteSession):
        assert list(inspect.signature(use_case).parameters) == names
    one, other = core.DeleteSession.__call__, core.AsyncDeleteSession.__call__
    assert inspect.signature(one) == inspect.signature(other)


# What it imports


def libraries(module: Path) -> Iterator[str]:
    """The top-level packages that a module imports, inside its functions too."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").partition(".")[0]


def test_the_core_imports_the_standard_library_msgspec_and_itself() -> None:
    modules = list(Path(core.__file__).parent.rglob("*.py"))
    assert modules
    for module in modules:
        assert set(libraries(module)) <= {*sys.stdlib_module_names, "msgspec"}, module


AN_IMPORT = """
import sys, msgspec
before = set(sys.modules)
import firecrawl_interact.core
"""
A_CALL = """
import sys
from firecrawl_interact.core import DeleteSession, Response

class Transport:
    statuses = [200]
    def send(self, request, timeout):
        body = b'{"success":true,"creditsBilled":2,"sessionDurationMs":1.5}'
        return Response(self.statuses.pop(), {}, body)
    monotonic = sleep = float

before = set(sys.modules)
DeleteSession(Transport(), "fc-key")("550e8400-e29b-41d4-a716-446655440000")
"""


# In a process of its own: pytest imports much, and listens to every logger.
def in_a_process(code: str) -> "subprocess.CompletedProcess[str]":
    code += "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


@pytest.mark.parametrize(
    "code", [AN_IMPORT, A_CALL], ids=["importing the core", "a call that goes well"]
)
def test_nothing_slow_is_loaded_by(code: str) -> None:
    loaded = in_a_process(code).stdout.split()
    assert set(loaded) & {*SLOW_TO_IMPORT, "urllib"} == set()


def test_an_application_that_asks_for_no_log_gets_none() -> None:
    with_a_retry = in_a_process(A_CALL.replace("[200]", "[200, 502]"))
    assert with_a_retry.stderr == ""

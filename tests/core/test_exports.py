"""The core from outside: the names that users import, what it imports, and what that costs.

What it may not import of the standard library (sockets, files, clocks) is an import rule in
pyproject.toml.
"""

import inspect
import subprocess
import sys

import msgspec
import pytest

from firecrawl_interact import core

from .side_by_side import FunctionTransport

CLASSES = [one for name in core.__all__ if inspect.isclass(one := getattr(core, name))]
SLOW_TO_IMPORT = {"asyncio", "concurrent", "dataclasses", "email", "http", "json", "socket", "ssl"}


def in_order(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, each by name."""
    return 0 if name.isupper() else 1 if name[0].isupper() else 2, name


def test_the_names_are_sorted_and_come_once_and_completion_knows_them() -> None:
    assert core.__all__ == sorted(set(core.__all__), key=in_order)
    names = {name for name, value in vars(core).items() if not inspect.ismodule(value)}
    public = {name for name in names if name[0] != "_"}
    assert set(core.__all__) == public - {"TYPE_CHECKING"} | {"AsyncDeletions"}
    assert set(core.__all__) <= set(dir(core))


def test_a_name_that_is_not_there_is_an_ordinary_attribute_error() -> None:
    assert not hasattr(core, "Urllib3Transport")
    with pytest.raises(AttributeError, match="core' has no attribute 'DeleteEverything'"):
        core.DeleteEverything  # type: ignore[attr-defined] # noqa: B018 - the point


def test_no_value_that_users_get_can_be_changed() -> None:
    structs = [kind for kind in CLASSES if issubclass(kind, msgspec.Struct)]
    values = {core.Request, core.Response, core.DeletionReceipt, core.RetryPolicy}
    assert values <= {*structs}
    assert [kind for kind in structs if not kind.__struct_config__.frozen] == []
    for kind in (core.DeletionReceipt, core.RetryPolicy):  # Their values are named.
        with pytest.raises(TypeError):
            kind(4)  # type: ignore[call-arg, arg-type] # the point


# In a process of its own: pytest imports much.
A_CALL = """
import logging, sys, msgspec  # logging brings dataclasses, in Python 3.14
before = set(sys.modules)
from firecrawl_interact.core import DeleteSession, Response

class Transport:
    def send(self, request, timeout):
        return Response(200, {}, b'{"success":true,"creditsBilled":2,"sessionDurationMs":1.5}')
    monotonic = sleep = float

DeleteSession(Transport(), "fc-key")("550e8400-e29b-41d4-a716-446655440000")
print(*{name.partition('.')[0] for name in set(sys.modules) - before})
"""


def test_the_core_and_a_call_that_goes_well_load_nothing_slow_and_no_library() -> None:
    code = [sys.executable, "-c", A_CALL]
    done = subprocess.run(code, capture_output=True, text=True, check=True)
    loaded = {*done.stdout.split()} - {"firecrawl_interact"}
    assert loaded <= {*sys.stdlib_module_names} - {*SLOW_TO_IMPORT, "urllib"}


def test_what_completion_shows_is_what_is_promised() -> None:
    delete_session = core.DeleteSession(FunctionTransport(), None)
    block = delete_session.on_exit("a")
    with block:
        pass

    def public(value: object) -> set[str]:
        return {name for name in dir(value) if name[0] != "_"}

    arguments = {"transport", "headers", "retry", "random"}
    assert public(delete_session) == {"on_exit", "opening", "check", "close", *arguments}
    assert public(block) == {"session_id", "receipt", "outcome"}

"""The core is pure: which libraries it imports, and what importing it costs.

What it may not import of the standard library (sockets, files, clocks) is an import rule in
pyproject.toml.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import firecrawl_interact.core

MODULES = sorted(Path(firecrawl_interact.core.__file__).parent.rglob("*.py"))
SLOW_TO_IMPORT = {
    "asyncio",
    "concurrent",
    "dataclasses",
    "email",
    "http",
    "json",
    "socket",
    "ssl",
    "urllib",
}


def libraries(module: Path) -> Iterator[str]:
    """The top-level packages that a module imports, inside its functions too."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_the_core_imports_the_standard_library_msgspec_and_itself(module: Path) -> None:
    assert set(libraries(module)) <= {*sys.stdlib_module_names, "msgspec"}


AN_IMPORT = """
import sys, msgspec
before = set(sys.modules)
import firecrawl_interact.core
"""
A_CALL = """
import sys
from firecrawl_interact.core import DeleteSession, Response

class Transport:
    def send(self, request, timeout):
        return Response(200, {}, b'{"success":true,"creditsBilled":2,"sessionDurationMs":1.5}')
    monotonic = sleep = float

before = set(sys.modules)
DeleteSession(Transport(), "fc-key")("550e8400-e29b-41d4-a716-446655440000")
"""


@pytest.mark.parametrize(
    "code", [AN_IMPORT, A_CALL], ids=["importing the core", "a call that goes well"]
)
def test_nothing_slow_is_loaded_by(code: str) -> None:
    code += "print(*{name.partition('.')[0] for name in set(sys.modules) - before})"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert set(loaded.stdout.split()) & SLOW_TO_IMPORT == set()

"""The core is pure: what it imports, and what importing it costs."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import firecrawl_interact.core

MODULES = sorted(Path(firecrawl_interact.core.__file__).parent.rglob("*.py"))

# Sockets, files, environment, clocks: the world, which belongs to adapters.
THE_WORLD = {
    "datetime",
    "http",
    "io",
    "os",
    "pathlib",
    "secrets",
    "select",
    "selectors",
    "socket",
    "ssl",
    "subprocess",
    "sys",
    "tempfile",
    "time",
}
SLOW_TO_IMPORT = {
    "asyncio",
    "concurrent",
    "dataclasses",
    "email",
    "http",
    "inspect",
    "json",
    "logging",
    "random",
    "socket",
    "ssl",
    "urllib",
}


def imports(module: Path) -> Iterator[str]:
    """The top-level names that a module imports, inside its functions too."""
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 1, f"{module.name} reaches out of the core"


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_the_core_imports_the_standard_library_msgspec_and_itself(module: Path) -> None:
    assert set(imports(module)) <= {*sys.stdlib_module_names, "msgspec"}


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_the_core_imports_nothing_of_the_world(module: Path) -> None:
    assert set(imports(module)) & THE_WORLD == set()


COUNT = """
import sys
import msgspec
before = set(sys.modules)
import firecrawl_interact.core
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def test_importing_the_core_loads_nothing_slow_beyond_msgspec() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", COUNT], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "firecrawl_interact" in loaded
    assert set(loaded) & SLOW_TO_IMPORT == set()


A_CALL = """
import sys
from firecrawl_interact.core import DeleteSession, Response

class Transport:
    def send(self, request, timeout):
        return Response(200, {}, b'{"success":true,"creditsBilled":2,"sessionDurationMs":1.5}')
    monotonic = float

before = set(sys.modules)
DeleteSession(Transport(), "fc-key")("550e8400-e29b-41d4-a716-446655440000")
print(*sorted({name.partition(".")[0] for name in set(sys.modules) - before}))
"""


def test_a_call_that_goes_well_loads_nothing_slow_but_logging() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", A_CALL], capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(loaded) & SLOW_TO_IMPORT <= {"logging"}

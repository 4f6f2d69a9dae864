"""No module reads an underscored name of another one's class."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = [path for folder in ("core", "adapters") for path in (ROOT / folder).glob("**/*.py")]


def read_of_others(source: str) -> list[str]:
    """List what a module reads of objects whose class is not its own."""
    nodes = list(ast.walk(ast.parse(source)))
    modules = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    read = [
        (node.attr, ast.unparse(node.value))
        for node in nodes
        if isinstance(node, ast.Attribute) and re.match("_[^_]", node.attr)
    ]
    own = {name for name, of in read if of in {"self", "cls"}}
    own |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return [
        f"{of}.{name}" for name, of in read if name not in own and of not in {"super()", *modules}
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_reads_no_underscored_name_of_anothers_class(path: Path) -> None:
    assert read_of_others(path.read_text(encoding="utf-8")) == []

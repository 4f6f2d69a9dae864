"""The small changes to a module, each of which a test must notice."""

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

_OPERATORS = (  # and what becomes of each, by the names in `ast`
    "Lt LtE, Lt GtE, LtE Lt, LtE Gt, Gt GtE, Gt LtE, GtE Gt, GtE Lt, Eq NotEq, NotEq Eq, Is IsNot, "
    "IsNot Is, In NotIn, NotIn In, Add Sub, Sub Add, Mult Div, Div Mult, FloorDiv Div, Mod Mult, "
    "Pow Mult, BitOr BitAnd, BitAnd BitOr"
)
_SWAPPED_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
_OF_TYPES = {"TypeAlias", "TypeVar", "TypeVarTuple", "TYPE_CHECKING", "Protocol", "ClassVar"}


class Mutant(NamedTuple):
    """One change to one place of a module."""

    #: the module and the function, the statement, what becomes of it, and which one it is, if the
    #: function has several such statements. Lines around it may move: this stays.
    identity: tuple[str, str, str, int]
    path: Path
    lines: range  #: of the function; empty: it is executed with the module
    source: Callable[[], str]  #: gives the changed module


def mutants_of(path: Path, root: Path) -> list[Mutant]:
    """Return all mutants of a module."""
    name = ".".join(path.relative_to(root).with_suffix("").parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: dict[tuple[str, str, str, int], Mutant] = {}
    seen: Counter[tuple[str, str, str]] = Counter()
    for place, node, scope in _walk(tree, _Scope((), tree)):
        for replacement in _replacements(node, place.parent):
            before = _header(scope.statement)
            statement = replacement if node is scope.statement else scope.statement
            after = place.text_with(replacement, partial(_header, statement))
            change = ".".join([name, *scope.names]), before, after
            at = *change, getattr(scope.statement, "lineno", 0)
            if at not in found:  # Otherwise it comes to the same.
                seen[change] += 1
                source = partial(place.text_with, replacement, partial(ast.unparse, tree))
                found[at] = Mutant((*change, seen[change]), path, scope.lines, source)
    return list(found.values())


class _Place(NamedTuple):
    """Where a node hangs in its tree."""

    parent: ast.AST
    field: str
    position: int | None

    def text_with(self, replacement: ast.AST, text: Callable[[], str]) -> str:
        """Return a text that is made while the replacement is there."""
        held, at = getattr(self.parent, self.field), self.position
        changed = replacement if at is None else [*held[:at], replacement, *held[at + 1 :]]
        setattr(self.parent, self.field, changed)
        made = text()
        setattr(self.parent, self.field, held)
        return made


class _Scope(NamedTuple):
    """Around a node."""

    names: tuple[str, ...]
    statement: ast.AST
    lines: range = range(0)  # of the function

    def of_field(self, node: ast.AST, field: str) -> "_Scope":
        """Go into a definition. Decorators and defaults are executed with the module."""
        if isinstance(node, ast.ClassDef) and field == "body":
            return self._replace(names=(*self.names, node.name), statement=node)
        if isinstance(node, Function) and not self.lines:
            lines = range(node.lineno, (node.end_lineno or 0) + 1) if field == "body" else range(0)
            return _Scope((*self.names, node.name), node, lines)
        return self


def _walk(node: ast.AST, scope: _Scope) -> Iterator[tuple[_Place, ast.AST, _Scope]]:
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns", "ctx", "type_params"}:
            continue
        inner = scope.of_field(node, field)
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST) and not _is_left_alone(child):
                around = inner
                if isinstance(child, ast.stmt | ast.ExceptHandler):
                    around = inner._replace(statement=child)
                yield _Place(node, field, index), child, around
                yield from _walk(child, around)


def _is_left_alone(node: ast.AST) -> bool:
    """Say whether a node is a docstring, is for type checkers alone, or does nothing."""
    match node:
        case ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom():
            return True
        case ast.Assign(value=ast.Call(func=ast.Name(name))):
            return name in _OF_TYPES
        case ast.AnnAssign():
            return node.value is None or ast.unparse(node.annotation) == "TypeAlias"
        case ast.If(test=ast.Name(name)):
            return name in _OF_TYPES
        case ast.ClassDef():
            return any(ast.unparse(base) in _OF_TYPES for base in node.bases)
    return False


def _replacements(node: ast.AST, parent: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.stmt):
        yield from _statements(node)
    elif isinstance(node, ast.expr):
        yield from _operations(node)
        yield from _values(node, parent)
    if isinstance(node, ast.ExceptHandler) and not isinstance(node.body[-1], ast.Raise):
        yield ast.ExceptHandler(node.type, node.name, [ast.Raise()])


def _statements(node: ast.stmt) -> Iterator[ast.stmt]:
    match node:
        case ast.Raise(exc=ast.expr() as error, cause=ast.expr()):
            yield ast.Raise(error)
            yield ast.Pass()
        case ast.AugAssign(target, operator, value):
            for other in _others(operator):
                yield ast.AugAssign(target, other, value)
            yield ast.Assign([target], value)
            yield ast.Pass()
        case ast.Return(value=ast.expr() as value):
            if not (isinstance(value, ast.Constant) and not value.value):
                yield ast.Return(ast.Constant(None))
        case ast.Continue():
            yield ast.Break()
        case ast.Break():
            yield ast.Continue()
        case ast.Expr() | ast.Assign() | ast.AnnAssign() | ast.Delete() | ast.Raise():
            yield ast.Pass()
        case ast.If(test, body, orelse) if not isinstance(test, ast.Compare | ast.UnaryOp):
            yield ast.If(ast.Constant(value=True), body, orelse)
            yield ast.If(ast.Constant(value=False), body, orelse)


def _others(operator: ast.AST) -> list[Any]:  # Any: operators of the same kind
    pairs = map(str.split, _OPERATORS.split(", "))
    return [getattr(ast, other)() for one, other in pairs if one == type(operator).__name__]


def _operations(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Compare(left, [operator, *further], operands):
            for other in _others(operator):
                yield ast.Compare(left, [other, *further], operands)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.And() if isinstance(operator, ast.Or) else ast.Or(), values)
            for value in values:
                others = [other for other in values if other is not value]
                yield others[0] if len(others) == 1 else ast.BoolOp(operator, others)
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.BinOp(left, operator, right):
            for other in _others(operator):
                yield ast.BinOp(left, other, right)


def _values(node: ast.expr, parent: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.IfExp(_, body, orelse):
            yield body
            yield orelse
        case ast.Call(function, arguments, keywords):
            if isinstance(function, ast.Name) and function.id in _SWAPPED_NAMES:
                swapped = ast.Name(_SWAPPED_NAMES[function.id], ast.Load())
                yield ast.Call(swapped, arguments, keywords)
                if len(arguments) > 1:
                    yield from arguments
            for keyword in keywords:
                yield ast.Call(function, arguments, [one for one in keywords if one != keyword])
        case ast.Constant(value) if not isinstance(parent, ast.JoinedStr | ast.FormattedValue):
            for other_value in _constants(value):
                yield ast.Constant(other_value)
        case ast.JoinedStr() if not isinstance(parent, ast.FormattedValue):
            yield ast.Constant("")


def _constants(value: object) -> list[bool | int | float | str | bytes]:
    match value:
        case bool():
            return [not value]
        case int() | float():
            # By factors: no promise fixes the last second of a day.
            return [value + 1] if value in {0, 1} else [value * 2, _half(value)]
        case str():
            # A text for people becomes empty: its words are not what a test should fix.
            return ["" if " " in value else f"XX{value}"]
        case bytes():
            return [b"XX" + value]
    return []


def _half(value: int | float) -> int | float:
    return value // 2 if isinstance(value, int) else value / 2


def _header(statement: ast.AST) -> str:
    """Return a statement on one line, without the statements in it."""
    text = ast.unparse(ast.fix_missing_locations(statement))
    if isinstance(statement, ast.ExceptHandler):
        return " ".join(text.split())
    if isinstance(statement, ast.ClassDef | Function):
        text = text[text.index("class " if isinstance(statement, ast.ClassDef) else "def ") :]
    return text if not getattr(statement, "body", None) else text.split("\n", 1)[0]

"""The small changes to a module, each of which a test must notice."""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef

_COMPARISONS: dict[type[ast.cmpop], list[type[ast.cmpop]]] = {
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
}
_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_SWAPPED_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any"}
_OF_TYPES = {"TypeAlias", "TypeVar", "TypeVarTuple", "TYPE_CHECKING", "Protocol", "ClassVar"}


@dataclass(frozen=True)
class Mutant:
    """One change to one place of a module.

    It is known by its first four fields, none of which moves with the lines around it.
    """

    place: str  #: the module and the function
    before: str  #: the statement
    after: str  #: what becomes of it
    number: int  #: which one, if the function has several such statements
    module: "Module"
    line: int  #: where the statement begins
    lines: range  #: a test that runs none of them cannot notice
    function: str  #: whose code alone must be replaced; empty: the module is executed anew
    parent: ast.AST
    field: str
    index: int | None
    replacement: ast.AST

    @property
    def identity(self) -> tuple[str, str, str, int]:
        return self.place, self.before, self.after, self.number

    def apply(self) -> ast.Module:
        """Change the tree of the module for good, and return it."""
        _put(self.parent, self.field, self.index, self.replacement)
        return self.module.tree


class Module:
    """A module's tree, and all the mutants of it."""

    def __init__(self, path: Path, root: Path) -> None:
        names = path.relative_to(root).with_suffix("").parts
        self.name = ".".join(("firecrawl_interact", *names))  #: under which it is imported
        self.path = str(path)
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self.mutants = _number(list(self._of_children(self.tree, _Scope((), self.tree))))

    def _of_children(self, node: ast.AST, scope: "_Scope") -> Iterator[Mutant]:
        for field, value in ast.iter_fields(node):
            if field in {"annotation", "returns", "ctx", "type_params"}:
                continue
            inner = scope.of_field(node, field)
            for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if isinstance(child, ast.AST) and not _is_left_alone(child):
                    yield from self._of_node(node, field, index, child, inner)

    def _of_node(
        self, parent: ast.AST, field: str, index: int | None, node: ast.AST, scope: "_Scope"
    ) -> Iterator[Mutant]:
        if isinstance(node, ast.stmt | ast.ExceptHandler):
            scope = scope.of_statement(node)
        for replacement in _replacements(node, parent):
            ast.copy_location(replacement, node)
            ast.fix_missing_locations(replacement)
            before = _header(scope.statement)
            original = _put(parent, field, index, replacement)
            after = _header(replacement if node is scope.statement else scope.statement)
            _put(parent, field, index, original)
            yield Mutant(
                module=self,
                number=1,
                place=".".join([self.name.removeprefix("firecrawl_interact."), *scope.names]),
                before=before,
                after=after,
                line=getattr(scope.statement, "lineno", 0),
                lines=scope.lines,
                function=".".join(scope.names) if scope.is_replaceable else "",
                parent=parent,
                field=field,
                index=index,
                replacement=replacement,
            )
        yield from self._of_children(node, scope)


@dataclass(frozen=True)
class _Scope:
    """Where a node stands."""

    names: tuple[str, ...]
    statement: ast.AST
    lines: range = range(0)  # empty: whoever imports the module runs it
    is_replaceable: bool = False  # whether this is in a function

    def of_statement(self, node: ast.stmt | ast.ExceptHandler) -> "_Scope":
        lines = self.lines
        if self.is_replaceable:
            body = getattr(node, "body", None)
            last = max(node.lineno, body[0].lineno - 1) if body else node.end_lineno
            lines = range(node.lineno, (last or node.lineno) + 1)
        return _Scope(self.names, node, lines, self.is_replaceable)

    def of_field(self, node: ast.AST, field: str) -> "_Scope":
        """Go into a definition. Decorators and defaults are executed with the module."""
        if isinstance(node, ast.ClassDef) and field == "body":
            return _Scope((*self.names, node.name), node, self.lines, self.is_replaceable)
        if isinstance(node, Function) and not self.is_replaceable:
            if field == "body":
                is_cached = any(ast.unparse(name) == "cache" for name in node.decorator_list)
                # Only the first of many tests runs the body of a function that is cached.
                lines = range(0) if is_cached else range(node.lineno, (node.end_lineno or 0) + 1)
                return _Scope((*self.names, node.name), node, lines, not is_cached)
            lines = range(node.body[0].lineno, (node.end_lineno or 0) + 1)
            return _Scope((*self.names, node.name), node, lines)
        return self


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
            if type(operator) in _OPERATORS:
                yield ast.AugAssign(target, _OPERATORS[type(operator)](), value)
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


def _operations(node: ast.expr) -> Iterator[ast.expr]:
    match node:
        case ast.Compare(left, [operator, *further], operands):
            for other in _COMPARISONS[type(operator)]:
                yield ast.Compare(left, [other(), *further], operands)
        case ast.BoolOp(operator, values):
            yield ast.BoolOp(ast.And() if isinstance(operator, ast.Or) else ast.Or(), values)
            for value in values:
                others = [other for other in values if other is not value]
                yield others[0] if len(others) == 1 else ast.BoolOp(operator, others)
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.BinOp(left, operator, right) if type(operator) in _OPERATORS:
            yield ast.BinOp(left, _OPERATORS[type(operator)](), right)


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
            return [value + 1] if value in {0, 1} else [value + 1, value - 1]
        case str():
            # A text for people becomes empty: its words are not what a test should fix.
            return ["" if " " in value else f"XX{value}"]
        case bytes():
            return [b"XX" + value]
    return []


def _put(parent: ast.AST, field: str, index: int | None, node: ast.AST) -> ast.AST:
    """Put a node in a place, and return the one that was there."""
    place = getattr(parent, field)
    if index is None:
        setattr(parent, field, node)
        return place  # type: ignore[no-any-return]  # as typeshed has getattr
    place[index], node = node, place[index]
    return node


def _header(statement: ast.AST) -> str:
    """Return a statement on one line, without the statements in it."""
    text = ast.unparse(ast.fix_missing_locations(statement))
    if isinstance(statement, ast.ExceptHandler):
        return " ".join(text.split())
    if isinstance(statement, ast.ClassDef | Function):
        text = text[text.index("class " if isinstance(statement, ast.ClassDef) else "def ") :]
    return text if not getattr(statement, "body", None) else text.split("\n", 1)[0]


def _number(mutants: list[Mutant]) -> list[Mutant]:
    """Leave out what comes to the same, and number those that change several places alike."""
    seen: Counter[tuple[str, str, str]] = Counter()
    numbered = {}
    for mutant in mutants:
        change = mutant.place, mutant.before, mutant.after
        if (*change, mutant.line) not in numbered:
            seen[change] += 1
            numbered[*change, mutant.line] = replace(mutant, number=seen[change])
    return list(numbered.values())

"""What a pattern can tell of VOICE.md: words of no glossary, and sentences that are too long."""

import ast
import inspect
import re
from collections.abc import Iterator

MOST_WORDS = 25
NEVER = re.compile(
    r"\b(destroy\w*|sign-in|time-to-live|line ends?|white space|own words|what became|asks? again"
    r"|hooks?|factory|excused|spread out|batch|clean[- ]?up|on the way|the kit|remember\w*"
    r"|(?:the|its) service|somebody|nobody|anybody|no one|whoever"
    r"|(?-i:Nothing) (?!to delete|(?:was|is|has been) (?:sent|tried))"
    r")\b",
    re.IGNORECASE,
)
UNCONTRACTED = re.compile(
    r"\b(?:can|do|does|did|is|are|was|were|will|would|has|have|could|should|must|need) ?not\b"
)
CONTRACTED = re.compile(r"\b\w+n't\b")
FIRECRAWL_SAYS = re.compile(r"(?:has been|could not be) destroyed", re.IGNORECASE)

_CODE = re.compile(r"^( *)(`{3,}|~{3,}).*?^\1\2|`[^`]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\([^)]*\)")
_ITEM = re.compile(r"\n(?=\s*(?:- |[\w*`, ]+: |(?:Args|Returns|Raises|Yields):$))", re.MULTILINE)
_IS_SQL = re.compile(r"\b(?:SELECT|INSERT|UPDATE|CREATE|SET|BEGIN)\b")


def faults_of_page(text: str) -> list[str]:
    """Return what a page says in another voice. In a table, each cell is a paragraph."""
    text = _LINK.sub("]", _CODE.sub("x", text))
    lines = [re.sub(r"^[>#\s]*(?:- |\d+\. )?(?:\[!\w+\])?", "", line) for line in text.splitlines()]
    cells = [cell for line in lines for cell in (line.split("|") if "|" in line else [line])]
    return [*_faults(cells), *(found for cell in cells for found in UNCONTRACTED.findall(cell))]


def faults_of_module(source: str) -> list[str]:
    """Return what the docstrings and the messages of a module say in another voice."""
    reader = _Reader()
    reader.visit(ast.parse(source))
    texts = [*reader.texts, *re.findall(r"#: (.+)$", source, re.MULTILINE)]
    texts = [_CODE.sub("x", text) for text in texts]
    return [*_faults(texts), *(found for text in texts for found in CONTRACTED.findall(text))]


def _faults(paragraphs: list[str]) -> Iterator[str]:
    for paragraph in paragraphs:
        yield from (str(found) for found in NEVER.findall(FIRECRAWL_SAYS.sub("", paragraph)))
        for sentence in re.split(r"(?<=[.!?*])\s+", paragraph):
            if len(sentence.split()) > MOST_WORDS:
                yield sentence


class _Reader(ast.NodeVisitor):
    """Collects the paragraphs of docstrings, and what may be a message: three words or more."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.generic_visit(node)
            return
        for part in inspect.cleandoc(str(node.value.value)).split("\n\n"):
            if not part.startswith((" ", "|")):  # code, or a table
                self.texts += _ITEM.split(part)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        parts = [part.value if isinstance(part, ast.Constant) else "x" for part in node.values]
        self._add("".join(map(str, parts)))

    def visit_Constant(self, node: ast.Constant) -> None:
        self._add(str(node.value))

    def _add(self, text: str) -> None:
        if text.count(" ") > 1 and not _IS_SQL.search(text):
            self.texts.append(text)

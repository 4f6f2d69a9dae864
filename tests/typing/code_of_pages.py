"""Writes the pages' code into a folder, where type checkers look at it as a reader's would.

python -m tests.typing.code_of_pages FOLDER FOLDER_OF_THE_UNPACKED_WHEEL

Each example is a module. A page about an extension is one program, and so one module.
"""

import json
import re
import shutil
import sys
from pathlib import Path

from ..docs.pages import PAGES, blocks, text_of

EXTENSIONS = "docs/write-your-own-"
OF_MYPY = """
[mypy]
strict = true
untyped_calls_exclude = distributed

[mypy-celery.*,firecrawl.*,vcr.*]
ignore_missing_imports = true

[mypy-docs_on_a_cluster_1]
disallow_untyped_decorators = false
"""
"""These libraries have no types. A task of Celery is made by a decorator of theirs."""

OF_PYRIGHT = {
    "typeCheckingMode": "strict",
    "useLibraryCodeForTypes": False,  # What it guesses of a library is not what that promises.
    "reportDeprecated": False,  # A block made of an Iterator: the pages may still show that.
}
OF_NO_TYPES = ("MissingTypeStubs", "UnknownLambdaType", "UntypedFunctionDecorator")
OF_HALF_A_TYPE = ("UnknownMemberType", "UnknownVariableType", "UnknownArgumentType")
NOT_ASKED = {
    # These have no types.
    "celery": OF_NO_TYPES + OF_HALF_A_TYPE,
    "firecrawl": OF_NO_TYPES + OF_HALF_A_TYPE,
    "opentelemetry.instrumentation": OF_NO_TYPES + OF_HALF_A_TYPE,
    "vcr": OF_NO_TYPES + OF_HALF_A_TYPE,
    # It says that it has some. A blocking client returns a coroutine, too, for all that they say.
    "dask.distributed": (*OF_HALF_A_TYPE, "GeneralTypeIssues"),
}


def not_asked_of(code: str) -> str:
    """Return a line that spares code what its libraries' types do not allow."""
    lines = [
        "# pyright: " + ", ".join(f"report{rule}=false" for rule in rules)
        for library, rules in NOT_ASKED.items()
        if re.search(rf"^(?:from|import) {re.escape(library)}\b", code, re.MULTILINE)
    ]
    return "".join(f"{line}\n" for line in lines)


def main(folder: Path, library: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for page in PAGES:
        name = page.removesuffix(".md").translate(str.maketrans("/-.", "___"))
        code = blocks(text_of(page), "python")
        if page.startswith(EXTENSIONS):
            code = ["\n\n".join(code)]
        for number, example in enumerate(code):
            module = name if page.startswith(EXTENSIONS) else f"{name}_{number}"
            text = not_asked_of(example) + example
            (folder / f"{module}.py").write_text(text, encoding="utf-8")
    of_pyright = OF_PYRIGHT | {"extraPaths": [str(library.resolve())]}
    (folder / "mypy.ini").write_text(OF_MYPY, encoding="utf-8")
    (folder / "pyrightconfig.json").write_text(json.dumps(of_pyright), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

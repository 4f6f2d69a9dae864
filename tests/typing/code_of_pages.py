"""Writes the pages' code into a folder, where type checkers look at it as a reader's would.

python -m tests.typing.code_of_pages FOLDER FOLDER_OF_THE_UNPACKED_WHEEL

Each example is a module. A page about an extension is one program, and so one module, which must
pass pyright's strict rules, too: whoever copies it builds on it.
"""

import json
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
    "include": ["docs_write_your_own_*.py"],
    "reportDeprecated": False,  # A block made of an Iterator: the pages may still show that.
}


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
            (folder / f"{module}.py").write_text(example, encoding="utf-8")
    of_pyright = OF_PYRIGHT | {"extraPaths": [str(library.resolve())]}
    (folder / "mypy.ini").write_text(OF_MYPY, encoding="utf-8")
    (folder / "pyrightconfig.json").write_text(json.dumps(of_pyright), encoding="utf-8")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))

"""The packages that the wheel gets: a list in pyproject.toml, which an editable install ignores."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_pyproject_lists_each_folder_that_holds_a_module() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    modules = [path for folder in ("core", "adapters") for path in (ROOT / folder).rglob("*.py")]
    folders = {path.parent.relative_to(ROOT) for path in modules} - {Path("adapters/facade")}
    packages = {".".join(["firecrawl_interact", *folder.parts]) for folder in folders}
    assert {*project["tool"]["setuptools"]["packages"]} == packages | {"firecrawl_interact"}

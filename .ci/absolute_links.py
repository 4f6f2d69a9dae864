"""Lets a release lead to the repository that it is made in: absolute_links.py REPOSITORY.

A package index shows the README without the files beside it, so relative links would lead nowhere.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = {
    "Source": "",
    "Documentation": "/tree/main/docs",
    "Changelog": "/blob/main/CHANGELOG.md",
    "Issues": "/issues",
    "Security": "/blob/main/SECURITY.md",
}


def make_links_absolute(repository: str, root: Path = ROOT) -> None:
    """Change README.md and the package's metadata in place."""
    home = f"https://github.com/{repository}"
    readme, project = root / "README.md", root / "pyproject.toml"
    text = readme.read_text(encoding="utf-8")
    text = re.sub(r"(!\[[^\]]*\]\()(?!https://)([^)]+)", rf"\1{home}/raw/main/\2", text)
    text = re.sub(r"(?<=\]\()(?!https://|#)([^)]+)", rf"{home}/blob/main/\1", text)
    readme.write_text(text, encoding="utf-8")
    pages = "".join(f'{name} = "{home}{path}"\n' for name, path in PAGES.items())
    text = project.read_text(encoding="utf-8")
    project.write_text(text.replace("[project.urls]\n", f"[project.urls]\n{pages}"), "utf-8")


if __name__ == "__main__":
    make_links_absolute(*sys.argv[1:])

"""Says whether this can be released: check_release.py VERSION BRANCH."""

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def reasons_against(version: str, branch: str, root: Path = ROOT) -> list[str]:
    """Return what has to be mended first."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    reasons = []
    if version != project["version"]:
        reasons.append(f"pyproject.toml says version {project['version']}, not {version}.")
    if not re.search(
        rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE
    ):
        reasons.append(f"CHANGELOG.md has no heading '## [{version}] - YYYY-MM-DD'.")
    if branch != "main":
        reasons.append(f"A release is made from main, not from {branch}.")
    return reasons


if __name__ == "__main__":
    sys.exit("\n".join(reasons_against(*sys.argv[1:])) or None)

"""The figures of the pages, as they were when somebody last looked after all of them.

A figure that changes by hand, or is lost, fails a test until it is listed anew. So nobody changes
one without what it follows from: a default, a count of the proof, a measurement.

python -m tests.docs.figures
"""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_suffix(".txt")
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
CHANGELOGS = {"CHANGELOG.md", "changelog.md"}

CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
WORDS = "half twice two three four five six seven eight nine ten twelve fifteen sixteen eighteen"
WORDS += " twenty thirty forty fifty sixty seventy hundred thousand"
MARKS = "[✓✗∞]|(?<=\\| )[?!](?= \\|)"
"""What a table of the page "Why believe it" has in place of a figure."""
FIGURE = re.compile(rf"\d+(?:[.,]\d+)*|\b(?:{WORDS.replace(' ', '|')})\b|{MARKS}", re.IGNORECASE)


def figures() -> str:
    """Return a line for each section of a page that has figures."""
    lines = []
    for page in sorted(page for page in PAGES if page.name not in CHANGELOGS):
        text = CODE.sub("", page.read_text(encoding="utf-8"))
        sections = re.split(r"^(#+ .+)$", text, flags=re.MULTILINE)
        for title, section in zip(sections[1::2], sections[2::2], strict=True):
            if found := FIGURE.findall(f"{title} {section}"):
                lines.append(f"{page.relative_to(ROOT)} {title}: {' '.join(found)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    LIST.write_text(figures(), encoding="utf-8")

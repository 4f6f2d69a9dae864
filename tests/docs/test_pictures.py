"""The pictures of the pages are those that docs/pictures draws, and everybody can read them."""

import re
import subprocess
import sys
from pathlib import Path

import firecrawl_interact

from .pages import PAGES, ROOT, found, text_of

FOLDER = ROOT / "docs" / "pictures"
IMAGE = re.compile(r"!\[([^\]]*)\]\((?:docs/)?pictures/(\w+)\.svg\)")
SHOWN = [image for page in PAGES for image in IMAGE.findall(text_of(page))]


def drawing(name: str) -> str:
    return (FOLDER / f"{name}.svg").read_text("utf-8")


def test_each_picture_is_as_the_library_draws_it_now(tmp_path: Path) -> None:
    """If it is not: `make pictures`, and a look at what has changed."""
    subprocess.run([sys.executable, "-m", "docs.pictures", tmp_path], check=True, cwd=ROOT)
    drawn = {path.stem: path.read_text("utf-8") for path in tmp_path.iterdir()}
    assert drawn == {name: drawing(name) for name in drawn}


def test_each_picture_is_on_a_page_and_said_in_words() -> None:
    assert {name for _, name in SHOWN} == {path.stem for path in FOLDER.glob("*.svg")}
    assert [name for words, name in SHOWN if len(words) < 40] == []


def test_the_picture_of_the_ports_has_public_names() -> None:
    lines = re.findall(r'class="code">([^<]+)<', drawing("hexagon"))
    assert {*", ".join(lines).split(", ")} <= {*firecrawl_interact.__all__}


def test_the_words_beside_a_picture_have_its_figures() -> None:
    for words, name in SHOWN:
        text = found("<desc[^>]*>(.+)</desc>", drawing(name))
        assert {*re.findall(r"\d+", words)} <= {*re.findall(r"\d+", text)}, name

"""The site is built without a warning, stands by itself, and is readable on each screen."""

import fcntl
import os
import re
import shutil
import sys
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from docutils.utils import new_document
from playwright.sync_api import FloatRect, Page, Route, sync_playwright
from sphinx.errors import SphinxError

from firecrawl_interact import adapters, core
from firecrawl_interact.adapters import conformance
from firecrawl_interact.core import FirecrawlInteractError, TransportError

from .pages import DOCS, ROOT, run

pytestmark = pytest.mark.enable_socket

SCHEMES: list[Literal["light", "dark"]] = ["light", "dark"]
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
MENU = ["Start", "Tasks", "Reference", "Why", "Appendix", "Extend", "日本語"]
HERE = "https://site.example/in/a/folder/"

# What is wrong with how a page looks: cut, too small, stuck to its title, out of its column.
FLAWS = """() => {
    const shown = selector => [...document.querySelectorAll(`article ${selector}`)].filter(
        element => element.getClientRects().length);
    const box = element => element.getBoundingClientRect();
    const style = element => getComputedStyle(element);
    const gap = title => {
        const next = title.nextElementSibling;
        return next && next.getClientRects().length ? box(next).top - box(title).bottom : 8;
    };
    const isFigure = cell => /^\\d[\\d,]*(\\.\\d+)?( ?%| x)?$/.test(cell.textContent.trim())
        && !/(dependencies|stability).html$/.test(location.pathname);  // They have versions.
    const named = (flaw, elements) => elements.map(
        element => `${flaw}: ${element.outerHTML.slice(0, 100)}`);
    return [
        ...named('cut', shown('*').filter(element => box(element).right > window.innerWidth + 8
            && !element.closest('svg') && !element.parentElement.closest('pre, .table-wrapper'))),
        ...named('code below 12 px', shown('code, article pre').filter(
            code => parseFloat(style(code).fontSize) < 12)),
        ...named('gap', shown(':is(h1, h2, h3)').filter(one => gap(one) < 6 || gap(one) > 40)),
        ...named('figure', shown('td:not(:first-child)').filter(
            cell => isFigure(cell) && style(cell).textAlign !== 'right')),
    ];
}"""


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages, built by the first worker that needs them."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "site"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = str(folder.with_suffix(".unfinished"))
            options = ["--quiet", "--fail-on-warning", "--builder", "html"]
            assert not run([sys.executable, "-m", "sphinx", *options, "docs", unfinished], ROOT)
            Path(unfinished).rename(folder)
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, str]:
    return {str(path.relative_to(site)): path.read_text("utf-8") for path in site.rglob("*.html")}


@pytest.fixture(scope="module")
def reference(pages: dict[str, str]) -> str:
    return "".join(text for name, text in pages.items() if name.startswith("reference/"))


def words(markup: str) -> str:
    return re.sub(r"<[^>]+>", "", markup).strip()


def test_every_link_holds(site: Path, pages: dict[str, str]) -> None:
    places = {HERE + str(path.relative_to(site)) for path in site.rglob("*") if path.is_file()}
    links = set()
    for name, text in pages.items():
        places |= {f"{HERE}{name}#{place}" for place in re.findall(r'\bid="([^"]*)"', text)}
        found = re.findall(r'<a\b[^>]* href="([^"]*)"', text)
        links |= {unquote(urljoin(HERE + name, unescape(link))) for link in found}
    leads_out = re.compile(r"https://(?!site\.example)")
    assert not [link for link in links - places if not leads_out.match(link)]


def test_nothing_is_loaded_from_another_host(site: Path, pages: dict[str, str]) -> None:
    loaded = re.findall(r'<(?!a\b)\w+\b[^>]* (?:src|href)="([^"]*)"', "".join(pages.values()))
    assert loaded
    assert not [link for link in loaded if urlsplit(link).netloc]
    styles = "".join(file.read_text("utf-8") for file in site.rglob("*.css"))
    assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", styles)


def test_each_page_says_its_language_and_the_version(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        language = "ja" if re.search(r"\bja\.html$", name) else "en"
        assert f'<html class="no-js" lang="{language}"' in text, name
        assert re.search(r"<title>.*firecrawl-interact \d+\.\d+\.\d+", text), name


def test_the_menu_and_llms_txt_lead_to_every_page_in_groups(
    site: Path, pages: dict[str, str]
) -> None:
    assert re.findall(r'class="caption-text">(\w+)<', pages["index.html"]) == MENU
    text = (site / "llms.txt").read_text("utf-8")
    assert text.startswith("# firecrawl-interact\n\n> A Python library and a command that destroy")
    assert re.findall("^## (.+)$", text, re.MULTILINE) == MENU
    links = re.findall(r"^- \[.+?\]\((.+?)\): .+$", text, re.MULTILINE)
    assert [link for link in links if not (site / link).is_file()] == []
    named = {Path(re.sub(r"\.md\.txt$|\.html$", "", link)).name for link in links}
    assert named == {Path(page).stem for page in DOCS} - {"index"}


def test_a_page_that_does_not_say_what_it_is_about_ends_the_build(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    import llms_txt  # type: ignore[import-not-found]  # beside conf.py

    with pytest.raises(SphinxError, match="first: no paragraph says what the page is about"):
        llms_txt.first_paragraph(new_document("first"), "first")


def test_the_reference_has_each_public_name_once_and_no_private_one(reference: str) -> None:
    documented = re.findall(r'<dt class="sig[^>]* id="firecrawl_interact\.([\w.]+)"', reference)
    public = {
        f"{package.__name__.removeprefix('firecrawl_interact.')}.{name}"
        for package in (core, adapters, conformance)
        for name in package.__all__
    }
    assert public <= set(documented)
    assert len(documented) == len(set(documented))
    shown = words("".join(re.findall(r'<dt class="sig.*?</dt>', reference, re.DOTALL)))
    assert not re.findall(r"(?<!\w)_[A-Za-z]\w*", shown)
    assert not re.findall(r"\b[A-Z]\w*[a-z]T\b", shown), "a variable that nobody can import"


def test_the_reference_gives_each_attribute_a_type_and_says_in_words_what_is_returned(
    reference: str,
) -> None:
    attributes = re.findall(r'<dl class="py attribute">\s*<dt.*?</dt>', reference, re.DOTALL)
    returned = re.findall(r">Returns.*?</dt>\s*<dd.*?</dd>", reference, re.DOTALL)
    assert attributes
    assert [one for one in map(words, attributes) if "= " not in one and ":" not in one] == []
    assert returned
    assert [one for one in map(words, returned) if "\N{EN DASH}" in one] == []


def tree(error: type[Exception], indent: str = "   ") -> Iterator[str]:
    """Draw what is below an error as the reference does."""
    children = [child for child in error.__subclasses__() if child.__name__ in core.__all__]
    if error is FirecrawlInteractError:  # its children are defined in several modules
        children.sort(key=lambda child: child.__name__)
    for child in children:
        branch, below = ("└── ", "    ") if child is children[-1] else ("├── ", "│   ")
        yield f"{indent}{branch}{child.__name__}"
        yield from tree(child, indent + below)


@pytest.mark.parametrize("root", [FirecrawlInteractError, TransportError])
def test_the_tree_of_errors_is_drawn_as_it_is(root: type[Exception]) -> None:
    text = "".join(file.read_text("utf-8") for file in (ROOT / "docs/reference").glob("*.md"))
    drawn = re.findall(r":class: tree\n\n(.*?)\n(?:```|\n)", text, re.DOTALL)
    plain = [re.sub(r":py:exc:`(\w+)`", r"\1", one) for one in drawn]
    assert "\n".join([f"   {root.__name__}", *tree(root)]) in plain


# In a browser


@pytest.fixture(scope="module")
def screen(site: Path) -> Iterator[Page]:
    """A page in the browser, to which the site is all that there is."""

    def fulfil(route: Route) -> None:
        assert route.request.url.startswith(HERE)
        route.fulfill(path=site / unquote(urlsplit(route.request.url.removeprefix(HERE)).path))

    if BROWSER is None:
        pytest.skip("there is no Chromium on this machine")
    clipboard = ["clipboard-read", "clipboard-write"]
    with (
        sync_playwright() as driver,
        driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"]) as browser,
        browser.new_context(base_url=HERE, permissions=clipboard) as context,
    ):
        context.route("**/*", fulfil)
        yield context.new_page()


def test_no_page_is_cut_small_crowded_or_out_of_line(screen: Page, pages: dict[str, str]) -> None:
    flaws = {}
    for name in pages:
        screen.goto(name)
        for width in (390, 1280):
            screen.set_viewport_size({"width": width, "height": 844})
            if found := screen.evaluate(FLAWS):
                flaws[name, width] = found
    assert not flaws


def test_code_that_goes_on_has_a_shadow_at_the_edge_until_it_ends(screen: Page) -> None:
    def has_shadow(box: FloatRect) -> bool:
        """Compare two spots of the frame where there is no code."""
        spots = (box["x"] + box["width"] / 2, box["x"] + box["width"] - 4)
        clip: FloatRect = {"x": 0, "y": box["y"] + 2, "width": 3, "height": 3}
        return len({screen.screenshot(clip={**clip, "x": x}) for x in spots}) == 2

    screen.set_viewport_size({"width": 390, "height": 844})
    for scheme in SCHEMES:
        screen.emulate_media(color_scheme=scheme)
        screen.goto("index.html")
        code = screen.locator("article pre").first
        code.scroll_into_view_if_needed()
        box = code.bounding_box()
        assert box is not None
        assert has_shadow(box)
        code.evaluate("element => element.scrollTo(10000, 0)")
        assert not has_shadow(box)


def test_code_is_copied_without_its_prompt(screen: Page) -> None:
    screen.goto("index.html")
    screen.locator("button.copybtn").nth(1).click()
    assert screen.evaluate("navigator.clipboard.readText()") == 'pip install ".[cli]"'

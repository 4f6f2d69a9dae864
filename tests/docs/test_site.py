"""The site is built without a warning, stands by itself, and is readable on each screen."""

import re
import shutil
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import pytest
from docutils.utils import new_document
from playwright.sync_api import Browser, Page, Route, ViewportSize, sync_playwright
from sphinx.errors import SphinxError

from firecrawl_interact import adapters, core
from firecrawl_interact.adapters import conformance
from firecrawl_interact.core import DeleteSessionError, TransportError

from .pages import DOCS, ROOT

pytestmark = pytest.mark.enable_socket

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
MENU = ["Start", "Tasks", "Extend", "Reference", "Why", "Appendix", "日本語"]
SCHEMES: list[Literal["light", "dark"]] = ["light", "dark"]
FIGURE = re.compile(r"^\d[\d,]*(\.\d+)?( ?%| x)?$")
HERE = "https://site.example/"
REPOSITORY = "https://github.com/firecrawl-interact/firecrawl-interact"

# What is wrong with how a page looks: what is cut, what is too small, what sticks to its title.
FLAWS = """() => {
    const shown = selector => [...document.querySelectorAll(`article ${selector}`)].filter(
        element => element.getClientRects().length);
    const box = element => element.getBoundingClientRect();
    const size = element => parseFloat(getComputedStyle(element).fontSize);
    const gap = title => {
        const next = title.nextElementSibling;
        return next && next.getClientRects().length ? box(next).top - box(title).bottom : 8;
    };
    const named = (flaw, elements) => elements.map(
        element => `${flaw}: ${element.outerHTML.slice(0, 100)}`);
    return [
        ...named('cut', shown('*').filter(element => box(element).right > window.innerWidth + 8
            && !element.closest('svg') && !element.parentElement.closest('pre, .table-wrapper'))),
        ...named('code below 12 px', shown('code, article pre').filter(code => size(code) < 12)),
        ...named('gap', shown(':is(h1, h2, h3)').filter(one => gap(one) < 6 || gap(one) > 40)),
    ];
}"""


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, str]:
    return {str(path.relative_to(site)): path.read_text("utf-8") for path in site.rglob("*.html")}


def links_of(text: str) -> list[str]:
    return [unescape(link) for link in re.findall(r'<a\b[^>]* href="([^"]*)"', text)]


@pytest.fixture(scope="module")
def reference(pages: dict[str, str]) -> str:
    return "".join(pages[name] for name in sorted(pages) if name.startswith("reference/"))


def leads_somewhere(link: str, source: Path, site: Path) -> bool:
    parts = urlsplit(link)
    if parts.netloc:
        return parts.scheme == "https"
    target = (source.parent / unquote(parts.path)).resolve() if parts.path else source
    if not (target.is_file() and target.is_relative_to(site)):
        return False
    return not parts.fragment or f'id="{unquote(parts.fragment)}"' in target.read_text("utf-8")


def test_every_link_holds(site: Path, pages: dict[str, str]) -> None:
    links = {(name, link) for name, text in pages.items() for link in links_of(text)}
    assert not [found for found in links if not leads_somewhere(found[1], site / found[0], site)]


def test_nothing_is_loaded_from_another_host(site: Path, pages: dict[str, str]) -> None:
    loaded = re.findall(r'<(?!a\b)\w+\b[^>]* (?:src|href)="([^"]*)"', "".join(pages.values()))
    assert loaded
    assert not [link for link in loaded if urlsplit(link).netloc]
    styles = [file.read_text("utf-8") for file in site.rglob("*.css")]
    assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", "".join(styles))


def test_the_menu_is_in_groups(pages: dict[str, str]) -> None:
    assert re.findall(r'class="caption-text">(\w+)<', pages["index.html"]) == MENU


def test_each_page_says_its_language_the_version_and_the_repository(
    pages: dict[str, str],
) -> None:
    for name, text in pages.items():
        language = "ja" if re.search(r"\bja\.html$", name) else "en"
        assert f'<html class="no-js" lang="{language}"' in text, name
        assert re.search(r"<title>.*firecrawl-interact \d+\.\d+\.\d+", text), name
        assert REPOSITORY in links_of(text), name


def test_llms_txt_leads_to_every_page_that_the_menu_names(site: Path) -> None:
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


def test_the_reference_has_each_public_name_once(reference: str) -> None:
    documented = re.findall(r'<dt class="sig[^>]* id="firecrawl_interact\.([\w.]+)"', reference)
    public = {
        f"{package.__name__.removeprefix('firecrawl_interact.')}.{name}"
        for package in (core, adapters, conformance)
        for name in package.__all__
    }
    assert public <= set(documented)
    assert len(documented) == len(set(documented))


def test_the_reference_shows_no_private_name(reference: str) -> None:
    signatures = re.findall(r'<dt class="sig.*?</dt>', reference, re.DOTALL)
    shown = " ".join(re.sub(r"<[^>]+>", "", signature) for signature in signatures)
    assert not re.findall(r"(?<![\w])_[A-Za-z]\w*", shown)


def tree(error: type[Exception]) -> list[str]:
    """Draw an error and those below it as the reference does."""
    lines = [error.__name__]
    children = [child for child in error.__subclasses__() if child.__name__ in core.__all__]
    for number, child in enumerate(children, 1):
        is_last = number == len(children)
        first, *rest = tree(child)
        lines.append(f"{'└── ' if is_last else '├── '}{first}")
        lines += [f"{'    ' if is_last else '│   '}{line}" for line in rest]
    return lines


@pytest.mark.parametrize("root", [DeleteSessionError, TransportError])
def test_the_tree_of_errors_is_drawn_as_it_is(root: type[Exception]) -> None:
    text = "".join(file.read_text("utf-8") for file in (ROOT / "docs/reference").glob("*.md"))
    drawn = re.findall(r":class: tree\n\n(.*?)\n(?:```|\n)", text, re.DOTALL)
    plain = [re.sub(r":py:exc:`(\w+)`", r"\1", one) for one in drawn]
    assert "\n".join(f"   {line}" for line in tree(root)) in plain


# In a browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if BROWSER is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def screen(site: Path, browser: Browser) -> Iterator[Page]:
    """A page in the browser, to which the site is all that there is."""

    def fulfil(route: Route) -> None:
        assert route.request.url.startswith(HERE)
        route.fulfill(path=site / unquote(urlsplit(route.request.url).path.lstrip("/")))

    with browser.new_context(base_url=HERE) as context:
        context.route("**/*", fulfil)
        yield context.new_page()


def show(screen: Page, width: int, scheme: Literal["light", "dark"]) -> None:
    screen.set_viewport_size(ViewportSize(width=width, height=844))
    screen.emulate_media(color_scheme=scheme)


def test_no_page_is_cut_small_or_crowded(screen: Page, pages: dict[str, str]) -> None:
    flaws = {}
    for name in pages:
        screen.goto(name)
        for width in (390, 1280):
            for scheme in SCHEMES:
                show(screen, width, scheme)
                if found := screen.evaluate(FLAWS):
                    flaws[name, width, scheme] = found
    assert not flaws


@pytest.mark.parametrize("page", ["why-believe-it", "performance", "on-a-cluster"])
def test_figures_stand_on_the_right(page: str, screen: Page) -> None:
    screen.goto(f"{page}.html")
    figures = screen.locator("td:not(:first-child)").filter(has_text=FIGURE)
    assert set(figures.evaluate_all("all => all.map(one => getComputedStyle(one).textAlign)")) == {
        "right"
    }


@pytest.mark.parametrize("scheme", SCHEMES)
def test_code_that_goes_on_has_a_shadow_at_the_edge_until_it_ends(
    scheme: Literal["light", "dark"], screen: Page
) -> None:
    screen.goto("index.html")
    show(screen, 390, scheme)
    code = screen.locator("article pre").first
    code.scroll_into_view_if_needed()
    box = code.bounding_box()
    assert box is not None

    def corner(x: float) -> bytes:
        """Photograph a spot of the frame where there is no code."""
        return screen.screenshot(clip={"x": x, "y": box["y"] + 2, "width": 3, "height": 3})

    middle, right = box["x"] + box["width"] / 2, box["x"] + box["width"] - 4
    assert corner(right) != corner(middle)
    code.evaluate("element => element.scrollTo(10000, 0)")
    assert corner(right) == corner(middle)


def test_code_is_copied_without_its_prompt(screen: Page) -> None:
    screen.context.grant_permissions(["clipboard-read", "clipboard-write"])
    screen.goto("index.html")
    screen.locator("button.copybtn").nth(1).click()
    assert screen.evaluate("navigator.clipboard.readText()") == 'pip install ".[cli]"'

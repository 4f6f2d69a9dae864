"""The site is built without a warning, stands by itself, and can be read on a narrow screen."""

import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import pytest
from playwright.sync_api import Browser, ViewportSize, sync_playwright

from firecrawl_interact import adapters, core
from firecrawl_interact.adapters import conformance
from firecrawl_interact.core import DeleteSessionError, TransportError

from .pages import ROOT

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
NARROW = ViewportSize(width=390, height=844)
MENU = ["Start", "Tasks", "Testing", "Transports", "Reference", "Why"]

TOO_WIDE = """() => [...document.querySelectorAll('article *, body')].filter(element => {
    if (element.closest('pre, svg') || !element.getClientRects().length) return false;
    const right = element.getBoundingClientRect().right;
    const isCut = element.matches('.table-wrapper') && element.scrollWidth > element.clientWidth;
    return right > window.innerWidth + 8 || isCut;
}).map(element => element.outerHTML.slice(0, 120))"""


class Page(HTMLParser):
    """What a built page refers to, and what can be referred to in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attributes if value}
        self.ids.update(values.get("id", "").split())
        if tag == "a":
            self.links.append(values.get("href", ""))
        elif tag == "link":
            self.loaded.append(values.get("href", ""))
        elif "src" in values:
            self.loaded.append(values["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--fail-on-warning", "--builder", "html"]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, str(ROOT / "docs"), str(folder)],
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert not done.stdout
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Page]:
    files = site.rglob("*.html")
    return {str(file.relative_to(site)): Page(file.read_text("utf-8")) for file in files}


@pytest.fixture(scope="module")
def reference(site: Path) -> str:
    texts = [file.read_text("utf-8") for file in sorted((site / "reference").glob("*.html"))]
    return "".join(texts)


def leads_somewhere(link: str, source: Path, site: Path, pages: dict[str, Page]) -> bool:
    parts = urlsplit(link)
    if parts.netloc:
        return parts.scheme == "https"
    target = (source.parent / unquote(parts.path)).resolve() if parts.path else source
    if not target.is_file():
        return False
    page = pages.get(str(target.relative_to(site)))
    return not parts.fragment or page is None or unquote(parts.fragment) in page.ids


def test_every_link_holds(site: Path, pages: dict[str, Page]) -> None:
    broken = [
        f"{name}: {link}"
        for name, page in pages.items()
        for link in page.links
        if not leads_somewhere(link, site / name, site, pages)
    ]
    assert not broken


def test_nothing_is_loaded_from_another_host(site: Path, pages: dict[str, Page]) -> None:
    assert not [link for page in pages.values() for link in page.loaded if urlsplit(link).netloc]
    styles = [file.read_text("utf-8") for file in site.rglob("*.css")]
    assert not re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", "".join(styles))


def test_the_menu_is_in_groups(site: Path) -> None:
    text = (site / "index.html").read_text("utf-8")
    assert re.findall(r'class="caption-text">(\w+)<', text) == MENU


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


def tree(error: type[Exception], indent: str = "") -> list[str]:
    """Draw an error and those below it as the reference does."""
    lines = [error.__name__]
    children = [child for child in error.__subclasses__() if child.__name__ in core.__all__]
    for number, child in enumerate(children, 1):
        is_last = number == len(children)
        first, *rest = tree(child)
        lines.append(f"{'└── ' if is_last else '├── '}{first}")
        lines += [f"{'    ' if is_last else '│   '}{line}" for line in rest]
    return [f"{indent}{line}" for line in lines]


@pytest.mark.parametrize("root", [DeleteSessionError, TransportError])
def test_the_tree_of_errors_is_drawn_as_it_is(root: type[Exception]) -> None:
    text = "".join(file.read_text("utf-8") for file in (ROOT / "docs/reference").glob("*.md"))
    drawn = re.findall(r":class: tree\n\n(.*?)\n(?:```|\n)", text, re.DOTALL)
    plain = [re.sub(r":py:exc:`(\w+)`", r"\1", one) for one in drawn]
    assert "\n".join(f"   {line}" for line in tree(root)) in plain


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    handler = partial(Handler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if BROWSER is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.mark.enable_socket
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_is_wider_than_a_telephone(
    scheme: Literal["light", "dark"], address: str, pages: dict[str, Page], browser: Browser
) -> None:
    context = browser.new_context(viewport=NARROW, color_scheme=scheme)
    requested: list[str] = []
    context.on("request", lambda request: requested.append(request.url))
    page = context.new_page()
    too_wide = {}
    for name in pages:
        page.goto(f"{address}/{name}")
        if found := page.evaluate(TOO_WIDE):
            too_wide[name] = found
    context.close()
    assert not too_wide
    assert {urlsplit(url).netloc for url in requested} == {urlsplit(address).netloc}


@pytest.mark.enable_socket
def test_code_is_copied_without_its_prompt(address: str, browser: Browser) -> None:
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{address}/index.html")
    page.locator("button.copybtn").nth(1).click()
    copied = page.evaluate("navigator.clipboard.readText()")
    context.close()
    assert copied == 'pip install ".[cli]"'


@pytest.mark.enable_socket
def test_a_page_is_whole_without_javascript(address: str, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}/outcomes.html")
    assert page.get_by_text("Is it gone?").first.is_visible()
    assert page.get_by_role("link", name="Many sessions", exact=True).first.is_visible()
    assert page.locator("table").nth(2).is_visible()
    context.close()

"""Writes llms.txt beside the pages: what each is about, and where its Markdown is (llmstxt.org)."""

from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.errors import SphinxError


def llms_txt(env: BuildEnvironment, name: str) -> str:
    """Return the text: the landing page's own words, then every page in the menu's order."""
    root = env.get_doctree(env.config.root_doc)
    lines = [f"# {name}", "", f"> {first_paragraph(root, env.config.root_doc)}"]
    for menu in root.findall(addnodes.toctree):
        lines += ["", f"## {menu['caption'] or 'Pages'}", ""]
        for title, page in menu["entries"]:
            about = first_paragraph(env.get_doctree(page), page)
            lines.append(
                f"- [{title or env.titles[page].astext()}]({_address(env, page)}): {about}"
            )
    return "\n".join([*lines, ""])


def _address(env: BuildEnvironment, page: str) -> str:
    """Return where the page's Markdown is, or the page itself if a directive brings its text."""
    source = Path(env.doc2path(page)).read_text(encoding="utf-8")
    if "{eval-rst}" in source or "{include}" in source:
        return f"{page}.html"
    return f"_sources/{env.doc2path(page, base=False)}.txt"


def first_paragraph(page: nodes.document, name: str) -> str:
    """Return what a page is about, or end the build if it does not say that."""
    for paragraph in page.findall(nodes.paragraph):
        if isinstance(paragraph.parent, nodes.section):
            return " ".join(paragraph.astext().split())
    raise SphinxError(f"{name}: no paragraph says what the page is about; llms.txt needs one")


def _write(app: Sphinx, failure: Exception | None) -> None:
    if failure is None and app.builder.format == "html":
        text = llms_txt(app.env, app.config.project)
        Path(app.outdir, "llms.txt").write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register it."""
    app.connect("build-finished", _write)
    return {"parallel_read_safe": True}

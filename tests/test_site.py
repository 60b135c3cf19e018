"""The site in docs/, built as its reader gets it: links, notebooks, and every page in a browser, wide and narrow."""

import functools
import http.server
import re
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest
from browser import open_browser

DOCS = Path(__file__).parent.parent / "docs"
LESSONS = sorted(path.stem for path in (DOCS / "lessons").glob("[0-9]*.md"))
pytestmark = pytest.mark.site


class Page(HTMLParser):
    """What a page refers to, and the places in it that can be referred to."""

    def __init__(self, path):
        super().__init__()
        self.references, self.places, self.pictures, self.headings = [], set(), [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.places |= {given[name] for name in ("id", "name") if name in given}
        self.references += [given[name] for name in ("href", "src") if given.get(name) and tag != "base"]
        if tag == "img":
            self.pictures.append(given.get("alt"))
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append(tag)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("sphinx", reason="Sphinx is not installed: pip install 'minigrad[docs]'")
    folder = tmp_path_factory.mktemp("site")
    options = ["-W", "--keep-going", "-n", "-q", "-j", "2", "-b", "html"]
    command = [sys.executable, "-m", "sphinx", *options, str(DOCS), str(folder)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout[-3000:] + built.stderr[-6000:]
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in sorted(site.rglob("*.html")) if "_modules" not in path.parts}


def test_links_lead_somewhere(site, pages):
    broken = []
    for path, page in pages.items():
        for reference in page.references:
            address, place = urldefrag(reference)
            parts = urlsplit(address)
            if parts.scheme in ("https", "mailto", "data"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            if not target.exists() or (place and target in pages and unquote(place) not in pages[target].places):
                broken.append(f"{path.relative_to(site)}: {reference}")
    assert not broken, "\n".join(sorted(set(broken)))


def test_every_picture_says_what_it_shows(pages):
    assert all(alt and alt.strip() for page in pages.values() for alt in page.pictures)
    assert sum(len(page.pictures) for page in pages.values()) > 50


@pytest.mark.parametrize("name", LESSONS)
def test_a_notebook_is_its_page(site, name):
    import nbformat

    notebook = nbformat.read(site / "lessons" / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    source = (DOCS / "lessons" / f"{name}.md").read_text(encoding="utf-8")
    cells = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    for cell in cells:
        compile(cell, name, "exec")
    stubs = [line for line in source.splitlines() if line.startswith(":stub:")]
    solutions = len(stubs)
    assert solutions >= 2, "a lesson has exercises"
    assert all("yours" in stub for stub in stubs), "a cell says that it is to be written"
    assert "cells marked *yours*" in source, "a page says where to write"
    assert not any("tags" in cell.metadata for cell in notebook.cells), "a notebook hides nothing"
    assert len(cells) == source.count("```{code-cell}") + solutions
    assert sum(cell in source for cell in cells) >= len(cells) - solutions  # only the stubs are not in the page as such
    assert any(".play(" in cell for cell in cells), "a lesson has a graph to be played"


@pytest.mark.parametrize("name", LESSONS)
def test_a_page_does_not_tell_the_answers(site, name):
    page = (site / "lessons" / f"{name}.html").read_text(encoding="utf-8")
    told = re.findall(r"<pre><span></span>right\b[^<]*", page)
    assert not told, "what a check prints: give its cell the tag remove-output"


@pytest.fixture(scope="module")
def address(site):
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def chromium():
    with open_browser() as browser:
        yield browser


@pytest.mark.parametrize("width", [390, 1440])
def test_pages_in_a_browser(site, pages, address, chromium, width):
    """No console message, no request to the network, no overflow, nothing that axe-core finds wrong."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    checker, wrong = axe.Axe(), []
    with chromium.new_context(viewport={"width": width, "height": 900}) as context:
        page = context.new_page()
        page.on("console", lambda message: wrong.append(f"{page.url}: console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
        page.on("request", lambda request: request.url.startswith((address, "data:", "about:")) or wrong.append(
            f"{page.url}: asks {request.url}"))  # fmt: skip
        for path in pages:
            page.goto(f"{address}/{path.relative_to(site)}")
            page.evaluate("document.querySelectorAll('iframe').forEach(frame => frame.loading = 'eager')")
            page.wait_for_load_state("load")
            if (over := page.evaluate("document.documentElement.scrollWidth - innerWidth")) > 0:
                wrong.append(f"{page.url}: {over} pixels too wide")
            violations = checker.run(page).response["violations"]
            if path.name == "search.html":  # the theme's: its heading comes with what was found
                violations = [found for found in violations if found["id"] != "page-has-heading-one"]
            wrong += [f"{page.url}: {found['id']}: {found['nodes'][0]['html'][:150]}" for found in violations]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", LESSONS)
def test_a_graph_is_played_by_the_keyboard(address, chromium, name):
    page = chromium.new_page(viewport={"width": 1280, "height": 900})
    page.goto(f"{address}/lessons/{name}.html")
    element = page.locator("iframe[title^='Step by step']").first
    element.scroll_into_view_if_needed()
    frame = element.content_frame
    frame.locator("#now").wait_for()
    start = frame.locator("#now").inner_text()
    element.focus()
    frame.locator("body").press("ArrowRight")
    first = frame.locator("#now").inner_text()
    frame.locator("body").press("End")
    assert len({start, first, frame.locator("#now").inner_text()}) == 3
    page.close()

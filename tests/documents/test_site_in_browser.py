"""The documentation site in headless Chromium: every page on a wide and on a narrow window, and the search.

One page of the test's own opens each page of the site in a frame of that width, and reports what it finds there.
"""

import contextlib
import functools
import http.server
import json
import os
import pathlib
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from support.external_programs import require_program
from support.shared_folders import make_once

pytestmark = pytest.mark.timeout(900)

# Seconds for one run of Chromium, which takes ten: the machine may be busy.
PATIENCE = 400
NARROW, WIDE = 400, 1280

# %s: the pages as JSON. The result is written into the document, which Chromium prints when no timer is left.
INSPECTOR = """<!doctype html><meta charset="utf-8"><body><script>
const open = (page, width) => new Promise(resolve => {
    const frame = document.createElement("iframe");
    frame.style.cssText = `border: 0; height: 900px; width: ${width}px`;
    frame.onload = () => resolve(frame);
    frame.src = page;
    document.body.append(frame);
});
const scrolls = element => ["auto", "scroll"].includes(getComputedStyle(element).overflowX);
function reachesOut(element, width) {
    if (element.getBoundingClientRect().right <= width) return false;
    for (let outer = element; outer.tagName != "ARTICLE"; outer = outer.parentElement)
        if (scrolls(outer) && outer.getBoundingClientRect().right <= width) return false;
    return true;
}
const describe = element => `${element.tagName}: ${element.textContent.trim().slice(0, 60)}`;
const failed = entry => !entry.name.startsWith(location.origin) || entry.responseStatus >= 400;
const shown = element => element !== null && element.getBoundingClientRect().width > 0;

async function inspect(page, width) {
    const frame = await open(page, width);
    const site = frame.contentDocument;
    const found = {
        page, width,
        heading: site.querySelector("h1")?.innerText ?? "",
        cut: [...site.querySelectorAll("article *")].filter(element => reachesOut(element, width)).map(describe),
        unavailable: frame.contentWindow.performance.getEntriesByType("resource").filter(failed).map(it => it.name),
        search: shown(site.querySelector(".sidebar-search-container input[name=q]")),
        stylesheet: getComputedStyle(site.body).fontFamily,
    };
    frame.remove();
    return found;
}

async function search(words) {
    const frame = await open("search.html?q=" + words, 1280);
    for (let tries = 0; tries < 200; tries++) {
        const links = [...frame.contentDocument.querySelectorAll("#search-results li a")];
        if (links.length) return links.map(link => link.getAttribute("href"));
        await new Promise(resolve => setTimeout(resolve, 50));
    }
    return [];
}

(async () => {
    const result = {pages: [], found: []};
    for (const page of %s)
        for (const width of [400, 1280]) result.pages.push(await inspect(page, width));
    result.found = await search("readuntil");
    const output = document.createElement("pre");
    output.id = "result";
    output.textContent = JSON.stringify(result);
    document.body.append(output);
})();
</script>"""


@contextlib.contextmanager
def serving(folder: pathlib.Path) -> Iterator[str]:
    """Serve a folder on loopback, and yield its address."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=os.fspath(folder))
    ) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def run_chromium(address: str, profile: pathlib.Path) -> "subprocess.CompletedProcess[str]":
    """Open an address in Chromium that resolves no name; return the document it prints and what it logs."""
    options = [
        *("--headless", "--disable-gpu", "--disable-dev-shm-usage", "--disable-extensions", "--no-first-run"),
        *("--enable-logging=stderr", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
        *(f"--user-data-dir={profile}", f"--window-size={WIDE},1000", "--virtual-time-budget=60000", "--dump-dom"),
    ]
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    return subprocess.run(
        [require_program("chromium"), *options, address],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )


def inspect(site: pathlib.Path, folder: pathlib.Path) -> None:
    """Write what Chromium finds on the pages of the site, and its log of the console, into a file in ``folder``."""
    require_program("chromium")
    pages = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    copy = folder / "site"
    shutil.copytree(site, copy)
    (copy / "inspector.html").write_text(INSPECTOR % json.dumps(pages), encoding="utf-8")
    with serving(copy) as address:
        result = run_chromium(address + "inspector.html", folder / "profile")
    found = re.search(r'<pre id="result">(.*?)</pre>', result.stdout, flags=re.DOTALL)
    assert found is not None, result.stdout[-2000:] + result.stderr
    console = [line for line in result.stderr.splitlines() if "CONSOLE" in line]
    (folder / "inspected.json").write_text(json.dumps({**json.loads(found[1]), "console": console}), encoding="utf-8")


@pytest.fixture(scope="session")
def inspected(site: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Return what Chromium finds on the pages of the site, and its log of the console."""
    folder = make_once(tmp_path_factory, "inspected", functools.partial(inspect, site))
    found: dict[str, Any] = json.loads((folder / "inspected.json").read_text(encoding="utf-8"))
    return found


def of_kind(inspected: dict[str, Any], start: str) -> list[dict[str, Any]]:
    return [page for page in inspected["pages"] if page["page"].startswith(start)]


@pytest.mark.parametrize("start", ["index.html", "tutorial/", "howto/", "reference/", "explanation/"])
def test_pages_have_heading_and_style(inspected: dict[str, Any], start: str) -> None:
    pages = of_kind(inspected, start)
    assert {page["width"] for page in pages} == {NARROW, WIDE}
    assert [page for page in pages if not page["heading"] or "sans" not in page["stylesheet"].lower()] == []


def test_no_text_reaches_out_of_window(inspected: dict[str, Any]) -> None:
    assert [(page["page"], page["width"], page["cut"]) for page in inspected["pages"] if page["cut"]] == []


def test_pages_need_nothing_from_other_hosts(inspected: dict[str, Any]) -> None:
    assert [(page["page"], page["unavailable"]) for page in inspected["pages"] if page["unavailable"]] == []


def test_wide_pages_show_search_box(inspected: dict[str, Any]) -> None:
    without = [page["page"] for page in inspected["pages"] if page["width"] == WIDE and not page["search"]]
    assert without == []


def test_search_finds_reference(inspected: dict[str, Any]) -> None:
    assert [link for link in inspected["found"] if link.startswith("reference/api.html")] != []


def test_console_is_empty(inspected: dict[str, Any]) -> None:
    # A script that fails is logged there.
    assert inspected["console"] == []

"""The documentation site builds without a warning, describes every public name, and its links lead somewhere."""

import html
import html.parser
import inspect
import pathlib
import re
import urllib.parse
import zlib
from collections.abc import Iterator

import pytest

import sluiceway

pytestmark = pytest.mark.timeout(900)


def inventory(site: pathlib.Path) -> set[str]:
    """Return the Python names that the site describes, as other projects find them."""
    packed = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    entries = (line.split(" ") for line in zlib.decompress(packed).decode().splitlines())
    return {name for name, kind, *_ in entries if kind.startswith("py:")}


def public_members() -> Iterator[str]:
    """Yield the attributes that sluiceway gives its public classes."""
    for name in sluiceway.__all__:
        thing = getattr(sluiceway, name)
        for base in inspect.getmro(thing) if inspect.isclass(thing) else ():
            if base.__module__.startswith("sluiceway"):
                yield from (f"sluiceway.{name}.{member}" for member in vars(base) if not member.startswith("_"))


def test_every_public_name_has_an_entry(site: pathlib.Path) -> None:
    assert {f"sluiceway.{name}" for name in sluiceway.__all__} - inventory(site) == set()


def test_every_public_member_has_an_entry(site: pathlib.Path) -> None:
    assert set(public_members()) - inventory(site) == set()


def test_texts_of_the_api_are_for_readers_of_the_site(site: pathlib.Path) -> None:
    markup = (site / "reference" / "api.html").read_text(encoding="utf-8")
    text = html.unescape(re.sub(r"<[^>]+>", "", markup))
    foreign = re.finditer(r"\b_[A-Z]\w+|docs/\w+|Source: |\b(\w+) \| \1\b|str\(object=", text)
    assert [match[0] for match in foreign] == []
    assert "The core in use" in text


class Page(html.parser.HTMLParser):
    """The anchors of a page and the addresses that it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif name in {"href", "src"} and value:
                self.links.append(value)


def test_every_link_within_the_site_has_a_target(site: pathlib.Path) -> None:
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme or parts.netloc or link == "#":
                continue
            target = (path.parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else path
            if not target.exists() or (parts.fragment and parts.fragment not in pages[target].anchors):
                broken.append((path.relative_to(site).as_posix(), link))
    assert broken == []
    assert len(pages) > 8

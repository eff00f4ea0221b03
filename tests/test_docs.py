"""The documentation keeps up: every setting has its line, every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parent.parent
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [ROOT / "README.md", *DOCS]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
READ = re.compile(r'env_(?:text|int|bool|list)\(\s*"([A-Z_]+)"')


def prose(path: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)


def anchors(path: Path) -> set[str]:
    """The anchors that the headings of a page have where Markdown is shown."""
    heads = re.findall(r"^#+ (.+)$", prose(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(prose(page)):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / unquote(name)).resolve() if name else page
        assert target.exists(), f"{page.name} links to {link}, which is not there"
        assert target.is_relative_to(ROOT), f"{page.name} links to {link}, outside of this repository"
        if anchor:
            assert anchor in anchors(target), f"{page.name} links to {link}, which has no such heading"


def test_every_setting_has_its_line() -> None:
    names = set(READ.findall((ROOT / "workbench/settings.py").read_text()))
    assert len(names) > 25
    told = (ROOT / "docs/operations.md").read_text()
    assert sorted(name for name in names if not re.search(rf"`[^`]*\b{name}\b", told)) == []


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in LINK.findall(prose(index))}
    assert [str(page.relative_to(ROOT)) for page in DOCS if page not in linked and page != index] == []


def test_every_page_begins_with_its_title() -> None:
    assert [page.name for page in PAGES if not page.read_text().startswith("# ")] == []

"""A page that somebody adds is looked at by the browser tests, or it is named as none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver, resolve

from tests.browser.pages import NO_PAGES, PAGES

STANDING_IN = {"ref": "INC-1", "fresh": "INC-1", "day": "2026-01-01", "trace": "1" * 32, "case": "1", "run": "1"}
STANDING_IN |= {"destination": "1", "rollback": "1"}


def answers_get(pattern: URLPattern) -> bool:
    """Whether its view takes GET: ``require_safe`` and its like keep the methods in a closure."""
    view: Any = pattern.callback
    while view is not None:
        for cell in getattr(view, "__closure__", None) or ():
            kept = cell.cell_contents
            if isinstance(kept, list | tuple) and kept and all(isinstance(each, str) for each in kept):
                return "GET" in kept
        view = getattr(view, "__wrapped__", None)
    return True


def names(within: URLResolver, space: str = "") -> Iterator[str]:
    for each in within.url_patterns:
        if isinstance(each, URLResolver):
            yield from names(each, f"{space}{each.namespace}:" if each.namespace else space)
        elif each.name and answers_get(each):
            yield f"{space}{each.name}"


def test_every_page_is_looked_at() -> None:
    paths = [path.format(**STANDING_IN).partition("?")[0] for path in PAGES if path != "/nowhere/"]
    looked_at = {resolve(path).view_name for path in paths}
    ours = {name for name in names(get_resolver()) if name.partition(":")[0] in {"incidents", "rollouts"}}
    assert ours - looked_at - NO_PAGES.keys() == set()
    assert NO_PAGES.keys() & looked_at == set()
    assert NO_PAGES.keys() - ours == set()

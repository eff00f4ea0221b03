"""What a page must be for everybody: checked in the browser, on the page as it is drawn.

Not a replacement for listening to a page with a screen reader; it finds what a program can find: names, labels,
landmarks, headings, contrast, sizes, overflow, references that lead nowhere.
"""

from __future__ import annotations

from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

SMALLEST_TARGET = 24
LEAST_CONTRAST = 4.5

CHECK = Path(__file__).with_suffix(".js").read_text()


def findings(page: Page) -> list[str]:
    """Everything wrong with the page as it stands, one sentence each; empty when nothing was found."""
    found: list[str] = page.evaluate(CHECK, [SMALLEST_TARGET, LEAST_CONTRAST])
    return found


def axe(page: Page) -> list[str]:
    """What axe-core calls serious or critical about the page as it stands, each with its first element."""
    run = Axe().run(page, options={"resultTypes": ["violations"]})
    return [
        f"axe {found['id']} ({found['impact']}): {found['nodes'][0]['html'][:160]}"
        for found in run.response["violations"]
        if found["impact"] in {"serious", "critical"}
    ]

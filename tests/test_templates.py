"""Templates, styles and script: what no page may contain, and what every page relies on."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
STATIC = ROOT / "static"

#: idiom → why not: version 2 of htmx, or something our content security policy would block anyway.
REFUSED = {
    r"\shx-ext=": "htmx 2; extensions load by script",
    r"\ssse-(?:connect|swap)=": "htmx 2; use hx-sse:connect and named events",
    r"\shx-disabled-elt=": "htmx 2; now hx-disable",
    r"\shx-on[:-]?": "inline script",
    r"[\"']js:": "inline script",
    r"\son[a-z]+=": "inline script",
    r"\sstyle=": "inline style",
    r"<style\b": "inline style",
    r"<script(?![^>]*\ssrc=)": "inline script",
    r"hx-trigger=\"[^\"]*\[": "a trigger filter is evaluated, which the policy blocks",
    r"\bhx-confirm=": "nothing is confirmed in a browser box; use an armed strip",
    r"\|safe\b|{% autoescape off": "alert texts are hostile",
    r"href=\"\?": "an answer to a press stands at the address of the press; name the page",
    r"<form(?=[^>]*method=\"get\")(?![^>]*\saction=)": "an answer to a press stands at the address of the press",
}


def test_vendored_files_are_what_their_checksums_say() -> None:
    answer = subprocess.run([sys.executable, STATIC / "vendor" / "check.py"], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout


def test_templates_use_no_idiom_of_htmx_2() -> None:
    answer = subprocess.run(
        [sys.executable, STATIC / "vendor" / "upgrade-check.py", "--no-color", ROOT / "templates", STATIC / "app.js"],
        capture_output=True,
        text=True,
    )
    # Every element here names its own target, so what the checker says about inheritance does not apply.
    assert [line for line in answer.stdout.splitlines() if line and "[inheritance]" not in line] == []


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT / "templates")))
def test_template_holds_nothing_that_is_refused(template: Path) -> None:
    text = re.sub(r"{#.*?#}", "", template.read_text())
    found = [f"{pattern} ({why})" for pattern, why in REFUSED.items() if re.search(pattern, text)]
    assert not found


def test_every_shape_that_is_named_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="([^"]+)"', (ROOT / "templates/components/sprite.html").read_text()))
    named = set()
    for template in TEMPLATES:
        named |= set(re.findall(r'{% icon "([^"]+)"', template.read_text()))
    for source in [ROOT / "incidents/context.py", ROOT / "workbench/templatetags/lastgood.py"]:
        named |= set(re.findall(r'"(n-[a-z]+|sev\d)"', source.read_text()))
    assert named
    assert named <= drawn


def zipped(path: Path) -> int:
    return len(gzip.compress(path.read_bytes(), 9))


def test_styles_and_scripts_stay_within_their_budget() -> None:
    assert zipped(STATIC / "app.css") <= 25_000
    assert zipped(STATIC / "app.js") <= 12_000
    assert zipped(STATIC / "app.js") + zipped(STATIC / "vendor/vendor.js") <= 32_000
    assert zipped(STATIC / "editor.js") <= 8_000  # on one page only


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


TOKENS = {
    name: (light, dark)
    for name, light, dark in re.findall(
        r"--([a-z0-9-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", (STATIC / "app.css").read_text()
    )
}
ROLES = ["crit", "high", "warn", "info", "ok", "auto"]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_text_colour_is_readable_on_every_surface_it_stands_on(theme: int) -> None:
    pairs = [(ink, ground) for ink in ["ink", "ink-2", "link", *ROLES] for ground in ["page", "panel"]]
    pairs += [(role, f"{role}-tint") for role in ROLES]
    pairs += [("ink", f"{role}-tint") for role in ROLES] + [("on-fill", "link"), ("on-fill", "crit")]
    weak = {pair: round(contrast(TOKENS[pair[0]][theme], TOKENS[pair[1]][theme]), 2) for pair in pairs}
    assert {pair: value for pair, value in weak.items() if value < 4.8} == {}
    assert contrast(TOKENS["control"][theme], TOKENS["panel"][theme]) >= 3.4

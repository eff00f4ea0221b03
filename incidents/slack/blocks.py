"""Words and shapes as Slack shows them. Whatever others wrote is escaped here, and calls nobody."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from incidents import links
from incidents.models import Incident, Severity

Block = dict[str, Any]
#: Severity is a shape and a word; Slack has no colour to rely on.
SHAPES = {Severity.SEV1: "⬣", Severity.SEV2: "▲", Severity.SEV3: "◆", Severity.SEV4: "○"}
GLYPHS = {"person": "◍", "automation": "⚙ auto", "agent": "◇ agent"}
MARKED = re.compile(r"<([^<>\n]+)>")
SECTION, HEADER, FIELD, BUTTON, VALUE = 3000, 150, 2000, 75, 2000


def escape(text: str) -> str:
    """What somebody wrote, as mrkdwn that shows it: without these three signs nothing is a mention or a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def plain(text: str) -> str:
    """What somebody wrote in Slack, as they read it: mentions and links as words, entities as signs."""

    def reading(found: re.Match[str]) -> str:
        target, _, shown = found[1].partition("|")
        if target.startswith(("@", "#")):
            return target[0] + (shown or target[1:])
        if target.startswith("!"):
            return shown or f"@{target[1:].partition('^')[0]}"
        return target

    return html.unescape(MARKED.sub(reading, text)) if "<" in text or "&" in text else text


def cut(text: str, room: int) -> str:
    """At most ``room`` characters, never ending inside an entity."""
    if len(text) <= room:
        return text
    kept = text[: room - 1]
    start = kept.rfind("&")
    return (kept[:start] if start > len(kept) - 5 and ";" not in kept[start:] else kept) + "…"


def moment(at: datetime) -> str:
    """A time in the reader's zone, and in UTC where Slack cannot."""
    fallback = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    return f"<!date^{int(at.timestamp())}^{{date_short_pretty}} {{time_secs}}|{fallback}>"


def link(url: str, words: str) -> str:
    """A link with words of ours or of somebody's."""
    return f"<{url}|{escape(words).replace('|', '¦')}>"


def room(incident: Incident) -> str:
    """The incident's reference, leading to its room."""
    return link(links.room(incident.ref), incident.ref)


def severity(incident: Incident) -> str:
    return f"{SHAPES[Severity(incident.severity)]} {incident.severity}"


def headline(incident: Incident) -> str:
    """Severity, reference and title in one line of mrkdwn."""
    return f"{severity(incident)} {room(incident)} {escape(cut(incident.title, 200))}"


def header(text: str) -> Block:
    """A headline in plain text, in which nothing is a mention, and nothing looks like one."""
    shown = cut(text.replace("<", "<\u200b"), HEADER)
    return {"type": "header", "text": {"type": "plain_text", "text": shown, "emoji": False}}


def section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, SECTION)}}


def facts(pairs: Iterable[tuple[str, str]]) -> Block:
    """Names and values in two columns; at most ten."""
    shown = [{"type": "mrkdwn", "text": cut(f"*{name}*\n{value}", FIELD)} for name, value in pairs]
    return {"type": "section", "fields": shown[:10]}


def context(text: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": cut(text, SECTION)}]}


def button(verb: str, words: str, value: str, *, style: str = "", number: int = 0) -> Block:
    """A button that says ``verb value`` for whoever presses it."""
    made: Block = {
        "type": "button",
        "action_id": f"{verb}.{number}",
        "text": {"type": "plain_text", "text": cut(words, BUTTON), "emoji": False},
    }
    return made | ({"value": value[:VALUE]} if value else {}) | ({"style": style} if style else {})


def opens(words: str, url: str) -> Block:
    """A button that leads to a page."""
    words = cut(words, BUTTON)
    return {"type": "button", "action_id": "open.0", "text": {"type": "plain_text", "text": words}, "url": url}


def actions(*buttons: Block) -> Block:
    return {"type": "actions", "elements": list(buttons)}


def dialog(callback: str, title: str, blocks: Iterable[Block], *, submit: str = "", kept: str = "{}") -> Block:
    """A view; without ``submit`` it can only be closed."""
    made: Block = {
        "type": "modal",
        "callback_id": callback,
        "title": {"type": "plain_text", "text": cut(title, 24)},
        "close": {"type": "plain_text", "text": "Close"},
        "private_metadata": kept,
        "blocks": list(blocks),
    }
    return made | ({"submit": {"type": "plain_text", "text": submit}} if submit else {})


def field(name: str, label: str, element: Block, *, optional: bool = False, hint: str = "") -> Block:
    """One field of a dialog."""
    made: Block = {
        "type": "input",
        "block_id": name,
        "label": {"type": "plain_text", "text": label},
        "element": element | {"action_id": name},
        "optional": optional,
    }
    return made | ({"hint": {"type": "plain_text", "text": hint}} if hint else {})


def words(initial: str = "", *, longest: int = 3000, lines: bool = False) -> Block:
    """A field to write in."""
    made: Block = {"type": "plain_text_input", "multiline": lines, "max_length": longest}
    return made | ({"initial_value": initial[:longest]} if initial else {})


def choice(options: Iterable[tuple[str, str]], initial: str = "") -> Block:
    """A field to choose in, of at most a hundred (value, words)."""
    shown = [
        {"text": {"type": "plain_text", "text": cut(words, BUTTON)}, "value": value}
        for value, words in list(options)[:100]
    ]
    chosen = next((option for option in shown if option["value"] == initial), None)
    made: Block = {"type": "static_select", "options": shown}
    return made | ({"initial_option": chosen} if chosen else {})

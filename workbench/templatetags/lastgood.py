"""The words, shapes, times and numbers of the pages, each drawn in one place.

State is always a shape beside a word (colour only joins in), a time is always absolute UTC first, and a number
is grouped and carries its unit. Everything is escaped: titles, names and texts come from alerts, which are hostile.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from math import isfinite
from typing import Any
from uuid import uuid4

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts import markdown as md
from accounts.clock import now
from accounts.words import ago, duration, milliseconds, number, percent

register = template.Library()
for word in (ago, duration, milliseconds, number, percent):
    register.filter(word.__name__, word)

SEVERITY_SHAPES = {"SEV1": "sev1", "SEV2": "sev2", "SEV3": "sev3", "SEV4": "sev4"}
STATUS_WORDS = {
    "open": "Not started",
    "running": "Running",
    "done": "Done",
    "failed": "Failed",
    "held": "Held",
    "skipped": "Skipped",
    "blocked": "Blocked",
    "little": "Too little data",
    "waived": "Waived",
    "not_applicable": "Not applicable",
    "in_sync": "In sync",
    "behind": "Behind",
    "erring": "Erring",
    "stopped": "Stopped",
    "silent": "Silent",
}
STATUS_SHAPES = {
    "waived": "skipped",
    "not_applicable": "done",
    "in_sync": "done",
    "erring": "failed",
}
ACTOR_WORDS = {"person": "person", "automation": "automation", "agent": "agent"}


# -- shapes and words ----------------------------------------------------------------------------------------------
@register.simple_tag
def icon(name: str) -> SafeString:
    """A shape of the sprite, hidden from assistive technology: a word must stand beside it."""
    kind = "i line" if name.startswith("n-") else "i"
    return format_html('<svg class="{}" aria-hidden="true"><use href="#{}"/></svg>', kind, name)


@register.simple_tag
def severity(level: Any) -> SafeString:
    """``SEV1`` with its octagon, ``SEV2`` triangle, ``SEV3`` diamond, ``SEV4`` circle; accepts 1–4 too."""
    word = severity_word(level)
    shape = SEVERITY_SHAPES.get(word, "sev4")
    return format_html('<span class="sev sev-{}">{}{}</span>', shape[-1], icon(shape), word)


@register.filter
def severity_word(level: Any) -> str:
    """``SEV1``…``SEV4`` from a number, a digit or the word itself."""
    word = str(getattr(level, "value", level)).upper()
    return f"SEV{word}" if word.isdigit() else word


@register.simple_tag
def status(state: Any, word: str = "") -> SafeString:
    """The glyph of a step, leg, gate or instance state, with its word (or the more exact ``word`` given)."""
    key = str(getattr(state, "value", state))
    shape = STATUS_SHAPES.get(key, key if key in STATUS_WORDS else "open")
    return format_html(
        '<span class="st st-{}">{}{}</span>', key, icon(f"st-{shape}"), word or STATUS_WORDS.get(key, key)
    )


RUN_SHAPES = {
    "queued": "open", "running": "running", "passed": "done", "failed": "failed", "error": "blocked",
    "cancelled": "skipped", "pass": "done", "fail": "failed", "green": "done", "red": "failed", "missing": "little",
}  # fmt: skip


@register.simple_tag
def outcome(state: Any, word: str = "") -> SafeString:
    """The state of an eval run, the outcome of one try or the colour of a gate, as glyph and word."""
    key = str(getattr(state, "value", state))
    return status(RUN_SHAPES.get(key, "open"), word or key.capitalize())


@register.simple_tag
def actor(kind: Any, name: Any = "") -> SafeString:
    """Who did it: a person, automation or an agent, always told apart by shape and, for machines, by word."""
    key = str(getattr(kind, "value", kind)) or "automation"
    key = key if key in ACTOR_WORDS else "automation"
    return format_html(
        '<span class="actor actor-{}">{}<span class="hide">{} </span>{}</span>',
        key,
        icon(f"ac-{key}"),
        ACTOR_WORDS[key],
        name or ACTOR_WORDS[key],
    )


@register.simple_tag
def actor_glyph(kind: Any) -> SafeString:
    """The shape alone, with its word for who cannot see it; the name stands elsewhere in the row."""
    key = str(getattr(kind, "value", kind))
    key = key if key in ACTOR_WORDS else "automation"
    return format_html('{}<span class="hide">{}</span>', icon(f"ac-{key}"), ACTOR_WORDS[key])


# -- time ----------------------------------------------------------------------------------------------------------
def as_utc(at: datetime) -> datetime:
    """``at`` on the UTC clock."""
    return at.astimezone(UTC)


@register.simple_tag
def when(at: datetime | None, style: str = "auto") -> SafeString | str:
    """``<time>`` in UTC; the page's script adds the reader's local time beside it.

    ``style``: ``clock`` 02:17:09 UTC · ``short`` 02:17:09, where the column says UTC · ``minute`` 02:17 UTC ·
    ``date`` 20 Nov 2026 · ``full`` 20 Nov 2026 02:17:09 UTC · ``auto`` the clock for today, else day and minute.
    An empty time is a dash.
    """
    if at is None:
        return "—"
    moment = as_utc(at)
    text = written(moment, style)
    return format_html(
        '<time datetime="{}" data-style="{}" title="{}">{}</time>',
        moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")[:-4] + "Z",
        style,
        written(moment, "full"),
        text,
    )


def written(moment: datetime, style: str) -> str:
    """The words of ``when`` for a UTC moment."""
    day = f"{moment.day} {moment:%b}"
    match style:
        case "short":
            return f"{moment:%H:%M:%S}"
        case "clock":
            return f"{moment:%H:%M:%S} UTC"
        case "minute":
            return f"{moment:%H:%M} UTC"
        case "date":
            return f"{day} {moment:%Y}"
        case "full":
            return f"{day} {moment:%Y %H:%M:%S} UTC"
    today = as_utc(now())
    if moment.date() == today.date():
        return f"{moment:%H:%M:%S} UTC"
    if moment.year == today.year:
        return f"{day} {moment:%H:%M} UTC"
    return f"{day} {moment:%Y %H:%M} UTC"


@register.simple_tag
def now_iso() -> str:
    """The server's clock for the page's script, which corrects a device clock that is off."""
    return as_utc(now()).isoformat(timespec="milliseconds")


@register.simple_tag
def now_clock() -> str:
    """``02:17:09 UTC``: when this page was drawn."""
    return written(as_utc(now()), "clock")


@register.filter
def moment(text: str | None) -> datetime | None:
    """The moment that a stored page names as ISO 8601; None for nothing, or for what is no moment."""
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


@register.filter
def until(end: datetime | None, start: datetime | None) -> str:
    """The duration from ``start`` to ``end``; empty when either is missing."""
    return duration(end - start) if end and start else ""


@register.simple_tag
def stopwatch(start: datetime | None, end: datetime | None = None) -> SafeString | str:
    """``00:12:41`` since ``start``: a running clock in the page, still without script; stops at ``end``."""
    if start is None:
        return "—"
    seconds = max(int(((end or now()) - start).total_seconds()), 0)
    text = f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    if end:
        return format_html('<span class="mono" role="timer">{}</span>', text)
    return format_html(
        '<span class="mono" role="timer" aria-live="off" data-since="{}" hx-morph-skip>{}</span>',
        as_utc(start).isoformat(),
        text,
    )


@register.simple_tag
def once() -> SafeString:
    """A hidden key that makes a form count once, however often it is sent."""
    return format_html('<input type="hidden" name="idempotency_key" value="{}">', uuid4().hex)


# -- numbers -------------------------------------------------------------------------------------------------------
@register.filter
def digest(value: str | None) -> SafeString | str:
    """The first twelve digits of a digest, the whole of it as title."""
    if not value:
        return "—"
    return format_html('<span class="digest" title="{}">{}</span>', value, str(value).removeprefix("sha256:")[:12])


@register.filter
def plural(count: Any, words: str) -> str:
    """``3 alerts`` from ``3|plural:"alert,alerts"``."""
    one, _, many = words.partition(",")
    amount = int(count or 0)
    return f"{number(amount)} {one if amount == 1 else many or one + 's'}"


@register.filter
def item(mapping: Any, key: Any) -> Any:
    """``mapping[key]`` or None, for names known only when the page is drawn."""
    return mapping.get(key) if mapping else None


@register.filter
def markdown(text: str | None) -> SafeString:
    """What a person wrote in Markdown, as HTML that can do no harm."""
    return md.render(text or "")


@register.filter
def safe_link(address: str | None) -> str:
    """``address`` when it leads to the web, to mail or to a page of ours; empty otherwise, such as for a script."""
    away = tuple(f"{scheme}:" for scheme in md.SCHEMES)
    return address if address and (address.lower().startswith(away) or md.OWN_PATH.fullmatch(address)) else ""


@register.filter
def as_json(value: Any) -> str:
    """Indented JSON of a stored value; a plain text as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


# -- figures -------------------------------------------------------------------------------------------------------
@register.simple_tag
def meter(share: Any, words: str = "", bad: bool = False) -> SafeString:
    """A small bar filled to ``share`` (0–1); ``words`` say the same to who cannot see it."""
    part = min(max(float(share or 0), 0.0), 1.0)
    return format_html(
        '<svg class="meter" viewBox="0 0 72 8" preserveAspectRatio="none" role="img" aria-label="{}">'
        '<rect class="track" x=".25" y=".25" width="71.5" height="7.5"/>'
        '<rect class="fill{}" width="{}" height="8"/></svg>',
        words or percent(part, 0),
        " bad" if bad else "",
        f"{part * 72:.1f}",
    )


@register.inclusion_tag("components/spark.html")
def spark(
    points: list[tuple[datetime, float | None]],
    caption: str,
    name: str = "value",
    limit: float | None = None,
    mark: datetime | None = None,
    unit: str = "",
    height: int = 64,
) -> dict[str, Any]:
    """A line over time as a figure: the caption states the finding, the same numbers stand in a table.

    ``points`` are (time, value) oldest first, None a gap; ``limit`` draws the dashed threshold, ``mark`` a moment
    such as the flip. ``unit`` ``%`` shows shares as percentages.
    """
    width = 320
    known = [(at, float(value)) for at, value in points if value is not None and isfinite(float(value))]
    drawn = [value for _, value in known] + ([limit] if limit is not None else []) or [0.0]
    low, top = min(drawn), max(drawn)
    low = 0.0 if low < top / 2 else low - (top - low) * 0.15  # from zero, unless that would flatten the finding
    rise = (top - low) * 1.1 or 1.0
    first, last = (points[0][0], points[-1][0]) if points else (now(), now())
    span = max((last - first).total_seconds(), 1.0)

    def across(at: datetime) -> float:
        return round((at - first).total_seconds() / span * width, 1)

    def down(value: float) -> float:
        return round(height - (value - low) / rise * (height - 4), 1)

    path, pen = [], "M"
    for at, value in points:
        if value is None:
            pen = "M"
            continue
        path.append(f"{pen}{across(at)} {down(float(value))}")
        pen = "L"
    return {
        "caption": caption,
        "name": name,
        "width": width,
        "height": height,
        "path": " ".join(path),
        "dot": (across(known[-1][0]), down(known[-1][1])) if known else None,
        "limit": down(limit) if limit is not None else None,
        "mark": across(mark) if mark and points and first <= mark <= last else None,
        "rows": [(at, percent(value) if unit == "%" else number(value, 1)) for at, value in points],
        "between": f"{written(as_utc(first), 'full')} to {written(as_utc(last), 'full')}",
        "latest": (percent(known[-1][1]) if unit == "%" else number(known[-1][1], 1)) if known else "no data",
    }

"""What a page's content holds, whatever JSON it is: what is not there, or has another shape, is empty. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Content = Mapping[str, Any]
NOBODY = "nobody"
CODE = re.compile(r"^(`{3,}|~{3,}).*?(?:^\1[`~]*[ \t]*$|\Z)|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def of(content: Content, name: str) -> Mapping[str, Any]:
    value = content.get(name)
    return value if isinstance(value, Mapping) else {}


def listed_in(content: Content, name: str) -> list[Any]:
    value = content.get(name)
    return value if isinstance(value, list) else []


def rows_of(content: Content, name: str) -> list[Mapping[str, Any]]:
    return [row for row in listed_in(content, name) if isinstance(row, Mapping)]


def text_of(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    return value.strip() if isinstance(value, str) else ""


def section_of(content: Content, name: str) -> str:
    section = of(content, "sections").get(name)
    return text_of(section, "text") if isinstance(section, Mapping) else ""


def standing(content: Content) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Actions that were not dropped, numbered as the page numbers them."""
    for number, action in enumerate(rows_of(content, "actions"), 1):
        if not action.get("dropped_at"):
            yield number, action


def is_unowned(content: Content, name: str) -> bool:
    return text_of(of(content, "ownership"), name).lower() in {"", NOBODY}


def classes(content: Content) -> set[str]:
    """The diagnosis classes that triage and the factors name; unknown is none."""
    said = [of(content, "header"), *rows_of(content, "factors")]
    return {text_of(row, "diagnosis") for row in said} - {"", "unknown"}


def without_code(text: str) -> str:
    """``text`` without code, which quotes and asserts nothing."""
    return CODE.sub(" ", text)

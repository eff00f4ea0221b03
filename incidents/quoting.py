"""Text from elsewhere, quoted for a Markdown file so that none of it acts. Pure and total."""

from __future__ import annotations

import re
from typing import Any

#: What Markdown or HTML would read as more than a character.
SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|!~])")
FENCE = re.compile(r"^[ ]{0,3}(`{3,}|~{3,})")
INLINE_CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
TAG = re.compile(r"<(?!https?://|mailto:)", re.IGNORECASE)
#: Where a link begins whose address is neither the web, mail, nor a path of ours.
ELSEWHERE = re.compile(r"\]\((?!\s*<?(?:https?:|mailto:|/(?![/\\])|#))", re.IGNORECASE)
REFERENCE = re.compile(r"^(\s{0,3})\[(?=[^\]]{0,300}\]:)")
#: What keeps its meaning in a cell of a table: a link to the web or to a page of ours, and a word of code.
IN_CELLS = re.compile(
    r"(?<![!\\])\[(?P<text>[^\[\]]{0,300})\]\((?P<to>(?:https?:/)?/(?![/\\])[^\s()<>|`\\\"'\[\]]{1,1000})\)"
    r"|(?<![`\\])`(?P<code>[\w .:@/-]{1,200})`(?!`)"
)
HEADING = re.compile(r"^[ ]{0,3}(#{1,6})(?=\s|$)")


def plain(value: Any) -> str:
    """``value`` as text on one line in which nothing is markup."""
    return _quoted(_line(value))


def cell(value: Any) -> str:
    """``value``, Markdown that somebody wrote, in a cell of a table: links and words of code stay, all else is text."""
    text, parts, done = _line(value), [], 0
    for kept in IN_CELLS.finditer(text):
        parts.append(_quoted(text[done : kept.start()]))
        parts.append(f"`{kept['code']}`" if kept["code"] else f"[{_quoted(kept['text'])}]({kept['to']})")
        done = kept.end()
    return "".join([*parts, _quoted(text[done:])])


def _line(value: Any) -> str:
    return " ".join(str("" if value is None else value).replace("\x00", "\ufffd").split())


def _quoted(text: str) -> str:
    return SPECIAL.sub(r"\\\1", text.replace("&", "&amp;")).replace("\\<", "&lt;").replace("\\>", "&gt;")


def embedded(text: str, deeper: int = 2) -> str:
    """Markdown that somebody wrote, to stand inside ours: headings go ``deeper``, HTML shows as text, images become
    links, links lead to the web, mail or our own pages, and a code block left open is closed."""
    lines, fence = [], ""
    for line in str(text).replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        match = FENCE.match(line)
        if fence:
            lines.append(line)
            if match and match[1].startswith(fence) and not line.strip().strip(fence[0]):
                fence = ""
        elif match:
            fence = match[1]
            lines.append(match[0] + TAG.sub("&lt;", line[match.end() :]))
        else:
            lines.append(_harmless(line, deeper))
    return "\n".join([*lines, fence] if fence else lines)


def _harmless(line: str, deeper: int) -> str:
    """One line outside of code blocks; what stands in inline code stays."""
    heading = HEADING.match(line)
    if heading:
        line = "#" * min(len(heading[1]) + deeper, 6) + line[heading.end() :]
    done, parts = 0, []
    for code in INLINE_CODE.finditer(line):
        parts += [_text(line[done : code.start()]), code[0]]
        done = code.end()
    return REFERENCE.sub(r"\1\\[", "".join([*parts, _text(line[done:])]))


def _text(text: str) -> str:
    return ELSEWHERE.sub(r"]\\(", TAG.sub("&lt;", text).replace("![", "["))

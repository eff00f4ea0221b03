"""Markdown that people and machines wrote, as HTML that can do no harm. The only place that makes HTML of text."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown import Markdown
from markdown.inlinepatterns import (
    IMAGE_LINK_RE,
    IMAGE_REFERENCE_RE,
    LINK_RE,
    REFERENCE_RE,
    LinkInlineProcessor,
    ReferenceInlineProcessor,
    ShortReferenceInlineProcessor,
)
from markdown.treeprocessors import Treeprocessor

TAGS = frozenset(
    {"a", "blockquote", "br", "code", "em", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "strong"}
    | {"table", "tbody", "td", "th", "thead", "tr", "ul"}
)
SCHEMES = frozenset({"http", "https", "mailto"})
#: A path of ours, or a place on this page. Browsers read ``\`` as ``/`` and skip control characters, so neither may
#: stand in it: ``/\t/elsewhere`` would lead elsewhere.
OWN_PATH = re.compile(r"(?:#|/(?!/))[^\\\x00-\x20]*")
#: Deeper than this nobody writes: quotes in quotes cost the parser more with every level.
DEEPEST = 12
#: Characters looked through for the ends of links, in all; past that a bracket is only a bracket. The parser would
#: look through the whole text for every ``[``: twenty thousand of them took it minutes.
LONGEST_SEARCH = 1_000_000
_QUOTES = re.compile(rf"^((?:[ \t]*>){{{DEEPEST}}})[ \t>]*", re.MULTILINE)


class _Bounded(LinkInlineProcessor):  # type: ignore[misc]  # untyped library
    """A link whose end is not looked for without end."""

    def getText(self, data: str, index: int) -> tuple[str, int, bool]:
        text, end, found = super().getText(data, index) if self._may_search() else ("", index, False)
        self.md.searched += (end if found else len(data)) - index
        return text, end, found

    def getLink(self, data: str, index: int) -> tuple[str, str | None, int, bool]:
        href, title, end, found = super().getLink(data, index) if self._may_search() else ("", None, index, False)
        self.md.searched += (end if found else len(data)) - index
        return href, title, end, found

    def _may_search(self) -> bool:
        return bool(self.md.searched < LONGEST_SEARCH)


class _Reference(_Bounded, ReferenceInlineProcessor):  # type: ignore[misc]  # untyped library
    pass


class _ShortReference(_Bounded, ShortReferenceInlineProcessor):  # type: ignore[misc]  # untyped library
    pass


class _UnderThePage(Treeprocessor):  # type: ignore[misc]  # untyped library
    """Headings of a text come below those of the page it stands in."""

    def run(self, root: Element) -> None:
        for element in root.iter():
            if re.fullmatch("h[1-6]", element.tag):
                element.tag = f"h{min(int(element.tag[1]) + 2, 6)}"


def render(text: str) -> SafeString:
    """``text`` as HTML. Tags in it show as text, images as links; links lead to the web, to mail, or to our pages.

    Never fails: what the parser cannot digest is shown as it was written.
    """
    text = text.encode("utf-8", "replace").decode()  # half of a surrogate pair has no UTF-8
    try:
        html = _parser().convert(_QUOTES.sub(r"\1 ", text))
    except RecursionError:
        html = f"<pre>{escape(text)}</pre>"
    return mark_safe(  # noqa: S308  # cleaned by nh3 right here
        nh3.clean(
            html,
            tags=set(TAGS),
            attributes={"a": {"href", "title"}, "ol": {"start"}},
            url_schemes=set(SCHEMES),
            url_relative=lambda url: url if OWN_PATH.fullmatch(url) else None,
            link_rel="noopener noreferrer nofollow",
            set_tag_attribute_values={"pre": {"tabindex": "0"}},
        )
    )


def _parser() -> Markdown:
    parser = Markdown(extensions=["fenced_code", "sane_lists", "tables"], output_format="html")
    parser.preprocessors.deregister("html_block")
    parser.inlinePatterns.deregister("html")
    parser.searched = 0
    for name, processor, priority in (
        ("reference", _Reference(REFERENCE_RE, parser), 170),
        ("link", _Bounded(LINK_RE, parser), 160),
        ("image_link", _Bounded(IMAGE_LINK_RE, parser), 150),
        ("image_reference", _Reference(IMAGE_REFERENCE_RE, parser), 140),
        ("short_reference", _ShortReference(REFERENCE_RE, parser), 130),
        ("short_image_ref", _ShortReference(IMAGE_REFERENCE_RE, parser), 125),
    ):
        parser.inlinePatterns.register(processor, name, priority)
    parser.treeprocessors.register(_UnderThePage(parser), "under_the_page", 5)
    return parser

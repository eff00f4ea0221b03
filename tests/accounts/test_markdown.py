"""The one place that makes HTML of text: what it lets through, and that nothing hostile hangs or breaks it."""

from __future__ import annotations

import time

import pytest
from django.utils.safestring import SafeString
from hypothesis import example, given
from hypothesis import strategies as st

from accounts.markdown import render


def test_ordinary_markdown_is_rendered_with_headings_below_the_pages_own() -> None:
    html = render("# What\n\n**b** `c`\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\n<b>\n```")
    assert isinstance(html, SafeString)
    for piece in ("<h3>What</h3>", "<strong>b</strong>", "<li>two</li>", "<td>2</td>", "&lt;b&gt;"):
        assert piece in html
    assert '<pre tabindex="0">' in html


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<div onclick=alert(1)>\n\n**x**\n\n</div>",
        "[x](javascript:alert(1))",
        "[x](JaVa\tScript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "<javascript:alert(1)>",
        '[x](https://a "t" onclick=alert(1)")',
        "<style>*{display:none}</style>",
        "<svg/onload=alert(1)>",
    ],
)
def test_script_in_markdown_shows_as_text_or_not_at_all(hostile: str) -> None:
    html = render(hostile)
    for dangerous in ("<script", "<img", "<div", "<style", "<svg", ' onclick="', 'href="java', 'href="data'):
        assert dangerous not in html


@pytest.mark.parametrize("elsewhere", ["//evil.example/x", "/\\evil.example", "/\t/evil.example", "\\\\evil.example"])
def test_a_path_that_would_lead_elsewhere_is_no_link(elsewhere: str) -> None:
    assert "href" not in render(f"[x]({elsewhere})")


@pytest.mark.parametrize("allowed", ["/i/INC-7/", "#summary", "https://example.com/a?b=1", "mailto:a@example.com"])
def test_our_pages_the_web_and_mail_can_be_linked(allowed: str) -> None:
    assert f'<a href="{allowed}" rel="noopener noreferrer nofollow">x</a>' in render(f"[x]({allowed})")


def test_no_image_is_fetched_from_anywhere() -> None:
    html = render("![a](https://tracker.example/1.png) ![b][r] ![r]\n\n[r]: https://tracker.example/2.png")
    assert "<img" not in html
    assert '<a href="https://tracker.example/1.png"' in html


@pytest.mark.parametrize(
    "text",
    ["[" * 20_000, "[a](" * 5_000, "![" * 10_000, "> " * 10_000, ">" * 20_000, "[a](<" * 4_000, "*a_b" * 5_000],
)
def test_no_text_keeps_a_page_waiting(text: str) -> None:
    began = time.monotonic()
    render(text)
    assert time.monotonic() - began < 5


@given(st.text(alphabet=st.characters() | st.sampled_from("[]()<>!*_`#>-|\n \t\\&\"'/:"), max_size=300))
@example("\x02wzxhzdk:0\x03 \x02klzzwxh:0001\x03")
def test_no_text_breaks_it(text: str) -> None:
    html = render(text)
    assert "<script" not in html.lower()

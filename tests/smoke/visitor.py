"""A person with a browser that runs no script: opens pages, fills in the forms they find there."""

from __future__ import annotations

import re
from html import unescape
from typing import Self

import httpx

TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
TAGS = re.compile(r"<(script|style|svg).*?</\1>|<[^>]+>", re.DOTALL)


class Visitor:
    """Signed in by a one-time link. ``page`` is the HTML seen last, ``words`` its text in one line."""

    def __init__(self, base_url: str, sign_in: str) -> None:
        self.http = httpx.Client(base_url=base_url, follow_redirects=True, timeout=20)
        self.page = ""
        self.open(sign_in)
        self.press(sign_in)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.http.close()

    @property
    def words(self) -> str:
        return " ".join(unescape(TAGS.sub(" ", self.page)).split())

    def open(self, path: str) -> str:
        """The text of the page at ``path``, which must answer 200."""
        return self._see(self.http.get(path))

    def press(self, action: str, **fields: str) -> str:
        """Send a form of the page seen last; its address must stand there, unless it is the page's own."""
        assert self.offers(httpx.URL(action).path) or '<form method="post">' in self.page, self.words
        found = TOKEN.search(self.page)
        assert found, "no form on this page"
        return self._see(self.http.post(action, data={"csrfmiddlewaretoken": found[1], **fields}))

    def offers(self, path: str) -> bool:
        """Whether the page has a form that goes to ``path``."""
        return f'action="{path}"' in self.page

    def _see(self, response: httpx.Response) -> str:
        assert response.status_code == 200, f"{response.url}: {response.status_code} {response.text[:2000]}"
        self.page = response.text
        return self.words

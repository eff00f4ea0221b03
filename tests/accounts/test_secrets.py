"""Secrets that are used again lie sealed."""

from __future__ import annotations

from typing import Any

import pytest

from accounts.secrets import Unsealable, seal, unseal


def test_what_was_sealed_opens_again_and_shows_nothing_meanwhile() -> None:
    sealed = seal("whsec_zażółć")
    assert b"whsec" not in sealed
    assert seal("whsec_zażółć") != sealed, "two seals of one secret look different"
    assert unseal(sealed) == unseal(memoryview(sealed)) == "whsec_zażółć"


def test_another_secret_key_opens_nothing_and_says_so(settings: Any) -> None:
    sealed = seal("whsec_x")
    settings.SECRET_KEY = "another"
    with pytest.raises(Unsealable, match="another SECRET_KEY"):
        unseal(sealed)
    settings.SECRET_KEY = "test"
    with pytest.raises(Unsealable):
        unseal(b"garbage")

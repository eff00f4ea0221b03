"""One canonical form, however it was made."""

from __future__ import annotations

from datetime import UTC, datetime

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from accounts.chain import canonical, canonical_json

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.datetimes(timezones=st.just(UTC))
)
VALUES = st.recursive(LEAVES, lambda inside: st.lists(inside) | st.dictionaries(st.text(), inside), max_leaves=20)


@given(VALUES)
def test_the_fast_way_and_rfc_8785_write_the_same_bytes(value: object) -> None:
    assert canonical_json(value) == rfc8785.dumps(canonical(value))


def test_times_carry_their_microseconds() -> None:
    assert canonical_json({"at": datetime(2026, 11, 20, tzinfo=UTC)}) == b'{"at":"2026-11-20T00:00:00.000000+00:00"}'

"""What a quarter shows together: pure figures from records."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.errors import OperationRefused
from incidents.models import Diagnosis, Layer
from incidents.patterns import NO_LAYER, Record, as_json, figures
from incidents.quarters import Quarter

Q4 = Quarter(2026, 4)
OCTOBER = datetime(2026, 10, 5, 2, 17, tzinfo=UTC)


def record(ref: str, at: datetime = OCTOBER, **said: object) -> Record:
    known: dict[str, object] = {"title": ref, "severity": "SEV2", "diagnosis": "spec_gap"}
    return Record(ref=ref, opened_at=at, **(known | said))  # type: ignore[arg-type]


def test_a_quarter_is_three_months_of_utc_and_has_neighbours() -> None:
    assert (str(Q4), str(Q4.shifted(1)), str(Q4.shifted(-4))) == ("2026Q4", "2027Q1", "2025Q4")
    assert (Q4.start, Q4.end) == (datetime(2026, 10, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    assert Quarter.parse(" 2026q4 ") == Quarter.of(OCTOBER) == Q4
    assert Quarter.of(Q4.end - timedelta(microseconds=1)) == Q4


@pytest.mark.parametrize("text", ["", "2026", "2026Q5", "2026-Q4", "0000Q1", "٢٠٢٦Q4", "2026Q4x"])
def test_anything_else_is_refused_with_how_to_write_it(text: str) -> None:
    with pytest.raises(OperationRefused, match="Write a quarter as 2026Q4"):
        Quarter.parse(text)


def test_what_lies_outside_of_the_quarter_counts_as_earlier_or_not_at_all() -> None:
    found = figures(
        Q4,
        [
            record("INC-1", Q4.start - timedelta(seconds=1)),
            record("INC-2", Q4.start),
            record("INC-3", Q4.end - timedelta(seconds=1)),
            record("INC-4", Q4.end),
        ],
    )
    assert [r.ref for r in found.records] == ["INC-2", "INC-3"]
    assert found.previous == 1


def test_cells_are_class_times_each_implicated_layer_and_say_how_often_before() -> None:
    found = figures(
        Q4,
        [
            record("INC-1", OCTOBER - timedelta(days=60), layers=frozenset({"tools"})),
            record("INC-2", layers=frozenset({"tools", "instruction"})),
            record("INC-3", layers=frozenset({"tools"})),
            record("INC-4", diagnosis="unknown"),
        ],
    )
    assert found.cells["spec_gap", "tools"].refs == ("INC-2", "INC-3")
    assert found.cells["spec_gap", "tools"].earlier == 1
    assert found.cells["unknown", NO_LAYER].refs == ("INC-4",)
    assert found.find("cell.spec_gap.instruction") == found.cells["spec_gap", "instruction"]
    rung = {**dict.fromkeys(quarters(), 0), "2026Q3": 1, "2026Q4": 2}
    assert found.ladder == [("Spec gap × tools and integration", rung)]


def quarters() -> list[str]:
    return [str(Q4.shifted(back)) for back in range(-4, 1)]


def test_a_repeat_is_the_same_class_in_the_same_layer_seen_before_and_unknown_is_no_class() -> None:
    tools = frozenset({"tools"})
    found = figures(
        Q4,
        [
            record("INC-1", OCTOBER - timedelta(days=100), layers=tools),
            record("INC-2", layers=tools),
            record("INC-3", layers=frozenset({"model"})),
            record("INC-4", OCTOBER + timedelta(days=1), layers=frozenset({"model"})),
            record("INC-5", diagnosis="unknown", layers=tools),
            record("INC-6", OCTOBER + timedelta(days=2), diagnosis="unknown", layers=tools),
            record("INC-7"),
            record("INC-8", OCTOBER + timedelta(days=3)),
        ],
    )
    assert found.repeats == ("INC-2", "INC-4")


def test_patterns_come_most_frequent_first_and_unknown_is_none() -> None:
    found = figures(
        Q4,
        [
            record("INC-1", variables=frozenset({"prompt"}), origins=frozenset({"hot_edit", "unknown"})),
            record("INC-2", variables=frozenset({"prompt", "model"})),
            record("INC-3", diagnosis="unknown"),
        ],
    )
    assert [(p.key, p.count) for p in found.patterns["variable"]] == [("prompt", 2), ("model", 1)]
    assert [p.key for p in found.patterns["origin"]] == ["hot_edit"]
    assert [p.key for p in found.patterns["class"]] == ["spec_gap"]


def test_times_are_medians_with_n_of_what_is_known_at_both_ends() -> None:
    found = figures(
        Q4,
        [
            record(f"INC-{n}", contained_at=OCTOBER + timedelta(minutes=n), acknowledged_at=None)
            for n in (1, 2, 9, 30, 600)
        ],
    )
    times = {row.step: row for row in found.steps}
    contain = times["Contain"]
    assert (contain.n, contain.median) == (5, 540)
    assert contain.p90 is not None
    assert 1800 < contain.p90 < 36_000
    assert contain.seconds[0] == (60, "INC-1")
    assert (times["Acknowledge"].n, times["Acknowledge"].median, times["Acknowledge"].p90) == (0, None, None)


moments = st.datetimes(datetime(2025, 1, 1), datetime(2027, 6, 1), timezones=st.just(UTC))  # noqa: DTZ001  # bounds have none
records = st.builds(
    Record,
    ref=st.integers(1, 10**6).map(lambda n: f"INC-{n}"),
    title=st.text(max_size=20),
    severity=st.sampled_from(["SEV1", "SEV2", "SEV3", "SEV4"]),
    opened_at=moments,
    diagnosis=st.sampled_from(Diagnosis.values),
    contained_at=st.none() | moments,
    resolved_at=st.none() | moments,
    layers=st.frozensets(st.sampled_from(Layer.values), max_size=3),
)


@given(st.lists(records, max_size=40, unique_by=lambda row: row.ref))
def test_every_number_is_made_of_incidents_of_the_quarter(rows: list[Record]) -> None:
    found = figures(Q4, rows)
    refs = {row.ref for row in found.records}
    assert {ref for some in found.severities.values() for ref in some} == refs
    assert {ref for cell in found.cells.values() for ref in cell.refs} == refs
    assert set(found.repeats) <= refs
    for rows_of_axis in found.patterns.values():
        assert all(set(pattern.refs) <= refs for pattern in rows_of_axis)
    for times in found.steps:
        assert all(seconds >= 0 for seconds, _ in times.seconds)
    assert as_json(found)["incidents"] == len(refs)

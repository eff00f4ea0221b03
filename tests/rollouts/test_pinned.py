"""Pinned is the whole bundle, and only when every part is; environments beside each other."""

from __future__ import annotations

from typing import Any

import pytest

from rollouts.environments import PUSHED, Running, differences
from rollouts.pinned import lacking
from tests.factories.rollouts import body

INDEX = {"index": "orders-7", "embedding_model": "e-3"}


def paths(**changes: Any) -> list[str]:
    return [lack.path for lack in lacking(body(**{"retrieval": INDEX, **changes}))]


def test_a_bundle_whose_every_part_is_fixed_is_pinned() -> None:
    assert paths() == []


def test_a_model_by_its_alias_is_not_reproducible() -> None:
    assert paths(model={"snapshot": "gpt-4o"}) == ["model.snapshot"]


@pytest.mark.parametrize(
    ("retrieval", "lacks"),
    [
        ({"index": "orders", "embedding_model": "e-3"}, ["retrieval.index"]),
        ({"index": "orders-latest", "embedding_model": "e-3"}, ["retrieval.index"]),
        ({"index": "orders", "index_version": "latest", "embedding_model": "e-3"}, ["retrieval.index"]),
        ({"index": "orders", "index_version": "2026-10-30", "embedding_model": "e-3"}, []),
        ({"index": {"name": "orders", "version": 12, "embedding_model": "e-3"}}, []),
        ({"index": {"name": "orders"}, "query": {"embedding_model": "e-3"}}, ["retrieval.index"]),
        ({"index": "orders-7", "embedding_model": None}, ["retrieval.embedding_model"]),
        ({"top_k": 4}, ["retrieval.index", "retrieval.embedding_model"]),
    ],
)
def test_an_index_needs_a_version_and_an_embedding_model(retrieval: dict[str, Any], lacks: list[str]) -> None:
    made = body(retrieval=None) | {"retrieval": retrieval}
    assert [lack.path for lack in lacking(made)] == lacks


def test_a_bundle_without_retrieval_lacks_none() -> None:
    assert [lack.path for lack in lacking(body(retrieval=None))] == []
    assert [lack.path for lack in lacking(body(retrieval=None) | {"retrieval": {}})] == []


@pytest.mark.parametrize(
    ("harness", "known"),
    [
        ({"commit": "abc1234"}, True),
        ({"image": "registry/runtime@sha256:12ab"}, True),
        ({"code": {"commit": "abc1234"}}, True),
        ({"image": "registry/runtime:latest"}, False),
        ({"context_policy": "last 20 turns"}, False),
        ({}, False),
    ],
)
def test_the_code_around_a_prompt_needs_an_identity(harness: dict[str, Any], known: bool) -> None:
    made = body(retrieval=INDEX, harness=None) | {"harness": harness}
    assert lacking(made) == [] if known else [lack.path for lack in lacking(made)] == ["harness"]


def test_without_a_harness_nobody_knows_which_code_ran() -> None:
    assert paths(harness=None) == ["harness"]


def running(label: str, snapshot: str = "gpt-4.1-2025-04-14", **digests: str) -> Running:
    parts = {"prompt": "p", "model": snapshot, "tools": "t"} | digests
    return Running(int(label), label, "".join(parts.values()), parts, snapshot)


def test_environments_that_behave_alike_do_not_differ() -> None:
    assert differences({"dev": running("1"), "staging": running("2"), "prod": running("3")}) == []


def test_what_differs_is_told_pair_by_pair_and_part_by_part() -> None:
    found = differences({"staging": running("2", prompt="q"), "prod": running("1"), PUSHED: running("2", prompt="q")})
    assert [each.sentence for each in found] == [
        "staging (2) and prod (1) differ in prompt.",
        "pushed last (2) and prod (1) differ in prompt.",
    ]
    assert not any(each.alarming for each in found)


def test_staging_and_prod_on_two_snapshots_are_told_as_such() -> None:
    found = differences(
        {"staging": running("2", "gpt-5-2026-01-01"), "prod": running("1"), "dev": running("3", "gpt-5")}
    )
    assert [(each.one, each.alarming) for each in found] == [("staging", True), ("dev", False), ("dev", False)]
    assert found[0].sentence.endswith("Models: gpt-5-2026-01-01 and gpt-4.1-2025-04-14.")

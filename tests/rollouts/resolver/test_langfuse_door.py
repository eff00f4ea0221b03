"""The prompts API as the Langfuse SDK speaks it: exact shapes, one key for one environment."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from rollouts.operations import kill_switch
from tests.factories.accounts import person
from tests.factories.rollouts import activate, running, version
from tests.resolvers import wait_until
from tests.rollouts.resolver.conftest import World

PROMPTS = "/api/public/v2/prompts"


def ask(world: World, path: str, key: str | None = None, **parameters: Any) -> httpx.Response:
    with world.resolver.client() as client:
        auth = ("pk-lf-ignored", world.key if key is None else key)
        return client.get(f"{PROMPTS}{path}", params=parameters, auth=auth)


@pytest.fixture(scope="module")
def prompts(world: World) -> World:
    """``greeter`` runs 2.0.0 in prod and 3.0.0 in staging; 4.0.0 is only pushed."""
    running("1.0.0", "2.0.0", key="greeter")
    activate(version("greeter", "3.0.0", text="Hello {{name}}"), "staging")
    version("greeter", "4.0.0")
    wait_until(lambda: ask(world, "/greeter", version=4).is_success, "the newest push is known")
    return world


def test_a_prompt_has_every_member_the_sdk_requires(prompts: World) -> None:
    found = ask(prompts, "/greeter").json()
    assert (found["type"], found["name"], found["version"]) == ("text", "greeter", 2)
    assert found["prompt"].startswith("You answer")
    assert (found["labels"], found["tags"]) == (["production"], [])
    config = found["config"]
    assert (config["label"], config["enabled"], config["model"]["provider"]) == ("2.0.0", True, "anthropic")
    assert len(config["digest"]) == 64
    assert config["tools"][0]["name"] == "get_order"
    assert config["few_shots"]


def test_the_label_selects_the_environment_and_the_key_must_be_bound_to_it(prompts: World) -> None:
    assert ask(prompts, "/greeter", label="production").json()["version"] == 2
    assert ask(prompts, "/greeter", label="staging", key=prompts.staging_key).json()["version"] == 3
    assert ask(prompts, "/greeter", key=prompts.staging_key).json()["version"] == 3
    for key, label in ((prompts.key, "staging"), (prompts.key, "dev"), (prompts.staging_key, "production")):
        refused = ask(prompts, "/greeter", key=key, label=label)
        assert refused.status_code == 403
        assert "bound to" in refused.json()["message"]


def test_a_number_names_a_version_wherever_it_runs(prompts: World) -> None:
    for number in (1, 2, 3, 4):
        assert ask(prompts, "/greeter", version=number).json()["version"] == number
    assert ask(prompts, "/greeter", version=3).json()["labels"] == ["staging"]


@pytest.mark.parametrize(
    ("path", "parameters", "status"),
    [
        ("/nobody", {}, 404),
        ("/support%2Fagent", {}, 404),
        ("/%00", {}, 404),
        ("/greeter", {"version": 99}, 404),
        ("/greeter", {"label": "latest"}, 404),
        ("/greeter", {"version": "two"}, 400),
        ("/greeter", {"version": "9" * 40}, 400),
    ],
)
def test_what_is_not_there_is_said_in_their_shape(
    prompts: World, path: str, parameters: dict[str, Any], status: int
) -> None:
    answer = ask(prompts, path, **parameters)
    assert answer.status_code == status
    assert set(answer.json()) == {"message", "error"}
    assert (answer.json()["error"] == "LangfuseNotFoundError") == (status == 404)


def test_the_list_has_a_row_per_bundle_and_pages(prompts: World) -> None:
    found = ask(prompts, "", name="greeter").json()
    (row,) = found["data"]
    assert (row["name"], row["versions"], row["labels"]) == ("greeter", [1, 2, 3, 4], ["production", "staging"])
    assert {"type", "tags", "lastUpdatedAt", "lastConfig"} <= set(row)
    assert found["meta"] == {"page": 1, "limit": 50, "totalItems": 1, "totalPages": 1}
    assert ask(prompts, "", page=9, limit=1).json()["data"] == []


def test_labels_do_not_move_through_this_door(prompts: World) -> None:
    with prompts.resolver.client() as client:
        auth = ("pk", prompts.key)
        moved = client.patch(f"{PROMPTS}/greeter/versions/1", json={"newLabels": ["production"]}, auth=auth)
        made = client.post(PROMPTS, json={"name": "greeter", "prompt": "x"}, auth=auth)
    for answer in (moved, made):
        assert answer.status_code == 403
        assert "promoting" in answer.json()["message"]


@pytest.mark.parametrize("header", [None, "Basic !!!", "Basic", "Bearer x", "Basic OnNlY3JldA=="])
def test_without_a_resolver_key_as_password_nothing_is_told(prompts: World, header: str | None) -> None:
    with prompts.resolver.client() as client:
        answer = client.get(f"{PROMPTS}/greeter", headers={"Authorization": header} if header else {})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Basic")


def test_a_stop_is_said_in_the_config(prompts: World) -> None:
    where = running("1.0.0", key="halted")
    kill_switch.stop(where, actor=person(), fallback="To a human")
    found = wait_until(lambda: ask(prompts, "/halted").is_success and ask(prompts, "/halted").json(), "it is served")
    found = wait_until(
        lambda: (now := ask(prompts, "/halted").json()) and not now["config"]["enabled"] and now, "the stop is served"
    )
    assert found["config"]["fallback"] == "To a human"
    assert found["config"]["writes_enabled"] is False

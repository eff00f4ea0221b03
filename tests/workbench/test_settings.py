"""Values from the environment are read as what they are, and a wrong one is refused by name."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.processes import ROOT
from workbench.broker import conninfo
from workbench.settings import env_bool, env_command, env_handed_on, env_int, env_list, env_networks, parse_database_url


def test_a_database_url_is_taken_apart() -> None:
    assert parse_database_url("postgresql://us%40er:p%2Fw@db.example:6432/lastgood?sslmode=require") == {
        "NAME": "lastgood",
        "USER": "us@er",
        "PASSWORD": "p/w",
        "HOST": "db.example",
        "PORT": "6432",
        "OPTIONS": {"sslmode": "require"},
    }


def test_a_database_url_may_name_a_socket() -> None:
    assert parse_database_url("postgresql://postgres@/lastgood?host=%2Frun%2Fpg")["HOST"] == "/run/pg"


@pytest.mark.parametrize("url", ["mysql://x/y", "sqlite:///file", "lastgood"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="must begin with postgresql://"):
        parse_database_url(url)


@pytest.mark.parametrize(("text", "meant"), [("1", True), ("TRUE", True), ("on", True), ("0", False), ("No", False)])
def test_a_switch_is_read(monkeypatch: pytest.MonkeyPatch, text: str, meant: bool) -> None:
    monkeypatch.setenv("SWITCH", text)
    assert env_bool("SWITCH", not meant) is meant


def test_wrong_values_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALUE", "maybe")
    with pytest.raises(ImproperlyConfigured, match="VALUE must be 1 or 0"):
        env_bool("VALUE", True)
    with pytest.raises(ImproperlyConfigured, match="VALUE must be a whole number"):
        env_int("VALUE", 1)


def test_networks_are_read_and_wrong_ones_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALUE", "10.20.0.0/16, 127.0.0.1,fd00::/8")
    assert [str(network) for network in env_networks("VALUE")] == ["10.20.0.0/16", "127.0.0.1/32", "fd00::/8"]
    for wrong in ("10.20.0.0/33", "10.20.0.1/16", "everything"):
        monkeypatch.setenv("VALUE", wrong)
        with pytest.raises(ImproperlyConfigured, match="VALUE must be networks"):
            env_networks("VALUE")


def test_an_empty_value_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VALUE", "")
    assert (env_int("VALUE", 7), env_bool("VALUE", True), env_list("VALUE", "a, b,")) == (7, True, ["a", "b"])


def test_a_command_is_split_as_a_shell_would(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVAL_COMMAND", "promptfoo 'my config' --json")
    assert env_command("EVAL_COMMAND") == ["promptfoo", "my config", "--json"]
    monkeypatch.setenv("EVAL_COMMAND", "promptfoo 'my")
    with pytest.raises(ImproperlyConfigured, match="EVAL_COMMAND cannot be read"):
        env_command("EVAL_COMMAND")


@pytest.mark.parametrize("secret", ["DATABASE_URL", "SECRET_KEY", "SLACK_BOT_TOKEN", "EMAIL_HOST_PASSWORD"])
def test_no_secret_of_ours_is_handed_on(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("EVAL_ENV", f"OPENAI_API_KEY, {secret}")
    with pytest.raises(ImproperlyConfigured, match=f"EVAL_ENV names {secret}"):
        env_handed_on("EVAL_ENV")
    monkeypatch.setenv("EVAL_ENV", "OPENAI_API_KEY")
    assert env_handed_on("EVAL_ENV") == ["OPENAI_API_KEY"]


def test_the_broker_s_connection_string_is_the_database_s_without_django_s_pool() -> None:
    database = parse_database_url("postgresql://u:p%20w@db:5433/name?sslmode=require")
    database["OPTIONS"]["pool"] = {"min_size": 0}
    assert conninfo(database) == "dbname=name user=u password='p w' host=db port=5433 sslmode=require"


def test_the_supervisor_s_modules_hold_no_django_application() -> None:
    """It lives for weeks beside the others: models, Celery and psycopg stay out of it."""
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, workbench.supervisor; print(*sys.modules)"],
        cwd=ROOT,
        env=os.environ | {"LASTGOOD_VAR": os.environ["LASTGOOD_VAR"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"celery", "kombu", "psycopg", "django.db.models", "ninja"} & set(loaded)


def test_every_setting_is_described() -> None:
    read = set(
        re.findall(r'env_(?:text|int|bool|list|networks)\("(\w+)"', (ROOT / "workbench/settings.py").read_text())
    )
    described = (ROOT / "docs/operations.md").read_text()
    assert "DATABASE_URL" in read
    assert not {name for name in read if f"`{name}`" not in described}

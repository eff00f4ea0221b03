"""Migrations are a line without forks, named by what they mean, and complete."""

from __future__ import annotations

import ast
import re
from io import StringIO
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db.migrations.loader import MigrationLoader

APPS = ("accounts", "rollouts", "incidents", "workbench")
NAMES_THAT_SAY_NOTHING = re.compile(r"_auto_|_alter_\w+_and_more|_and_more$|_merge_|^\d{4}_auto|_remove_\w+_and_more")


def names(app: str) -> list[str]:
    return sorted(path.stem for path in Path(apps.get_app_config(app).path).glob("migrations/[0-9]*.py"))


@pytest.mark.parametrize("app", APPS)
def test_migrations_of_an_app_are_numbered_in_one_line(app: str) -> None:
    assert [name[:4] for name in names(app)] == [f"{number:04}" for number in range(1, len(names(app)) + 1)]


@pytest.mark.parametrize("app", APPS)
def test_each_follows_the_one_before(app: str) -> None:
    graph = MigrationLoader(None).graph
    assert len(graph.leaf_nodes(app)) == 1
    for before, after in zip(names(app), names(app)[1:], strict=False):
        assert graph.node_map[app, before] in graph.node_map[app, after].parents


@pytest.mark.parametrize("app", APPS)
def test_names_say_what_a_migration_means(app: str) -> None:
    assert not [name for name in names(app) if NAMES_THAT_SAY_NOTHING.search(name)]


@pytest.mark.parametrize("app", APPS)
def test_a_migration_uses_no_code_of_an_app(app: str) -> None:
    """What code says tomorrow must not change what a migration did yesterday; a field's ``default`` is never run."""
    for path in sorted((Path(apps.get_app_config(app).path) / "migrations").glob("[0-9]*.py")):
        tree = ast.parse(path.read_text())
        defaults = {
            id(node)
            for keyword in ast.walk(tree)
            if isinstance(keyword, ast.keyword) and keyword.arg == "default"
            for node in ast.walk(keyword.value)
        }
        used = [
            node.lineno
            for node in ast.walk(tree)
            if (isinstance(node, ast.Name) and node.id in APPS and id(node) not in defaults)
            or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in APPS)
        ]
        assert not used, f"{path.name}, lines {used}"


@pytest.mark.django_db
def test_models_and_migrations_agree() -> None:
    out = StringIO()
    try:
        call_command("makemigrations", check=True, dry_run=True, stdout=out, verbosity=2)
    except SystemExit:
        pytest.fail(out.getvalue())

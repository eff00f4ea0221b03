"""What holds across the whole code: who imports whom, who may open which door, who may ask the time."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.permissions import needed_for, needed_for_view
from workbench.api import api
from workbench.doors import DOORS

ROOT = Path(__file__).resolve().parent.parent
APPS = ("accounts", "rollouts", "incidents", "workbench")
SOURCES = sorted(path for app in APPS for path in (ROOT / app).rglob("*.py"))
CODE = [path for path in SOURCES if "migrations" not in path.parts]

#: Words of SQL that tell the time and cannot be moved by a test.
UNMOVABLE_TIME = re.compile(r"\b(CURRENT_(TIMESTAMP|DATE|TIME)|LOCALTIME(STAMP)?)\b|'(now|today|tomorrow|yesterday)'")
#: The only file that asks the system for the time.
CLOCK = ROOT / "accounts/clock.py"
#: Stands for customers' machines, outside of the house: they have clocks of their own.
OUTSIDE = ROOT / "rollouts/practice"
#: The command line is a program of its own on somebody's machine, without Django: that machine's clock is its clock.
COMMAND_LINE = ROOT / "rollouts/cli"
ASKING_THE_TIME = {
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
    ("timezone", "now"),
    ("timezone", "localdate"),
    ("timezone", "localtime"),
    ("time", "time"),
    ("time", "time_ns"),
}


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


# -- imports ---------------------------------------------------------------------------------------------------------
def test_imports_point_one_way() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# -- doors -----------------------------------------------------------------------------------------------------------
def patterns(resolver: URLResolver, route: str = "", namespace: str = "") -> Iterator[tuple[str, str | None]]:
    """(route, qualified name or None) of everything below a resolver."""
    for found in resolver.url_patterns:
        here = route + str(found.pattern)
        if isinstance(found, URLResolver):
            inner = f"{namespace}{found.namespace}:" if found.namespace else namespace
            yield from patterns(found, here, inner)
        elif isinstance(found, URLPattern):
            yield here, f"{namespace}{found.name}" if found.name else None


def test_every_url_has_a_name_and_a_declared_permission() -> None:
    found = list(patterns(get_resolver()))
    assert len(found) > 20
    assert not [route for route, name in found if name is None]
    assert not sorted({name for _, name in found if name and needed_for(f"url:{name}") is None})


def test_every_method_of_a_path_is_judged_by_its_own_permission() -> None:
    """A path has one name for Django, its first operation's: another method's permission is declared beside that."""
    wrong, seen = [], 0
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            names = [operation.url_name or operation.view_func.__name__ for operation in view.operations]
            for name, operation in zip(names, view.operations, strict=True):
                for method in operation.methods:
                    seen += 1
                    if needed_for_view(f"api:{names[0]}", method) != needed_for(f"url:api:{name}"):
                        wrong.append(f"{method} {prefix}{path}")
    assert seen > 10
    assert not wrong


def test_every_management_command_has_a_declared_permission() -> None:
    ours = sorted(name for name, app in get_commands().items() if app in APPS)
    assert {"workbench", "prepare"} <= set(ours)
    assert [name for name in ours if needed_for(f"command:{name}") is None] == []


def test_every_door_beside_django_has_a_declared_permission() -> None:
    prefixes = [prefix for prefixes in DOORS for prefix in prefixes]
    assert [prefix for prefix in prefixes if needed_for(f"asgi:{prefix}") is None] == []


def test_prefixes_of_the_doors_are_disjoint() -> None:
    prefixes = [prefix for prefixes in DOORS for prefix in prefixes]
    assert not [(one, two) for one in prefixes for two in prefixes if one != two and one.startswith(two)]


# -- time ------------------------------------------------------------------------------------------------------------
ASKED = [path for path in CODE if path != CLOCK and not {COMMAND_LINE, OUTSIDE} & {*path.parents}]


@pytest.mark.parametrize("path", ASKED, ids=relative)
def test_only_the_clock_asks_for_the_time(path: Path) -> None:
    asked = [
        f"line {node.lineno}: {node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in ASKING_THE_TIME
    ]
    assert not asked, "ask accounts.clock.now()"


def test_no_sql_asks_for_a_time_that_tests_cannot_move() -> None:
    found = [
        f"{relative(path)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if UNMOVABLE_TIME.search(line.split("#")[0])
    ]
    assert not found, "use now() or statement_timestamp()"


# -- what is eternal stays so ----------------------------------------------------------------------------------------
def test_no_code_steps_around_the_triggers() -> None:
    found = [
        relative(path)
        for path in CODE
        if re.search(r"pgtrigger\.(ignore|schema)|session_replication_role|DISABLE TRIGGER", path.read_text())
    ]
    assert not found


def test_files_with_a_name_that_says_nothing_are_refused() -> None:
    refused = {"utils.py", "helpers.py", "services.py", "misc.py", "common.py"}
    assert not [relative(path) for path in SOURCES if path.name in refused]

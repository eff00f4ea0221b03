"""A bundle as a folder of files (docs/bundles.md), read into the body that is pushed."""

from __future__ import annotations

import json
import math
import tomllib
from datetime import date, time
from pathlib import Path
from typing import Any

from rollouts.cli.failures import Exit, Failure

TABLES = ("model", "retrieval", "harness", "metadata")


def read(folder: Path) -> tuple[str, dict[str, Any]]:
    """The key and the body. Raises Failure naming everything that is wrong with the files, at once."""
    if not folder.is_dir():
        raise Failure(f"{folder} is not a folder.", Exit.USAGE)
    reader = _Reader(folder)
    key, body = reader.read()
    if reader.problems:
        raise Failure("\n".join([f"{folder} cannot be pushed:", *(f"  {line}" for line in reader.problems)]))
    return key, body


class _Reader:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.problems: list[str] = []

    def read(self) -> tuple[str, dict[str, Any]]:
        key, body = self._settings()
        prompt: dict[str, Any] = {"text": self._text("prompt.md")}
        if (self.folder / "few_shots.jsonl").exists():
            prompt["few_shots"] = self._few_shots()
        body["prompt"] = prompt
        if (self.folder / "tools").is_dir():
            body["tools"] = self._tools()
        known = {"bundle.toml", "prompt.md", "few_shots.jsonl", "tools"}
        for path in sorted(self.folder.iterdir()):
            if path.name not in known:
                self.problems.append(f"{path.name}: unknown file; known are {', '.join(sorted(known))}/*.json")
        return key, body

    def _settings(self) -> tuple[str, dict[str, Any]]:
        text = self._text("bundle.toml")
        try:
            settings = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            self.problems.append(f"bundle.toml: {error}")
            return "", {}
        key = settings.pop("key", "")
        if not isinstance(key, str) or not key:
            self.problems.append('bundle.toml: key is missing, such as key = "customer-service"')
        body: dict[str, Any] = {}
        for name, value in settings.items():
            if name != "label" and name not in TABLES:
                self.problems.append(f"bundle.toml: {name} is unknown; known are key, label, {', '.join(TABLES)}")
            else:
                self._check_json(f"bundle.toml: {name}", value)
                body[name] = value
        return str(key), body

    def _check_json(self, path: str, value: Any) -> None:
        """TOML knows dates and infinities; JSON does not."""
        if isinstance(value, dict):
            for name, item in value.items():
                self._check_json(f"{path}.{name}", item)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                self._check_json(f"{path}.{index}", item)
        elif isinstance(value, date | time):
            self.problems.append(f"{path} is a date; write it as text, in quotes")
        elif isinstance(value, float) and not math.isfinite(value):
            self.problems.append(f"{path} is not a finite number")

    def _few_shots(self) -> list[Any]:
        rows = []
        for number, line in enumerate(self._text("few_shots.jsonl").split("\n"), start=1):
            if line.strip():
                rows.append(self._json(f"few_shots.jsonl line {number}", line))
        return rows

    def _tools(self) -> list[Any]:
        tools = []
        for path in sorted((self.folder / "tools").iterdir()):
            name = f"tools/{path.name}"
            if path.suffix != ".json" or not path.is_file():
                self.problems.append(f"{name}: unknown file; a tool is tools/<name>.json")
            else:
                tools.append(self._json(name, self._text(name)))
        return tools

    def _json(self, name: str, text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as error:
            self.problems.append(f"{name}: not JSON: {error}")
            return None

    def _text(self, name: str) -> str:
        """The file's text as it stands, line ends included: a prompt is pushed verbatim."""
        try:
            return (self.folder / name).read_bytes().decode()
        except FileNotFoundError:
            self.problems.append(f"{name}: missing")
        except UnicodeDecodeError:
            self.problems.append(f"{name}: not UTF-8")
        except OSError as error:
            self.problems.append(f"{name}: {error.strerror}")
        return ""

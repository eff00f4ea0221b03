"""``lastgood`` at a command line: the HTTP API and nothing else, with Python's own library for a fast start."""

from __future__ import annotations

from rollouts.cli.program import main

__all__ = ["main"]

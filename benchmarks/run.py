"""``make bench``: every benchmark, one after the other, as one Markdown table with the date and the machine.

A benchmark is a module here with ``main() -> list[dict]``; a row has ``name``, ``value``, ``beside`` (the floor or peer
measured in the same run, or ""), ``ratio`` (a number or None) and ``aim``. Names given as arguments run alone.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NAMES = ("resolve", "rollback", "histories", "intake", "slack", "page", "review", "memory")
HEADINGS = ("what", "measured", "beside", "ratio", "aim")


def processor() -> str:
    """The processor's name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def machine() -> str:
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return (
        f"{os.cpu_count()} cores ({processor()}), {pages / 2**30:.0f} GB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}"
    )


def table(rows: list[dict[str, Any]]) -> str:
    lines = [f"| {' | '.join(HEADINGS)} |", f"|{'---|' * len(HEADINGS)}"]
    for row in rows:
        ratio = "" if row.get("ratio") is None else f"{row['ratio']:g} ×"
        cells = [row["name"], row["value"], row.get("beside") or "", ratio, row.get("aim") or ""]
        lines.append(f"| {' | '.join(str(cell).replace('|', '/') for cell in cells)} |")
    return "\n".join(lines)


def main(names: list[str]) -> int:
    """Print the table; 1 if a benchmark could not be run."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workbench.settings")
    rows: list[dict[str, Any]] = []
    failed = []
    for name in names or NAMES:
        if importlib.util.find_spec(f"benchmarks.{name}") is None:
            print(f"There is no benchmark called {name}.", file=sys.stderr)
            failed.append(name)
            continue
        print(f"Measuring {name} …", file=sys.stderr, flush=True)
        try:
            rows += importlib.import_module(f"benchmarks.{name}").main()
        except Exception as error:  # the others are still worth having; the exit status tells
            print(f"{name} failed: {error!r}", file=sys.stderr)
            failed.append(name)
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine()}.\n\n{table(rows)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

#!/usr/bin/env python3
"""Check that vendor.js is the plain joining of the sources beside it, and that none was altered.

``check.py`` exits 1 and names what differs; ``check.py --write`` joins again and rewrites CHECKSUMS
(after replacing a file in ``src/`` by the one of a newer release, npm package ``htmx.org``).
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ORDER = ["htmx.min.js", "hx-sse.min.js", "hx-ptag.min.js", "hx-preload.min.js"]
LISTED = [f"src/{name}" for name in ORDER] + ["vendor.js", "upgrade-check.py"]


def joined() -> bytes:
    """htmx first, then the extensions, a semicolon between so that no file runs into the next."""
    return b"\n;\n".join((HERE / "src" / name).read_bytes().strip() for name in ORDER) + b"\n"


def checksums() -> str:
    """One ``<sha256>  <file>`` line per file, as ``sha256sum -c`` reads it."""
    return "".join(f"{hashlib.sha256((HERE / name).read_bytes()).hexdigest()}  {name}\n" for name in LISTED)


def main(arguments: list[str]) -> int:
    """0 when everything agrees, else 1 with one line per difference."""
    if "--write" in arguments:
        (HERE / "vendor.js").write_bytes(joined())
        (HERE / "CHECKSUMS").write_text(checksums())
        return 0
    wrong = [] if (HERE / "vendor.js").read_bytes() == joined() else ["vendor.js is not its sources joined in order"]
    kept, found = (HERE / "CHECKSUMS").read_text().splitlines(), checksums().splitlines()
    wrong += [f"checksum differs: {line}" for line in found if line not in kept]
    print("\n".join(wrong) or "vendor files are as recorded")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

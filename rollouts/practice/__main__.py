"""``python -m rollouts.practice``: the fleet as a process of its own; its keys come from the environment."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import sys

from rollouts.practice.doors import VARIABLE, Doors, Keys
from rollouts.practice.fleet import run


async def main(keys: Keys) -> None:
    """Until SIGTERM or SIGINT."""
    doors = Doors(keys)
    task = asyncio.ensure_future(run(doors, keys.pace))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await task
    finally:
        await doors.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        given = Keys.from_environment()
    except (KeyError, ValueError, TypeError):
        sys.exit(f"{VARIABLE} does not hold the fleet's keys; start it by manage.py practice.")
    asyncio.run(main(given))

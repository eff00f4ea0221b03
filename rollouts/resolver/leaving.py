"""Hearing of the end early: servers wait for open streams before they tell the application that it is over."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from types import FrameType

type Handler = Callable[[int, FrameType | None], object]


class Farewell:
    """Calls ``leave`` on the event loop at SIGTERM or SIGINT, beside whatever the server does then."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave
        self._before: dict[signal.Signals, object] = {}
        self._mine: Handler | None = None

    def listen(self) -> None:
        """Goes before the server's own handlers, which still run. Does nothing outside the main thread."""
        loop = asyncio.get_running_loop()

        def heard(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._leave)
            before = self._before.get(signal.Signals(number))
            if callable(before):
                before(number, frame)

        for number in (signal.SIGTERM, signal.SIGINT):
            before = signal.getsignal(number)
            if not callable(before):  # nobody has taken this signal over, so its default must stay
                continue
            try:
                signal.signal(number, heard)
            except ValueError:
                return
            self._before[number] = before
        self._mine = heard

    def forget(self) -> None:
        """Give the signals back, unless somebody else has taken them since."""
        for number, before in self._before.items():
            if signal.getsignal(number) is self._mine:
                signal.signal(number, before)  # type: ignore[arg-type]
        self._before.clear()

"""The built-in eval runner: ``python -m rollouts.practice.runner run.json`` plays the practice agents over cases.

It judges what the simulated agent would have answered under the given bundle, by the same rules as the fleet. Use it
as the pattern for your own (docs/evals.md): read one JSON file, print one JSON line per try, exit with 0.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rollouts.checks import judge
from rollouts.practice import agent
from rollouts.practice.refunds import Order
from rollouts.practice.resolved import Bundle, read
from rollouts.practice.scenarios import provider, schema_contract
from rollouts.practice.scenarios.base import Where, spread
from rollouts.practice.spans import Trace

_DOLLARS = re.compile(r"\$\s?(\d[\d,]*)")
_DEEPEST = 20
_HERE = Where("eval", "eval", 0)


class CannotPlay(Exception):
    """This case is about something the practice agent does not do; ``str()`` says what it can."""


def refund(bundle: Bundle, inputs: Any) -> Trace:
    """A refund asked for: ``amount``, and ``approved`` for what a colleague had granted before."""
    amount = number_called("amount", inputs) or in_dollars(inputs)
    if amount is None:
        raise CannotPlay('The practice agent serves refunds only: give it an amount, such as {"amount": 480}.')
    approved = number_called("approved", inputs) or 0
    return agent.trace(agent.serve(bundle, Order(418, amount, "not as described", approved)))


def work_order(bundle: Bundle, inputs: Any) -> Trace:
    """One message of a kind the fleet knows, else an order like the one that is part of the inputs."""
    kinds = schema_contract.KINDS
    kind = next((value for _, value in members(inputs) if isinstance(value, str) and value in kinds), None)
    if kind is None:
        orders = (value for _, value in members(inputs) if isinstance(value, Mapping) and "due" in value)
        kind = next((schema_contract.fault({"priority": None, **order}) for order in orders), None)
    if kind is None:
        raise CannotPlay(f'The practice agent files orders: give it {{"message": "{"|".join(kinds)}"}}.')
    number = next((n for n in range(100) if spread(n, kinds) == kind), 0)
    return schema_contract.serve(bundle, number, _HERE, False)


def mail(bundle: Bundle, inputs: Any) -> Trace:
    """One mail of a kind the fleet knows, as the provider's models answer since they changed."""
    kind = next((value for _, value in members(inputs) if isinstance(value, str) and value in provider.SHIFTS), None)
    if kind is None:
        raise CannotPlay(f'The practice agent sorts mail: give it {{"mail": "{"|".join(provider.SHIFTS)}"}}.')
    kinds = {"unreadable_mail": 1} | provider.SHIFTS
    return provider.serve(bundle, next(n for n in range(100) if spread(n, kinds) == kind), _HERE, True)


#: Agent → what it makes of a bundle and a case's inputs.
PLAYERS: dict[str, Callable[[Bundle, Any], Trace]] = {
    "customer-service": refund,
    "forge": work_order,
    "foundry": work_order,
    "mail-sorter": mail,
    "returns-desk": refund,
}


def output_of(told: Trace) -> dict[str, Any]:
    """What a check is applied to."""
    calls = [{"name": call.tool, "arguments": dict(call.arguments), "result": dict(call.result)} for call in told.calls]
    return {
        "outcome": told.outcome,
        "says": told.says,
        "error": told.error_type or next((call.error_type for call in told.calls if call.error_type), None),
        "tool_call": calls[0] if calls else None,
        "tool_calls": calls,
    }


def number_called(name: str, inputs: Any) -> int | None:
    """The first number of that name, be it the last part of a dotted one."""
    for found, value in members(inputs):
        if found.rpartition(".")[2] == name and isinstance(value, int | float) and not isinstance(value, bool):
            return int(value)
    return None


def in_dollars(inputs: Any) -> int | None:
    """The first sum in dollars of any text."""
    texts = (value for _, value in members(inputs) if isinstance(value, str))
    found = next((match for text in texts if (match := _DOLLARS.search(text))), None)
    return int(found[1].replace(",", "")[:9]) if found else None


def members(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every (name, value) within ``value``, also within texts that hold JSON."""
    yield name, value
    if depth >= _DEEPEST:
        return
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return
        yield name, value
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from members(item, str(key), depth + 1)
    elif isinstance(value, list):
        for item in value:
            yield from members(item, name, depth + 1)


def results(given: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """One line per try of every case."""
    version = given["bundle"]
    bundle = read({**version["body"], "enabled": True, "version": version})
    for case in given["cases"]:
        for attempt in range(1, case["repeats"] + 1):
            began = time.perf_counter()
            line = {"case": case["key"], "attempt": attempt, **one(version["key"], bundle, case)}
            yield line | {"ms": round((time.perf_counter() - began) * 1000, 3)}


def one(key: str, bundle: Bundle, case: Mapping[str, Any]) -> dict[str, Any]:
    """Outcome, score and output of one try."""
    player = PLAYERS.get(key.partition(".")[0])
    if player is None:
        known = ", ".join(PLAYERS)
        return {"outcome": "error", "output": f"The practice runner plays {known}; set EVAL_COMMAND to run {key}."}
    try:
        output = output_of(player(bundle, case["inputs"]))
    except CannotPlay as why:
        return {"outcome": "error", "output": str(why)}
    verdict = judge(output, case["check"]["kind"], case["check"]["body"])
    said = {"judged": verdict.why, "output": output}
    if verdict.passed is None:
        return {"outcome": "error", "output": said}
    return {"outcome": "pass" if verdict.passed else "fail", "score": float(verdict.passed), "output": said}


def main(arguments: list[str]) -> int:
    """Exit status 2 when there is no file to read."""
    if len(arguments) != 1:
        print("Usage: python -m rollouts.practice.runner <run.json>", file=sys.stderr)
        return 2
    for line in results(json.loads(Path(arguments[0]).read_text())):
        print(json.dumps(line), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

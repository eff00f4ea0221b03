"""The schema contract's installation: who works on it, what its agents and monitors send, what it serves."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rollouts.practice.scenarios.schema_contract import TOOL
from tests import spans
from tests.processes import Workbench
from tests.smoke.person import Api

KEY = "forge.system"
VERSIONS, DEPLOYMENTS = f"/bundles/{KEY}/versions", f"/deployments/{KEY}"
#: What the model files, and what it files when the customer says "end of next week" and the prompt lets it.
ORDER = {"account_id": "AC-4007", "item": "gate latch", "quantity": 2, "due": "2026-12-11", "priority": "normal"}
AS_SAID = ORDER | {"due": "end of next week"}
#: A machine that others use too is slow.
LONG = 90.0


@dataclass
class Circle:
    """The installation and who works on it: a script with a token, Ada the admin, and Jo who commands."""

    workbench: Workbench
    script: Api
    ada: Api
    jo: Api
    ref: str = ""

    @property
    def room(self) -> str:
        return f"/incidents/{self.ref}"

    def incident(self) -> dict[str, Any]:
        found: dict[str, Any] = self.script.get(self.room)
        return found

    def until(self, true: Callable[[], Any]) -> Any:
        return self.workbench.eventually(true, LONG)

    def entries(self, kind: str) -> list[str]:
        return [entry["text"] for entry in self.incident()["timeline"] if entry["kind"] == kind]

    def served(self) -> str:
        """The version that a runtime is told to use in prod."""
        headers = {"Authorization": f"Bearer {self.workbench.credentials['ofrep_key']}"}
        flag = self.workbench.http.post(f"/ofrep/v1/evaluate/flags/{KEY}.version", json={}, headers=headers)
        assert flag.status_code == 200, flag.text
        found: str = flag.json()["value"]
        return found

    def people_only(self, path: str, body: Any = None) -> None:
        """The token that carries every scope is refused, with a sentence that says who can."""
        refused = self.script.ask("POST", f"{self.room}{path}", body, 403)
        assert "person" in refused.text or "people" in refused.text, refused.text

    def push(self, body: Mapping[str, Any]) -> int:
        pushed = self.script.post(VERSIONS, body)
        assert self.script.post(VERSIONS, body, 200)["number"] == pushed["number"]
        number: int = pushed["number"]
        return number

    def telemetry(self, label: str, *, failing: int, of: int) -> None:
        """What an instrumented agent sends: ``of`` orders filed, of which ``failing`` break the contract."""
        sent = []
        began = datetime.now(UTC) - timedelta(seconds=of)
        for number in range(of):
            breaks, trace = number < failing, f"{label.encode().hex():0>16}{number:016x}"
            told = {
                "lastgood.bundle": f"forge/prod/system/{label}",
                "gen_ai.agent.name": "forge-intake",
                "gen_ai.conversation.id": f"order-{number}",
            }
            called = told | {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": TOOL,
                "gen_ai.tool.call.arguments": json.dumps(AS_SAID if breaks else ORDER),
                "gen_ai.tool.call.result": json.dumps({"filed": not breaks}),
                **({"error.type": "schema_invalid"} if breaks else {}),
            }
            run = told | {"gen_ai.operation.name": "invoke_agent", "order.outcome": "rejected" if breaks else "filed"}
            at, root = began + timedelta(seconds=number), f"{number + 1:016x}"
            status, why = (spans.ERROR, "due is not a date") if breaks else (spans.OK, "")
            sent.append(spans.span(run, at=at, trace=trace, span_id=root, name="invoke_agent forge-intake"))
            sent.append(spans.span(called, at=at, trace=trace, parent=root, name=TOOL, status=status, message=why))
        headers = {"Authorization": f"Bearer {self.workbench.credentials['otlp_key']}"}
        taken = self.workbench.http.post("/v1/traces", json=spans.request(*sent), headers=headers)
        assert (taken.status_code, taken.json()) == (200, {}), taken.text

    def enqueue(self, door: str, **body: Any) -> Any:
        key = self.workbench.credentials["intake"]["pagerduty-events-v2"]
        taken = self.workbench.http.post(f"/v2/{door}", json={"routing_key": key, **body})
        assert (taken.status_code, taken.json()["status"]) == (202, "success"), taken.text
        return taken.json()

    def run(self, label: str, *cases: str) -> dict[str, Any]:
        """Have the worker run these cases, or the whole set, on a version; the run when it is over."""
        body = {"incident": self.ref} | ({"only": list(cases)} if cases else {})
        asked = self.script.post(f"{VERSIONS}/{label}/eval-runs", body)["run"]
        self.until(lambda: self.script.get(f"/eval-runs/{asked}")["ended_at"])
        over: dict[str, Any] = self.script.get(f"/eval-runs/{asked}")
        return over

"""Whether a bundle can be run again as it was: pinned is the whole, and only when every part is (R130). Pure.

The parts that are pushed verbatim (prompt, few-shots, schemas) carry their digest. What they only name (a model, an
index, the code that runs them) is pinned when the name means one thing for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rollouts.snapshots import is_moving, is_pinned

#: How teams name the code that runs a bundle, and with it the tools it calls (R193).
CODE = (
    "commit",
    "code",
    "code_identity",
    "revision",
    "sha",
    "image",
    "image_digest",
    "digest",
    "release",
    "build",
    "version",
)
#: How they name which build of an index it is, and the model it was embedded with.
INDEX = ("index_version", "index_digest", "index_snapshot", "snapshot", "version", "digest", "revision", "built_at")
EMBEDDING = ("embedding_model", "embedding", "query_embedding_model", "embedded_with")


@dataclass(frozen=True, slots=True)
class Lack:
    """A part that cannot be had again for certain, and why."""

    part: str
    path: str
    message: str

    def as_json(self) -> dict[str, str]:
        return {"part": self.part, "path": self.path, "message": self.message}


def lacking(body: Mapping[str, Any]) -> list[Lack]:
    """Every reason why ``body`` is not reproducible; empty when it is pinned."""
    return list(_lacking(body))


def _lacking(body: Mapping[str, Any]) -> Iterator[Lack]:
    snapshot = str(body["model"]["snapshot"])
    if not is_pinned(snapshot):
        yield Lack("model", "model.snapshot", f"{snapshot} is an alias: its provider may answer with another model.")
    retrieval = body.get("retrieval") or {}
    if retrieval:
        index = retrieval.get("index")
        inside = index if isinstance(index, Mapping) else {}
        named = {"name": index} if isinstance(index, str) else {"name": inside.get("name") or inside.get("id")}
        if not (_told(retrieval, INDEX) or _told(inside, INDEX) or _fixed(named["name"])):
            yield Lack("retrieval", "retrieval.index", "The index has no version: what it finds may change.")
        query = retrieval.get("query")
        asked = query if isinstance(query, Mapping) else {}
        if not any(_says(where, EMBEDDING) for where in (retrieval, inside, asked)):
            yield Lack("retrieval", "retrieval.embedding_model", "No embedding model is named.")
    harness = body.get("harness") or {}
    if not _told(harness, CODE):
        yield Lack("harness", "harness", "No code identity, such as harness.commit: the code around it may change.")


def _told(value: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    """Whether one of ``names`` says something that does not move."""
    for name in names:
        found = value.get(name)
        if isinstance(found, Mapping):
            if _told(found, names):
                return True
        elif _means_one(found):
            return True
    return False


def _means_one(found: Any) -> bool:
    if isinstance(found, str):
        return bool(found.strip()) and not is_moving(found)
    return isinstance(found, int) and not isinstance(found, bool)


def _says(value: Mapping[str, Any], names: tuple[str, ...]) -> bool:
    return any(bool(value.get(name)) for name in names)


def _fixed(name: Any) -> bool:
    """``orders-7`` and ``help-centre-2026-10-30`` are one build each; ``orders`` is whatever was built last."""
    return isinstance(name, str) and name[-1:].isdigit() and not is_moving(name)

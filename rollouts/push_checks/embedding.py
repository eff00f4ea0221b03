"""An index embedded with one model and asked with another finds nothing that fits (R191). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollouts.push_checks.base import ERROR, Concern

CHECK = "embedding"
#: How teams call the model that queries are embedded with, and the one that the index was built with.
_QUERY = ("query_embedding_model", "query_embedding", "embedding_model", "embedding")
_INDEX = ("index_embedding_model", "index_embedding", "index_embedded_with", "embedded_with")
#: The same, inside of an object that describes the index.
_INSIDE = ("embedding_model", "embedding", "embedded_with", "model")


def check(body: Mapping[str, Any]) -> Iterator[Concern]:
    """``retrieval`` is the team's own object; what it says of either model is compared, wherever it says both."""
    retrieval = body.get("retrieval") or {}
    asked, built = _told(retrieval, _QUERY, "retrieval"), _told(retrieval, _INDEX, "retrieval")
    if isinstance(query := retrieval.get("query"), Mapping):
        asked = _told(query, _INSIDE, "retrieval.query") or asked
    if isinstance(index := retrieval.get("index"), Mapping):
        built = _told(index, _INSIDE, "retrieval.index") or built
    if asked is not None and built is not None and asked[1] != built[1]:
        said = f"The index was embedded with {built[1]} and is asked with {asked[1]}. Embed it again, or ask alike."
        yield Concern(CHECK, built[0], said, ERROR)
    dimensions = retrieval.get("dimensions"), index.get("dimensions") if isinstance(index, Mapping) else None
    if None not in dimensions and dimensions[0] != dimensions[1]:
        said = f"The index has {dimensions[1]} dimensions and is asked with {dimensions[0]}."
        yield Concern(CHECK, "retrieval.index.dimensions", said, ERROR)


def _told(value: Mapping[str, Any], names: tuple[str, ...], path: str) -> tuple[str, str] | None:
    """(path, model): the first of ``names`` that holds a name, or an object with one."""
    for name in names:
        found = value.get(name)
        if isinstance(found, Mapping):
            found = found.get("model") or found.get("snapshot") or found.get("name")
        if isinstance(found, str) and found.strip():
            return f"{path}.{name}", found.strip()
    return None

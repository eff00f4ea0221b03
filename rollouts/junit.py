"""Reading JUnit XML that somebody else's runner wrote. Pure; never expands an entity.

There is no single schema: the root may be ``testsuites``, ``testsuite`` or a lone ``testcase``, suites may nest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from xml.etree.ElementTree import Element, ParseError, SubElement

from defusedxml import DTDForbidden, EntitiesForbidden, ExternalReferenceForbidden
from defusedxml.ElementTree import fromstring
from junitparser import Error, Failure, Skipped, TestCase

MAX_BYTES = 5 * 1024 * 1024
MAX_CASES = 50_000
MAX_OUTPUT = 20_000  # characters kept of what one test said
PASS, FAIL, ERROR, SKIPPED = "pass", "fail", "error", "skipped"
_ROOTS = frozenset({"testsuites", "testsuite", "testcase"})


class UnreadableJunit(ValueError):
    """This is no JUnit file, or not one we would open; ``str()`` is a sentence for the sender."""


@dataclass(frozen=True, slots=True)
class Tested:
    """One ``testcase``: pass, fail, error or skipped. ``ms`` is None where the file gives no sensible time."""

    name: str
    classname: str
    outcome: str
    ms: float | None
    output: str

    @property
    def names(self) -> tuple[str, str]:
        """What a case with this result may be called, the likelier first."""
        return self.name, f"{self.classname}.{self.name}" if self.classname else self.name


def parse(body: bytes) -> list[Tested]:
    """Every test case of a JUnit file, in its order. Raises UnreadableJunit."""
    if len(body) > MAX_BYTES:
        raise UnreadableJunit(f"The file has {len(body):,} bytes; the limit is {MAX_BYTES:,}.")
    if not body.strip():
        raise UnreadableJunit("The file is empty. Send the JUnit XML itself as the body.")
    root = _root(body)
    if _tag(root) not in _ROOTS:
        raise UnreadableJunit(f"A JUnit file begins with testsuites or testsuite, not {_tag(root)!r:.80}.")
    found = [element for element in root.iter() if _tag(element) == "testcase"]
    if not found:
        raise UnreadableJunit("This file has no testcase in it.")
    if len(found) > MAX_CASES:
        raise UnreadableJunit(f"The file has {len(found):,} test cases; the limit is {MAX_CASES:,}.")
    return [_tested(element) for element in found]


def _root(body: bytes) -> Element:
    try:
        root: Element = fromstring(body, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except EntitiesForbidden as forbidden:
        raise UnreadableJunit(f"The file declares the entity {forbidden.name!r:.80}; entities are refused.") from None
    except DTDForbidden as forbidden:
        raise UnreadableJunit(
            f"The file has a document type ({forbidden.name!r:.80}), which may declare entities; send it without."
        ) from None
    except ExternalReferenceForbidden:
        raise UnreadableJunit("The file refers to another one, which is refused.") from None
    except ParseError as error:
        raise UnreadableJunit(f"This is not XML: {error}.") from None
    except (ValueError, LookupError) as error:  # an encoding that expat does not know
        raise UnreadableJunit(f"This is not XML that can be read: {error}"[:300]) from None
    return root


def _tag(element: Element) -> str:
    """The tag without its namespace."""
    return str(element.tag).rpartition("}")[2]


def _tested(element: Element) -> Tested:
    alone = Element("testcase")  # junitparser knows no namespaces, and looks through all that stands inside
    for child in element:
        SubElement(alone, _tag(child), child.attrib).text = child.text
    results = TestCase.fromelem(alone).result  # type: ignore[no-untyped-call]
    kinds = ((Failure, FAIL), (Error, ERROR), (Skipped, SKIPPED))
    outcome = next((word for kind, word in kinds if any(isinstance(result, kind) for result in results)), PASS)
    said = [result for result in results if not isinstance(result, Skipped) or outcome == SKIPPED]
    texts = [part for result in said for part in (result.message, result.text) if part and part.strip()]
    return Tested(
        name=str(element.get("name") or ""),
        classname=str(element.get("classname") or ""),
        outcome=outcome,
        ms=_milliseconds(element.get("time")),
        output="\n".join(texts)[:MAX_OUTPUT],
    )


def _milliseconds(seconds: str | None) -> float | None:
    try:
        value = float((seconds or "").replace(",", "")) * 1000
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None

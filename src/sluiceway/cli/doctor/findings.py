"""What an examination comes to: sections of findings, each with a name for machines, words for people, and advice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple


class Finding(NamedTuple):
    """One fact. ``value`` is what a program reads, None where it is not to be had here; ``shown`` what people read."""

    name: str
    label: str
    value: Any
    shown: str
    advice: str | None = None


class Section(NamedTuple):
    """Findings of one kind."""

    name: str
    title: str
    findings: Sequence[Finding]


def as_json(sections: Sequence[Section]) -> dict[str, Any]:
    """All of it for machines: each section with its findings by name, and every advice with what it is about."""
    document: dict[str, Any] = {
        section.name: {finding.name: finding.value for finding in section.findings} for section in sections
    }
    document["advice"] = [
        {"about": f"{section.name}.{finding.name}", "text": finding.advice}
        for section in sections
        for finding in section.findings
        if finding.advice is not None
    ]
    return document


def as_lines(sections: Sequence[Section]) -> Iterator[tuple[str, bool]]:
    """All of it for people: lines, and whether each is a heading."""
    width = max(len(finding.label) for section in sections for finding in section.findings)
    for number, section in enumerate(sections):
        if number:
            yield "", False
        yield section.title, True
        for finding in section.findings:
            yield f"  {finding.label:<{width}}  {finding.shown}", False
            if finding.advice is not None:
                yield f"  {'':<{width}}  -> {finding.advice}", False

"""The findings of ``sluiceway doctor``: a name and a value for programs, a text for people, and perhaps advice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple


class Finding(NamedTuple):
    """One fact. ``name`` and ``value`` are for programs, ``label`` and ``shown`` for people."""

    name: str
    label: str
    value: Any
    shown: str
    advice: str | None = None


class Section(NamedTuple):
    """The findings of one kind, with their title."""

    name: str
    title: str
    findings: Sequence[Finding]


def json_document(sections: Sequence[Section]) -> dict[str, Any]:
    """Return the report for programs, as a dict: the sections with their findings by name, and a list of all advice."""
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


def text_lines(sections: Sequence[Section]) -> Iterator[str]:
    """Yield the lines of the report for people, without line ends."""
    width = max(len(finding.label) for section in sections for finding in section.findings)
    for number, section in enumerate(sections):
        if number:
            yield ""
        yield section.title
        for finding in section.findings:
            yield f"  {finding.label:<{width}}  {finding.shown}"
            if finding.advice is not None:
                yield f"  {'':<{width}}  -> {finding.advice}"

"""The list of all studies."""

from __future__ import annotations

from typing import Final

from benchmarks.studies import (
    Study,
    framing,
    growth,
    idle,
    import_time,
    short_records,
    threads,
    tls_held,
    tls_idle,
    write_growth,
)

STUDIES: Final[tuple[Study, ...]] = (
    idle.STUDY,
    tls_idle.STUDY,
    tls_held.STUDY,
    growth.STUDY,
    write_growth.STUDY,
    short_records.STUDY,
    framing.STUDY,
    import_time.STUDY,
    threads.STUDY,
)


def study_named(name: str) -> Study:
    for study in STUDIES:
        if study.name == name:
            return study
    raise KeyError(name)

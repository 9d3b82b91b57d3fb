"""Which core and engine are in use, and the reason if they are not the fastest."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import sluiceway
from sluiceway._config import ENGINE_CHOICE, PURE
from sluiceway._implementation import missing_parts
from sluiceway.cli.doctor.findings import Finding, Section

# Without --no-cache-dir, pip would reuse a pure wheel that it built before a compiler was installed.
_HOW_TO_COMPILE = (
    "install a C compiler and Python's headers (Debian: apt-get install build-essential python3-dev), then: "
    "SLUICEWAY_BUILD=compiled pip install --force-reinstall --no-deps --no-cache-dir . in a checkout of sluiceway"
)


def implementation(
    core: str = sluiceway.IMPLEMENTATION,
    engine: str = sluiceway.ENGINE,
    system: str = sys.platform,
    pure_requested: bool = PURE,
    engine_choice: str = ENGINE_CHOICE,
    missing: Mapping[str, str] = missing_parts,
) -> Section:
    """Return the section about the core and the engine. By default, the arguments are the state of this process."""
    not_compiled = core == "pure" and not pure_requested
    if core == "compiled":
        why_core = None
    elif pure_requested:
        why_core = "selected by SLUICEWAY_PURE"
    elif "core" in missing:
        why_core = f"cannot import the compiled core: {missing['core']}"
    else:
        why_core = "this installation has no compiled files"

    why_engine = advice = None
    if engine == "loop":
        if system != "linux":
            why_engine = "the engine needs Linux"
        elif core == "pure":
            why_engine = "the engine needs the compiled core"
        elif engine_choice == "loop":
            why_engine = "selected by SLUICEWAY_ENGINE=loop"
        else:
            why_engine = f"cannot import the engine: {missing.get('engine', 'it is not compiled')}"
            advice = _HOW_TO_COMPILE
    replaced = sluiceway.is_installed()
    words = "epoll" if engine == "epoll" else "loop, the running loop's own transports"
    return Section(
        "implementation",
        "Implementation",
        [
            Finding(
                "core",
                "core",
                {"in_use": core, "reason": why_core},
                _because(core, why_core),
                _HOW_TO_COMPILE if not_compiled else None,
            ),
            Finding("engine", "engine", {"in_use": engine, "reason": why_engine}, _because(words, why_engine), advice),
            Finding(
                "asyncio_replaced",
                "asyncio replaced",
                replaced,
                "yes, asyncio's stream names refer to sluiceway in this process"
                if replaced
                else "no, not in this process; compare `sluiceway run -m sluiceway doctor`",
            ),
        ],
    )


def _because(what: str, why: str | None) -> str:
    return what if why is None else f"{what} ({why})"

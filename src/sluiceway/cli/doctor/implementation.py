"""Which core and which engine are in use here, and why it is not the faster one where it is not."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import sluiceway
from sluiceway._config import ENGINE_CHOICE, PURE
from sluiceway._implementation import missing_parts
from sluiceway.cli.doctor.findings import Finding, Section

# Without its cache pip would take the pure wheel again that it built when there was no compiler.
_HOW_TO_COMPILE = (
    "install a C compiler and Python's headers (Debian: apt-get install build-essential python3-dev), then: "
    "pip install --force-reinstall --no-deps --no-cache-dir . in a checkout of sluiceway"
)


def implementation(
    core: str = sluiceway.IMPLEMENTATION,
    engine: str = sluiceway.ENGINE,
    system: str = sys.platform,
    pure_requested: bool = PURE,
    engine_choice: str = ENGINE_CHOICE,
    missing: Mapping[str, str] = missing_parts,
) -> Section:
    """The core and the engine. The arguments are those of this process; tests give others."""
    not_compiled = core == "pure" and not pure_requested
    if core == "compiled":
        why_core = None
    elif pure_requested:
        why_core = "SLUICEWAY_PURE asks for it"
    elif "core" in missing:
        why_core = f"the compiled core cannot be used: {missing['core']}"
    else:
        why_core = "nothing was compiled when sluiceway was installed"

    why_engine = advice = None
    if engine == "loop":
        if system != "linux":
            why_engine = "the engine is for Linux"
        elif core == "pure":
            why_engine = "the engine goes with the compiled core"
        elif engine_choice == "loop":
            why_engine = "SLUICEWAY_ENGINE=loop asks for it"
        else:
            why_engine = f"the engine cannot be used: {missing.get('engine', 'it was not compiled')}"
            advice = _HOW_TO_COMPILE
    installed = sluiceway.is_installed()
    words = "sluiceway's own, on epoll" if engine == "epoll" else "none, the running loop's transports"
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
                "installed",
                "installed",
                installed,
                "yes, asyncio's streams are sluiceway's in this process"
                if installed
                else "no, asyncio's streams are its own in this process; install() or `sluiceway run` changes that",
            ),
        ],
    )


def _because(what: str, why: str | None) -> str:
    return what if why is None else f"{what} ({why})"

"""Readable ids for parameters that pytest would only number: ``happy_eyeballs_delay=60``, not ``options1``."""

from typing import Any

MAXIMUM_LENGTH = 60


def pytest_make_parametrize_id(val: Any) -> str | None:
    """Return the id of a dictionary, tuple or list, or None for the id that pytest gives."""
    if isinstance(val, dict):
        text = ",".join(f"{name}={value!r}" for name, value in val.items()) or "none"
    elif isinstance(val, (tuple, list)):
        text = repr(val)
    else:
        return None
    # An address differs between the processes of pytest-xdist, which must find the same ids.
    return text if len(text) <= MAXIMUM_LENGTH and " at 0x" not in text else None

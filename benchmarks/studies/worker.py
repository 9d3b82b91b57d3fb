"""Run the worker program of a study, and return the reading that it prints."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from typing import Final

from benchmarks.measure import FailedError
from benchmarks.studies import Reading

# Seconds for one run of a worker.
PATIENCE: Final = 120


def reading_of(command: list[str], variables: Mapping[str, str]) -> Reading:
    """Run ``command`` with further environment variables, and return the JSON object that it prints.

    Raises:
        FailedError: the worker failed, or did not end within PATIENCE.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, **variables},
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise FailedError(f"it did not end within {PATIENCE} seconds") from None
    if done.returncode != 0:
        raise FailedError(done.stderr.decode(errors="replace").strip()[-2000:])
    found: Reading = json.loads(done.stdout)
    return found

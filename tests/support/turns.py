"""Old name of ``support.scheduling``, for tests/core/ until its imports are renamed."""

from support.scheduling import run_iterations as turns
from support.scheduling import start_task as started

__all__ = ["started", "turns"]

"""The logger of sluiceway: ``logging.getLogger("sluiceway")``."""

from __future__ import annotations

import logging
from typing import Final

logger: Final = logging.getLogger("sluiceway")

"""The logger of penstock: ``logging.getLogger("penstock")``."""

from __future__ import annotations

import logging
from typing import Final

logger: Final = logging.getLogger("penstock")

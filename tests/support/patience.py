"""How long tests wait before they call it a hang, for programs that run slower than usual.

SLUICEWAY_TEST_PATIENCE multiplies every limit: tools/sanitize.py sets it. Nothing is asserted about time, so it changes
no result but that of a hang.
"""

import os

FACTOR = float(os.environ.get("SLUICEWAY_TEST_PATIENCE") or 1)

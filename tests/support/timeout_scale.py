"""The factor by which every timeout of the tests is multiplied, for programs that run slower than usual.

SLUICEWAY_TEST_TIMEOUT_SCALE sets it; tools/sanitize.py does. No test asserts a duration, so the factor changes only
when a hang is reported.
"""

import os

TIMEOUT_SCALE = float(os.environ.get("SLUICEWAY_TEST_TIMEOUT_SCALE") or 1)

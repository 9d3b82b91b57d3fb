"""The seconds after which the tests report a hang.

No test asserts a duration. The timeouts are far longer than anything takes, also on a machine under load.
SLUICEWAY_TEST_TIMEOUT_SCALE multiplies them, for programs that run slower than usual; tools/sanitize.py sets it.
"""

import os

TIMEOUT_SCALE = float(os.environ.get("SLUICEWAY_TEST_TIMEOUT_SCALE") or 1)

# A call of a blocking socket.
PEER_TIMEOUT = 30.0 * TIMEOUT_SCALE

# An async test. Longer than the one above, so that the error of the socket call is reported.
TEST_TIMEOUT = 40.0 * TIMEOUT_SCALE

# A child process, from start to end. Shorter than pytest's own timeout, which ends the whole run.
PROCESS_TIMEOUT = 50.0 * TIMEOUT_SCALE

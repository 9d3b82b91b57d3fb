"""The fixtures and hooks that all tests share. The docstring of each module below says how to use it."""

import hypothesis

# Random examples that differ from run to run would make a red run hard to repeat.
hypothesis.settings.register_profile("sluiceway", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("sluiceway")

pytest_plugins = (
    "pytester",
    "support.implementations",  # before what imports it, or its asserts would not be rewritten
    "support.allocation_hooks",
    "support.async_tests",
    "support.parameter_ids",
    "support.certificates",
    "support.documentation_site",
    "support.pytest_subprocess",
    "support.unix_socket_path",
    "support.raw_peer",
    "support.interactive_programs",
)

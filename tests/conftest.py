"""What every test is given. Each module named here holds one idea and says how it is used."""

import hypothesis

# Random examples that differ from run to run would make a red run hard to repeat.
hypothesis.settings.register_profile("sluiceway", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("sluiceway")

pytest_plugins = (
    "pytester",
    "support.implementations",  # before what imports it, or its asserts would not be rewritten
    "support.async_tests",
    "support.certificates",
    "support.inner_run",
    "support.paths",
    "support.peer",
    "support.talking",
)

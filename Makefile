# Each target creates the virtual environment that it needs, .venv/X.Y, and keeps it until pyproject.toml changes.
#   PYTHON=python3.13   the interpreter; by default the first on PATH that is new enough
#   PYTEST="-x -k tls"  further arguments for pytest
#   QUICK=1             bench measures few contenders in short windows
#   BENCH="--scenario lines-64 --rounds 9"  arguments for the benchmarks
#   COST="--scenario lines-64 --against main"  arguments for cost
#   UPDATE="reason"     cost writes new figures, with this reason
#   RELEASE="--keep dist"  release-check keeps the artefacts in this folder
#   SOAK="--seconds 30 --loop uvloop"   arguments for soak
#   SANITIZE="tests/engine tests/core"  the tests of sanitize; SANITIZER=valgrind selects valgrind
#   AFTER_TEST=1        test-all runs with PYTHON only the tests that `make test` does not run

PYTHON ?= $(shell sh tools/find_python.sh)
PYTEST ?=
# One more than the cores of a small machine, since some tests wait for other processes.
WORKERS ?= 3
BENCH ?=

# An idle worker takes tests from the others: the longest ones are far apart in the list.
workers = -n $(WORKERS) --dist worksteal
environment = test -n "$(PYTHON)" && bin="$$("$(PYTHON)" tools/environment.py

.PHONY: help demo test test-all sanitize soak check docs bench cost release-check venv clean

help:
	@echo "make demo      the demonstration; needs a network only to install"
	@echo "make test      every test on this interpreter, on one kind of event loop"
	@echo "make test-all  every kind of event loop, with every Python from 3.11 on that is found, including pyenv's"
	@echo "make sanitize  most tests of behaviour with memory checks (gcc's sanitizers, or valgrind)"
	@echo "make soak      five minutes at full load with cancellations, resets and slow peers; checks for lost data and leaks"
	@echo "make check     ruff, mypy --strict, stubtest, pyright, the typing tests and the tests of the architecture"
	@echo "make docs      the documentation site, in build/docs"
	@echo "make bench     benchmarks; they take an hour and a half, with QUICK=1 about two minutes"
	@echo "make cost      count instructions and system calls per message with valgrind; fails if one grew by more than 3 %"
	@echo "make release-check  build all artefacts, install each in an empty environment and test it"
	@echo "make venv      create the virtual environment with all extras, and print its path"
	@echo "make clean     remove all generated files"

demo:
	@$(environment) cli)" && "$$bin/sluiceway" demo

test:
	@$(environment) test)" && "$$bin/python" tools/test.py $(workers) $(PYTEST)

test-all:
	@test -n "$(PYTHON)" && "$(PYTHON)" tools/test_all.py $(if $(AFTER_TEST),--after-test) $(workers) $(PYTEST)

sanitize:
	@$(environment) test)" && "$$bin/python" tools/sanitize.py $(workers) $(PYTEST)

soak:
	@$(environment) test)" && "$$bin/python" tools/soak.py $(SOAK)

check:
	@$(environment) check)" && set -x && \
	"$$bin/ruff" check . && \
	"$$bin/ruff" format --check . && \
	"$$bin/mypy" && \
	"$$bin/mypy" --python-version 3.15 && \
	"$$bin/mypy" tests/typing && \
	"$$bin/stubtest" sluiceway --mypy-config-file pyproject.toml --allowlist tests/typing/stubtest-allowed.txt \
		--ignore-disjoint-bases --ignore-unused-allowlist && \
	"$$bin/basedpyright" --pythonpath "$$bin/python" && \
	"$$bin/python" -m pytest tests/architecture

docs:
	@rm -rf build/docs && $(environment) docs)" && "$$bin/python" -m sphinx -W --keep-going --quiet -b html docs build/docs && \
	echo "build/docs/index.html"

bench:
	@test -n "$(PYTHON)" && "$(PYTHON)" tools/bench.py $(if $(filter file,$(origin PYTHON)),,--this) \
		$(if $(QUICK),--quick) $(BENCH)

cost:
	@$(environment) test)" && "$$bin/python" -m benchmarks.cost $(if $(UPDATE),--update --why "$$UPDATE") $(COST)

release-check:
	@$(environment) release)" && "$$bin/python" tools/release_check.py $(RELEASE)

venv:
	@$(environment) check)" && echo "$$bin"

clean:
	rm -rf .venv build benchmarks/.build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache src/*.egg-info
	find src tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

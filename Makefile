# Each recipe can be read and typed by hand. `make setup` runs by itself before everything that needs it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PY := .venv/bin/python
HEADLESS := opencv-python-headless==$(shell sed -n 's/^opencv-python-headless==//p' constraints.txt)

.PHONY: setup demo up test lint faults eval bench clean

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[engines,dev]'
	# Two dependencies bring the OpenCV build that needs a display's libraries; the headless one takes its place.
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall '$(HEADLESS)'
	touch $@

demo: setup
	$(PY) -m services.cli.main demo

up: setup
	$(PY) -m services.cli.main up

# The oldest Cloudglue SDK that is promised, beside the newest one.
build/cloudglue-0.7.19:
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --target $@ cloudglue==0.7.19

test: setup build/cloudglue-0.7.19
	$(PY) -m pytest -q -n 2 --dist loadgroup tests/unit tests/contract tests/acceptance

lint: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

faults: setup
	$(PY) -m pytest -q tests/faults

eval: setup
	$(PY) -m loadtests.eval

bench: setup
	$(PY) -m loadtests.bench

clean:
	rm -rf .venv build loadtests/out

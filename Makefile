# Every target does its own set-up: Python 3.11-3.13 and make are all it takes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready
LIGHT := .venv-light
LIGHT_STAMP := $(LIGHT)/.ready
TFMOT := .venv-tfmot
TFMOT_STAMP := $(TFMOT)/.ready
DEMO := build/demo
EXAMPLE := build/example
# parts of other machines: an arm64 root, qemu, the web's runtimes (docs/devices.md)
export EDGEKIT_DEVICES ?= $(CURDIR)/.devices

.PHONY: help setup demo examples devices android tfmot test fast lint bench clean docs docs-check
.PHONY: site

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(STAMP)  ## make .venv with everything that tests and demo need

# torch first and from its CPU build: another package's range would fetch gigabytes for GPUs
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $(STAMP)

# what a CI job or an app's build machine installs: no torch; a test proves that it is enough
$(LIGHT_STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(LIGHT)
	$(LIGHT)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(LIGHT)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt '.[onnx,tflite]'
	touch $(LIGHT_STAMP)

# tensorflow-model-optimization wants an absl-py of long ago, and with it an older numpy
$(TFMOT_STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv --clear $(TFMOT)
	grep -vE '^(absl-py|numpy|ml_dtypes|scipy)==' constraints.txt > $(TFMOT)/constraints.txt
	$(TFMOT)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(TFMOT)/bin/python -m pip install --quiet --disable-pip-version-check \
		-c $(TFMOT)/constraints.txt -e '.[tfmot]'
	touch $(TFMOT_STAMP)

tfmot: $(TFMOT_STAMP)  ## make .venv-tfmot, in which tests train and export pruned models

demo: $(STAMP)  ## export all-MiniLM-L6-v2 to both targets in three recipes, into build/demo
	$(BIN)/edgekit export demo -o $(DEMO) --recipe fp32 --recipe fp16 --recipe w8c_a8 --force

examples: $(STAMP)  ## fine-tune a classifier, export Trainer's folder, validate, evaluate, use it
	HF_HUB_OFFLINE=1 $(BIN)/python examples/fine_tune_and_ship.py $(EXAMPLE)
	HF_HUB_OFFLINE=1 $(BIN)/edgekit evaluate $(EXAMPLE)/out --data examples/tickets-test.tsv \
		--reference $(EXAMPLE)/run

devices: $(STAMP)  ## set up what other CPU families need, without root (apt-get, pip, npm; 400 MB)
	$(BIN)/edgekit doctor --install arm,x86,wasm

android: $(STAMP)  ## android_demo: JVM tests, type check of the app, an APK of the demo's bundles
	@[ -f $(DEMO)/edgekit.json ] || $(MAKE) demo
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/android
	$(BIN)/edgekit bundle $(DEMO) --target onnx --recipe w8c_a8 -o build/android/model-onnx --force
	$(BIN)/edgekit bundle $(DEMO) --target tflite --recipe w8c_a8 -o build/android/model-tflite --force
	$(BIN)/python android_demo/build_apk.py build/android/model-onnx build/android/model-tflite \
		-o build/android/models.apk

# a worker per core and one thread in each; a file's tests share its fixtures, so they stay together
test: $(STAMP) $(LIGHT_STAMP) $(TFMOT_STAMP)  ## all tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

fast: $(STAMP)  ## the tests that need no exporter, under a minute
	$(BIN)/python -m pytest -m "not heavy"

lint: $(STAMP)  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@# converters/ is edgekit.converters: mypy gets a tree of links in which it lies there
	@rm -rf build/typecheck && mkdir -p build/typecheck/edgekit
	@ln -s $(CURDIR)/edgekit/* build/typecheck/edgekit/
	@ln -s $(CURDIR)/converters build/typecheck/edgekit/converters
	cd build/typecheck && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml

bench: $(STAMP)  ## the committed measurements again: quality, speed, conversion (needs build/demo)
	$(BIN)/python benchmarks/run_all.py

docs: $(STAMP)  ## write measured tables and the command reference into README.md and docs/
	$(BIN)/python benchmarks/readme.py

docs-check: $(STAMP)  ## fail when they differ from code and committed measurements
	$(BIN)/python benchmarks/readme.py --check

site: $(STAMP)  ## build docs/ as a site, into build/site
	$(BIN)/python -m mkdocs build --strict

clean:  ## remove what the targets made, the environment too
	rm -rf build dist *.egg-info $(VENV) $(LIGHT) $(TFMOT) .devices

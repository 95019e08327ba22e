# The commands people remember. `make run` and `make test` set up what they need.
VENV := .venv
BIN := $(VENV)/bin
SAMPLE := sample/photos
PEOPLE := sample/people
BENCH := benchmarks/.venv
BENCHMARKS := starting evaluating identifying searching mining networks collecting growth
.DEFAULT_GOAL := help
.PHONY: help setup run people pi test test-long pi-check pi-wheels fuzz kill soak bench check lint compile images lock clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 18

setup:  ## a virtual environment from the hash-locked requirements, of the newest Python that suits, or PYTHON=python3.12
	@sh venv.sh $(VENV) $(PYTHON)
	@$(MAKE) --silent $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml
	rm -f $@
	echo "Installing into $(VENV): two minutes, the first time."
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

run: setup  ## sample photos, the whole pipeline, a summary
	@$(BIN)/facenet sample --output $(SAMPLE) --identities 240 --photos 6 --seed 0
	@$(BIN)/facenet run --input $(SAMPLE) --recipe laptop

people: setup  ## real photos, DATA="FOLDER ..." of people each: the recipe `faces`, 20 minutes of training
	@test -n "$(DATA)" || { echo 'Say where the photos are: make people DATA="lfw celeba" (folders of people, a folder each).'; exit 2; }
	@rm -rf $(PEOPLE) && mkdir -p $(PEOPLE)
	@set -e; number=0; for folder in $(abspath $(DATA)); do number=$$((number + 1)); for person in "$$folder"/*/; do \
		name=$(PEOPLE)/$$(basename "$$person"); mkdir -p "$$name"; cp -rs "$$person" "$$name/$$number"; \
	done; done
	@$(BIN)/facenet run --input $(PEOPLE) --recipe faces

# What is installed by `make setup` has it all. The system's own Python, any from 3.11 on; its packages stay in sight,
# because the camera's of Raspberry Pi OS are nowhere else.
pi:  ## on a Raspberry Pi: what verify needs, without TensorFlow; ENROLL=FOLDER puts its people into gallery.db
	@test -e $(VENV)/.ready || $(MAKE) --silent $(VENV)/.pi
	$(if $(ENROLL),@$(BIN)/python -m components.verify enroll $(ENROLL))

$(VENV)/.pi: docker/verify/requirements.lock
	python3 -m venv --clear --system-site-packages $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r $<
	$(BIN)/python docker/slim.py $(VENV)/lib/python3*/site-packages
	touch $@

# The tests start hundreds of processes, and each would compile the sources anew.
PYTEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses 2 --dist loadfile
test: setup lint  ## lint, types and tests
	$(PYTEST) -m "not long and not kill"

test-long: setup  ## the tests that take minutes: several workers, whole networks, compose
	$(PYTEST) -m long

pi-check: setup  ## verify's commands in Debian 13 for ARM, emulated, on the newest run's best file or MODEL=FILE; as root; minutes
	$(BIN)/python -m tests.pi.check $(if $(MODEL),--model $(MODEL)) $(if $(DEBIAN),--debian $(DEBIAN))

pi-wheels: setup  ## whether the images' packages are there for ARM, and load with a Raspberry Pi 5's memory pages; 0.7 GB of network
	$(BIN)/python -m tests.pi.wheels

INPUTS ?= 1000000
FUZZ ?= 30
fuzz: setup  ## INPUTS damaged files of every kind that is read, then guided FUZZ seconds each, made from the latest run's results
	$(BIN)/python -m tests.fuzz runs/latest --heavy --inputs $(INPUTS) --cases 60000 --seconds 10 --workers 2 --seed $(shell date +%s)
	$(BIN)/python -m tests.fuzz.guided runs/latest --seconds $(FUZZ)

bench:  ## ours and its peers side by side, PHOTOS=FOLDER for real ones; 20 minutes
	@sh venv.sh $(BENCH) $(PYTHON)
	@$(MAKE) --silent $(BENCH)/.ready
	set -e; for one in $(BENCHMARKS); do $(BENCH)/bin/python -m benchmarks.$$one; done
	$(BENCH)/bin/python -m benchmarks.extracting $(if $(PHOTOS),--photos $(PHOTOS))
	$(BENCH)/bin/python -m benchmarks.training $(if $(PHOTOS),--photos $(PHOTOS))

# Which build of PyTorch is right the machine decides, and so pip's own settings: it is not in the lock.
$(BENCH)/.ready: benchmarks/requirements.lock
	rm -f $@
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $<
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check torch
	touch $@

kill: setup  ## every command that writes killed before each of its file operations, and whether what is left is whole
	$(PYTEST) tests/kills

MINUTES ?= 60
soak: setup  ## small work for MINUTES, on the latest run's network: memory, open and temporary files must not grow
	$(BIN)/python -m tests.soak runs/latest --minutes $(MINUTES)

check: setup compile lint  ## after a change: compile, lint, and the rules of tests/contract
	$(PYTEST) tests/contract -m "not long"

lint: setup  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

compile: setup  ## pipelines/facenet.py -> pipeline.yaml
	$(BIN)/facenet compile

images: setup  ## the components' images, those that are not built yet (needs Docker)
	$(BIN)/facenet images

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
IMAGE_LOCK := $(LOCK) --no-annotate --constraint requirements.lock pyproject.toml
ON_CPU := docker/cpu.in --override docker/cpu.txt
# An image's packages are the extra of its name: with components/model, TensorFlow without its GPU kernels.
define lock_image
	@mkdir -p docker/$(1)
	$(IMAGE_LOCK) $(if $(filter $(1),mine-and-train embed export),$(ON_CPU)) --extra $(1) \
		$(if $(filter $(1),extract embed mine-and-train export verify serve),--extra alignment) \
		$(if $(filter $(1),extract verify serve),--extra blazeface) --output-file docker/$(1)/requirements.lock

endef
ONE := $(notdir $(patsubst %/,%,$(wildcard docker/*/)))
lock: setup  ## resolve pyproject.toml again into requirements.lock, and into the images' locks; ONE=extract: that image's alone
ifneq ($(origin ONE),command line)
	$(LOCK) --extra dev pyproject.toml --output-file requirements.lock
	$(IMAGE_LOCK) benchmarks/requirements.in --override benchmarks/override.txt --extra all --output-file benchmarks/requirements.lock
endif
	$(foreach image,$(ONE),$(call lock_image,$(image)))
ifneq ($(filter embed,$(ONE)),)
	$(IMAGE_LOCK) --extra litert --extra page --extra manifests --output-file docker/embed/requirements-litert.lock
endif
ifneq ($(filter mine-and-train,$(ONE)),)
	$(IMAGE_LOCK) docker/gpu.in --override docker/gpu.txt --extra mine-and-train --extra alignment --output-file docker/mine-and-train/requirements-gpu.lock
endif

clean:  ## remove what was generated: environment, sample, runs
	rm -rf $(VENV) sample runs

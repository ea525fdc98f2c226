# The only task runner; CI calls `make test` and nothing else.
# A machine needs Linux on x86-64, Rust 1.94, a C compiler, Python 3.11 with venv, and make.
# Everything else goes into .local/.

PORT ?= 4566
STORY_PORT ?= 4576
# What the last guided deployment saved, if there was one.
SAVED_ARCH = $(shell sed -nE '/^\[default\.deploy\.parameters]/,/^\[/s/^parameter_overrides *=.*Architecture=[\\"]*([a-z0-9_]+).*/\1/p' samconfig.toml)
ARCH ?= $(or $(SAVED_ARCH),x86_64)
SIZES ?= auto
ENGINE ?= run
SEEDS ?= 100000
FROM ?= 0
N ?= 50
SEED ?= 1
RUNS ?= 100000

FUNCTIONS := upload ingest plan transcode assemble manage retry notify

VENV := .local/venv
PY := $(VENV)/bin/python
CHECKOV := .local/checkov/bin/checkov
TOOLS := .local/tools.stamp
export PATH := $(CURDIR)/$(VENV)/bin:$(CURDIR)/.local/bin:$(PATH)
export SAM_CLI_TELEMETRY := 0
# A region for sam's checks. What speaks to AWS takes the user's own, and never the local engine's
# address and credentials, which an `eval` of `engine.py env --export` leaves in the shell.
ifeq ($(filter deploy redrive,$(MAKECMDGOALS)),)
export AWS_DEFAULT_REGION ?= us-east-1
else ifneq ($(filter deploy,$(MAKECMDGOALS))$(STACK),)
ifeq ($(AWS_ACCESS_KEY_ID),localdev)
$(error this shell speaks to the local engine: use another)
endif
unexport AWS_ENDPOINT_URL
endif
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONDONTWRITEBYTECODE := 1

.DEFAULT_GOAL := help
.PHONY: help setup build up run story stop test sim soak model fuzz mutants lint bench replay redrive tickets logs deploy clean

help: ## this list
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

setup: $(TOOLS) ## pinned tools into .local/ (done by the others when needed)

# Again only when a pin changes.
$(TOOLS): local/requirements.txt local/requirements-checkov.txt layer/requirements.txt
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	@cargo --version >/dev/null
	test -x $(PY) || python3 -m venv $(VENV)
	$(PY) -m pip install --quiet --no-deps -r local/requirements.txt
	$(PY) -m pip install --quiet --no-deps --require-hashes -r layer/requirements.txt
	test -x .local/checkov/bin/python || python3 -m venv .local/checkov
	.local/checkov/bin/python -m pip install --quiet --no-deps -r local/requirements-checkov.txt
	mkdir -p .local/bin
	ln -sf "$$($(PY) -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')" .local/bin/ffmpeg
	@touch $@

# The functions of template.yaml and nothing else. `sam build` asks cargo-lambda for each by
# its binary's name, from the root; asked once for all of them beforehand, the same way, cargo
# shows its progress, and nothing is compiled twice.
build: setup ## the functions as `sam build` makes them, dev profile, for the local engine
	cargo lambda build --compiler cargo $(addprefix --bin ,$(FUNCTIONS))
	@$(PY) local/engine.py build

up: build ## the engine on 127.0.0.1:PORT, deployed to with `sam deploy`
	@$(PY) local/engine.py start --port $(PORT)
	@$(PY) local/engine.py deploy --quiet

run: up ## upload FILE (or a sample) in SIZES and watch it become a stream
	@$(PY) local/run.py --sizes $(SIZES) $(if $(FILE),--file "$(FILE)")

# On an engine of its own, with short deadlines; it is gone afterwards.
story: build ## an upload breaks off, says so and goes on: the events as they happen
	@$(PY) local/engine.py start --name story --port $(STORY_PORT)
	@status=0; { $(PY) local/engine.py deploy --name story --stage test --quiet && $(PY) local/story.py; } || status=$$?; \
	    $(PY) local/engine.py stop --name story --wipe; exit $$status

stop: ## end the engine and forget its state
	@test ! -x $(PY) || $(PY) local/engine.py stop --wipe

test: setup lint build ## everything
	@status=0; cargo test --workspace || status=$$?; \
	    for name in e2e e2e-bare; do $(PY) local/engine.py stop --name $$name --wipe; done; exit $$status

# Optimised as far as it goes, without the AWS SDK; a seed tells the same in any build. SEED=n
# shows one with its trace.
sim: setup ## SEEDS schedules of the simulator from seed FROM on
	@cargo run --quiet --profile sim -p cattube-sim -- $(if $(filter-out file,$(origin SEED)),--seed $(SEED),--from $(FROM) --count $(SEEDS))

soak: build ## N uploads while one worker in ten is killed, each accounted for; SEED
	@$(PY) local/soak.py --count $(N) --seed $(SEED)

model: setup ## every state of the model of the join, and how many there are
	cargo test --quiet --package cattube-tests --test cattube model:: -- --nocapture

fuzz: setup ## RUNS fuzzed inputs for every reader of outside bytes; TARGET=… RUN=… plays one again
	@FUZZ_RUNS=$(RUNS) FUZZ_TARGET=$(TARGET) FUZZ_RUN=$(RUN) \
	    cargo test --quiet --package cattube-tests --test fuzz -- --nocapture

# Hours on two cores for all of them. A mutant may loop and take memory for ever, so both are
# bounded. Exits well when some are missed: the list is what it is for.
mutants: .local/bin/cargo-mutants ## change crates/core in every way: does a test fail? SHARD=3/32 for a sample
	@ulimit -v 12000000; nice cargo mutants --package cattube-core --profile mutants --output .local \
	    $(if $(SHARD),--shard $(SHARD) --sharding round-robin --no-shuffle) || test $$? -le 3

.local/bin/cargo-mutants:
	cargo install --quiet --locked --root .local --version 27.1.0 cargo-mutants

lint: setup ## formats, lints, template
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings
	sam validate --lint
	cfn-lint template.yaml
	@$(PY) local/transform.py >.local/transformed.json
	$(CHECKOV) --config-file .checkov.yaml --file .local/transformed.json

# Builds the functions for release, as for AWS, into a folder of their own. To have MediaConvert's
# price beside ours: MEDIACONVERT=4K,HD,SD, its rates in dollars a minute.
bench: setup ## what it costs and how fast it is (ten minutes on an idle machine, and a release build)
	@PATH="$(CURDIR)/.local/bin:$$PATH" cargo run --quiet --bin cattube-bench -- $(if $(MEDIACONVERT),--mediaconvert $(MEDIACONVERT))

replay: setup ## send the sample E=events/<function>/<file>.json into the running engine
	@$(PY) local/replay.py "$(E)" --name $(ENGINE)

tickets: setup ## list what only a person can decide (ALL=1 also what is over); T=tkt_… A=retry answers
	@$(PY) local/tickets.py --name $(ENGINE) $(if $(ALL),--all) $(if $(T),--ticket "$(T)") $(if $(A),--answer "$(A)")

redrive: setup ## list the messages that nobody could handle; Q=assemble sends a queue's back; STACK on AWS
	@$(PY) local/redrive.py $(if $(STACK),--stack "$(STACK)",--name $(ENGINE)) $(if $(Q),--queue "$(Q)")

logs: setup ## what the functions logged; F=transcode for one, FOLLOW=1 to go on
	@$(PY) local/logs.py $(if $(F),--function $(F)) $(if $(FOLLOW),--follow)

# The answers are saved in samconfig.toml and offered the next time, but none of them if the command
# line has --parameter-overrides: it is there only as long as nothing is saved.
deploy: setup ## to AWS, guided; ARCH=arm64 for Graviton, the first time
	@test "$(or $(SAVED_ARCH),$(ARCH))" = "$(ARCH)" || { \
	    echo "ARCH=$(ARCH), but $(SAVED_ARCH) is saved: change Architecture in samconfig.toml" >&2; exit 1; }
	ARCH=$(ARCH) PYTHON=$(abspath $(PY)) sam build --parameter-overrides Architecture=$(ARCH)
	sam deploy --guided $(if $(SAVED_ARCH),,--parameter-overrides Architecture=$(ARCH))

clean: stop ## also remove what was built and installed
	rm -rf .aws-sam .local target

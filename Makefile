# make demo   installs what it needs, then runs the pipeline on the embedded model; no key needed
# make test   installs what the tests need, then runs lint, types and tests
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STUDIO := .venv-studio
INSPECT := .venv-inspect
VERIFIERS := .venv-verifiers
SERVERS := .venv-servers
INSTALL := pip install -qq --disable-pip-version-check
# Takes no file whose hash is not in the lock; `python locks/relock.py` writes locks.
LOCKED := $(INSTALL) --no-deps --require-hashes -r
# Another model for the demo: make demo DEMO_MODEL=openai:gpt-4o-mini, or local:FILE.gguf
DEMO_MODEL ?=
DEMO   := --config examples/demo.toml $(if $(DEMO_MODEL),--model '$(DEMO_MODEL)')
RUN    := runs/demo
EXAMPLE := runs/example
# Wishes that a model of 135M parameters keeps now and then, so that there is something to prefer.
WISHES := question,exclamation,numbers,contractions,sentences,hedging

.PHONY: demo test lint types tests clean
.DELETE_ON_ERROR:

demo: $(VENV)/.program
	@echo; echo "A model before and after training, with a user that training never met (recorded):"; echo
	@$(BIN)/aloe example $(EXAMPLE) --no-next
	@echo; echo "Now live: three users, two assistants, the built-in model."; echo
	$(BIN)/aloe personas verifiable --count 3 --wishes 4 --about $(WISHES) --seed 7 --out $(RUN)/personas.jsonl
	$(BIN)/aloe simulate $(DEMO) --personas $(RUN)/personas.jsonl --out $(RUN)
	$(BIN)/aloe export $(RUN) --format sft --out $(RUN)/datasets/sft.jsonl
	$(BIN)/aloe export $(RUN) --format dpo --out $(RUN)/datasets/dpo.jsonl
	@echo; echo "Made: trees in $(RUN), rows to train on in $(RUN)/datasets. The clearest preference:"; echo
	@$(BIN)/aloe trace $(RUN) --highlight
	@echo; echo "Next:"
	@echo "  $(BIN)/aloe trace $(RUN) --first   the whole conversation as a tree"
	@echo "  $(BIN)/aloe view runs --open          these runs and the recorded one in a browser"
	@echo "  $(BIN)/aloe chat                      be the user yourself"

test: lint types tests

lint: $(VENV)/.tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.tests
	$(BIN)/mypy

tests: $(VENV)/.tests $(STUDIO)/.done $(INSPECT)/.done $(VERIFIERS)/.done $(SERVERS)/.done $(VENV)/.browser
	$(BIN)/pytest --numprocesses logical --maxprocesses 4 --dist loadfile

# Shows which lines no test runs; slower than the tests alone.
.PHONY: coverage
coverage: $(VENV)/.tests $(STUDIO)/.done $(INSPECT)/.done $(VERIFIERS)/.done $(SERVERS)/.done
	$(BIN)/pytest --cov --cov-report=term

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "aloe needs Python 3.11 or newer; try: make PYTHON=python3.12"; exit 2; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.program: pyproject.toml locks/program.txt | $(BIN)/python
	@echo "installing aloe into $(VENV) (about two minutes, once)"
	$(BIN)/$(LOCKED) locks/program.txt
	$(BIN)/$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

# torch has the version of the lock and no hash: a CPU build and PyPI's build for CUDA differ in it.
$(VENV)/.tests: $(VENV)/.program locks/tests.txt constraints.txt
	@echo "installing what the tests need, torch included (some minutes, once)"
	$(BIN)/$(LOCKED) locks/tests.txt
	$(BIN)/$(INSTALL) -c constraints.txt torch
	@touch $@

.PHONY: studio
studio: $(STUDIO)/.done
	LANGGRAPH_CLI_NO_ANALYTICS=1 $(STUDIO)/bin/langgraph dev --no-browser --no-reload

.PHONY: inspect
inspect: $(INSPECT)/.done

# The server of `langgraph dev` needs an older protobuf than we do, Inspect an older fsspec, verifiers
# an older openai, and LiteLLM an older python-dateutil; of the many packages in its extra `proxy` the constraints hold
# those it does not start without. FastAPI serves `transformers serve` as well. Such an environment holds only
# what differs; the rest is found in $(VENV).
.venv-%/.done: locks/%.txt | $(VENV)/.tests
	@echo "installing into .venv-$* (half a minute, once)"
	$(BIN)/python -m venv --clear .venv-$*
	.venv-$*/bin/python -c 'import sys, sysconfig; print("import site; site.addsitedir(%r)" % sys.argv[1], \
	  file=open(sysconfig.get_path("purelib") + "/borrowed.pth", "w"))' \
	  "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	.venv-$*/bin/$(LOCKED) $<
	@touch $@

# A browser for the tests of HTML pages, which are skipped where it is not there and cannot be installed.
BROWSER := command -v chromium || command -v chromium-browser
CHROMIUM := apt-get install -qq -y --no-install-recommends chromium
$(VENV)/.browser: | $(BIN)/python
	@if ! { $(BROWSER); } >/dev/null && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing chromium with apt-get (a minute, once)"; \
	  { $(CHROMIUM) || { apt-get update -qq && $(CHROMIUM); }; } >$@.log 2>&1 || tail -n 3 $@.log; \
	fi
	@if { $(BROWSER); } >/dev/null; then touch $@; else echo "no chromium: tests of pages are skipped"; fi

clean:
	rm -rf $(VENV) $(STUDIO) $(INSPECT) $(VERIFIERS) $(SERVERS) runs site build dist *.egg-info

.PHONY: bench-training
bench-training: $(VENV)/.tests
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.performance.training

# On a GPU, after replacing the environment's CPU build of torch with one for CUDA.
.PHONY: bench-training-gpu
bench-training-gpu: $(VENV)/.tests
	$(BIN)/python -m tests.performance.training_gpu --device cuda --out runs/bench-training-gpu.jsonl --write

.PHONY: bench-personas
bench-personas: $(VENV)/.program
	$(BIN)/python -m tests.performance.personas

.PHONY: bench-simulate
bench-simulate: $(VENV)/.program
	$(BIN)/python -m tests.performance.simulate

.PHONY: bench-cost
bench-cost: $(VENV)/.program
	$(BIN)/python -m tests.performance.cost

.PHONY: bench-bench
bench-bench: $(VENV)/.program
	$(BIN)/python -m tests.performance.bench

.PHONY: bench-cli
bench-cli: $(VENV)/.program
	$(BIN)/python -m tests.performance.cli

# The pictures of the documentation: of the example, of a live run, and of a scripted chat.
.PHONY: pictures
pictures: $(VENV)/.program
	$(BIN)/python docs/take_pictures.py

# The documentation site: site/index.html opens from disk and loads nothing from the network.
# Only its search needs a server: .venv/bin/mkdocs serve.
$(VENV)/.docs: $(VENV)/.program locks/docs.txt
	$(BIN)/$(LOCKED) locks/docs.txt
	@touch $@

.PHONY: docs
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The README's claim, tested from end to end: docs/proof.md. Stop it at any time; rerun to resume.
.PHONY: proof proof-gpu proof-quick ablations
proof: $(VENV)/.tests
	$(BIN)/aloe experiment --config examples/proof.toml --out runs/proof --report docs/results/two-cores.md

# On a GPU, after replacing the environment's CPU build of torch with one for CUDA. Writes
# runs/proof-gpu/results.md with a page per seed; docs/results/gpu.md is that page alone.
proof-gpu: $(VENV)/.tests
	$(BIN)/aloe experiment --seeds 3 --config examples/proof-gpu.toml --out runs/proof-gpu

proof-quick: $(VENV)/.tests
	$(BIN)/aloe experiment --quick --config examples/proof-quick.toml --out runs/proof-quick

# Whether a model learns to ask what its user does not say: docs/asking.md. Stop it at any time.
.PHONY: experiment-ask
experiment-ask: $(VENV)/.tests
	$(BIN)/aloe experiment --config examples/ask.toml --out runs/ask --report docs/results/ask.md

# All of them with 200 trees, without the test.
ablations: $(VENV)/.tests
	$(BIN)/aloe experiment --no-test --ablation all --config examples/proof-ablations.toml \
	  --out runs/proof-ablations --report docs/results/held-out-ablations.md

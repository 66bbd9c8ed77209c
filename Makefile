# The short commands. All work is done by ./setup, CMake (CMakePresets.json) and ctest.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -ec
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := build
.PHONY: help setup build demo test test-unit test-long bench check format format-check tidy sanitize fuzz clean

FUZZ_SECONDS ?= 20

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

build: setup build/release/build.ninja ## build/release/eider (with all set-up; what plain `make` does)
	@cmake --build --preset release --target eider

demo: build ## a throwaway PostgreSQL under pgbench, and its changes arriving in a DuckLake
	@build/release/eider demo

test: everything ## all tests but the long ones
	@ctest --preset release --label-exclude long

test-unit: everything ## the tests without a server, seconds
	@ctest --preset release --label-regex unit

test-long: everything ## the long ones: kill -9 under load, thousands of random steps
	@ctest --preset release --label-regex long

bench: build ## eider and the baseline side by side, a table with ratios
	@bench/run

check: format-check tidy test ## what must hold before a commit: format, clang-tidy, build, tests

format: setup ## format the sources
	@$(sources) | xargs -r clang-format-14 -i

sanitize: build/asan-ubsan/build.ninja build/tsan/build.ninja ## unit tests under the address, undefined and thread sanitizers
	@cmake --build --preset asan-ubsan && ctest --preset asan-ubsan
	@cmake --build --preset tsan && $(without_aslr) ctest --preset tsan

fuzz: build/fuzz/build.ninja ## each fuzz target for FUZZ_SECONDS (20)
	@cmake --preset fuzz -DEIDER_FUZZ_SECONDS=$(FUZZ_SECONDS) >/dev/null
	@cmake --build --preset fuzz && ctest --preset fuzz

clean: ## remove all that was built; .deps stays
	rm -rf build

# --- what the targets above are made of ---

sources = git ls-files --cached --others --exclude-standard -- '*.cpp' '*.h' | xargs -r ls -d 2>/dev/null

# clang 14's thread sanitizer cannot run where the kernel randomizes addresses more than it knows.
without_aslr := $(shell setarch -R true 2>/dev/null && echo setarch -R)

.PHONY: everything
everything: setup build/release/build.ninja
	@cmake --build --preset release

format-check: setup
	@$(sources) | xargs -r clang-format-14 --dry-run --Werror

tidy: setup build/release/build.ninja
	@cmake --build --preset release
	@run-clang-tidy-14 -quiet -p build/release -extra-arg=-Wno-unknown-warning-option \
		"$(CURDIR)/(src|fuzz)/.*\.cpp$$" 2>&1 | grep -v 'warnings generated'

setup: ## packages and libraries; does nothing when they are there
	@./setup

# Configures once, and again when ./setup changed something. The environment's DUCKDB_ROOT and
# EIDER_EXTENSION_DIR are handed on, so that they hold for later builds too.
.deps/stamp: | setup ;
build/%/build.ninja: .deps/stamp CMakePresets.json | setup
	@cmake --preset $* -DDUCKDB_ROOT="$(DUCKDB_ROOT)" -DEIDER_EXTENSION_DIR="$(EIDER_EXTENSION_DIR)"
	@touch $@

# Only forwards: CMake builds, scripts do the rest. `make help` lists what there is.

BUILD ?= build
RECIPE ?= recipes/demo.yaml
EXECUTOR ?= local
PREFIX ?= /usr/local
SUBJECT ?=
LONG ?=
CMAKE_FLAGS ?=
export QUERN_CHECK_BUILD ?= $(BUILD)-check

.PHONY: help setup build demo check check-long check-peers check-gpu bench format tidy install clean \
        stage-1 stage-2 stage-3 stage-4 stage-5 stage-6

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## make setup        install the packages that are missing
setup:
	@base/setup

## make build        everything, into BUILD=build
build:
	@base/setup --build "$(BUILD)" $(CMAKE_FLAGS)

## make demo         set-up, build, the whole pipeline on real text, the report
demo: setup
	@base/setup --build "$(BUILD)" --quiet $(CMAKE_FLAGS)
	@recipes/demo "$(BUILD)"

## make stage-N      one stage (1 to 6) of RECIPE=recipes/demo.yaml, with EXECUTOR=local
stage-1 stage-2 stage-3 stage-4 stage-5 stage-6: setup
	@base/setup --build "$(BUILD)" --quiet $(CMAKE_FLAGS)
	@"$(BUILD)/bin/quern" run "$(RECIPE)" --stages $(@:stage-%=%) --executor $(EXECUTOR)

## make check        set-up, build with warnings as errors, the tests of every day
check: setup
	@tests/run

## make check-long   fuzzing, kills, sanitizers: long
check-long: setup
	@tests/run --long

## make check-peers  comparisons with public tools, in an environment of their own (or QUERN_PEERS); LONG=1 for the whole evidence
check-peers: setup
	@QUERN_PEERS_LONG="$(LONG)" tests/run --peers

## make check-gpu    everything about this machine's GPU, right and fast, in nine minutes, into bench/results/gpu/
check-gpu:
	@QUERN_BUILD="$(BUILD)" bench/gpu/run

## make bench        the measured rates of every stage, into bench/results/
bench: setup
	@base/setup --build "$(BUILD)" --quiet $(CMAKE_FLAGS)
	@QUERN_BUILD="$(BUILD)" bench/run $(SUBJECT)

## make format       clang-format over the tree
format:
	@git ls-files -z '*.c' '*.h' '*.cc' '*.cu' '*.cuh' | xargs -0 clang-format -i

## make tidy         clang-tidy over the tree
tidy: build
	@git ls-files '*.c' | grep -v '^tests/' | xargs clang-tidy --quiet -p "$(BUILD)"

## make install      into PREFIX=/usr/local
install: build
	@cmake --install "$(BUILD)" --prefix "$(PREFIX)"

clean:
	@cmake -E rm -rf "$(BUILD)"

# Targets for people; .ci/run strings the checks together. Everything made here lands in build/.

GO   ?= go
TIME ?= 1m
DATA ?=
ANN  ?=

.PHONY: help build demo picture test lint setup setup-cuda bench bench-ann fuzz flickr clean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

build: ## the three commands, in build/bin
	@mkdir -p build/bin
	$(GO) build -o build/bin/ ./cmd/...

demo: setup ## train on generated scenes, index, evaluate and search; leaves build/demo
	@scripts/demo

picture: setup ## take the picture of the search page in docs again, of build/demo
	@scripts/picture

test: setup ## fetch ONNX Runtime if needed and run every test
	$(GO) test ./...

lint: ## gofmt, go vet and staticcheck
	@scripts/lint

setup: ## fetch ONNX Runtime into the user's cache folder (once)
	@$(GO) run ./scripts/setup

setup-cuda: ## fetch ONNX Runtime's CUDA provider too (linux/amd64)
	@$(GO) run ./scripts/setup -cuda

bench: setup ## measure, print a table and leave build/bench.json
	@scripts/bench

bench-ann: ## curves of searches in cells beside faiss and usearch: make bench-ann ANN='-n 1000000 -dim 768'
	@internal/bench/compare/ann/run $(ANN)

fuzz: ## fuzz every fuzz target for TIME each: make fuzz TIME=1m
	@scripts/fuzz $(TIME)

flickr: setup ## the training recipe on a Flickr8k-like folder: make flickr DATA=DIR
	@scripts/flickr "$(DATA)"

clean: ## remove build/
	rm -rf build

# satchel: `make help` lists what can be made.

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
FUZZTIME ?= 1m

# Modules of tests alone: what they require is no part of satchel's own module.
TESTMODULES = manifests/nodetest transport/matrixtest
# The linters' own module pins their versions.
LINT = scripts/lint
# Packages under the race detector in CI, and the tests of theirs that it leaves out.
RACESKIP = ^Test($(shell grep -v '^\#' scripts/notraced | paste -sd '|'))$$
RACED ?= ./oci ./transport ./bundle ./bundle/internal/journal

.DEFAULT_GOAL := help

# Collecting garbage less often halves the CPU time of the linters, and takes a fifth off
# that of the tests. satchel keeps to its own limit of memory all the same.
lint race test: export GOGC = 400

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/satchel, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.release=$(VERSION)' -o bin/satchel ./cmd/satchel

.PHONY: demo
demo: ## the whole way, on this machine alone: pack, SIGKILL, resume, verify, unpack
	$(GO) run ./scripts/demo

.PHONY: deps
deps: ## install what the tests need (as root), or say what is missing
	./scripts/deps.sh

# What go test has go vet look at, make lint looks at too.
.PHONY: test
test: deps ## all tests of CI
	@for m in $(TESTMODULES); do (set -x; $(GO) -C $$m test -vet=off ./...) || exit 1; done
	$(GO) test -vet=off -timeout 30m ./...

.PHONY: times
times: deps ## all tests again, and where their time is spent
	$(GO) test -count=1 -timeout 20m -json ./... | $(GO) run ./scripts/testtime -n 20

.PHONY: soak
soak: deps ## the full counts: takes long
	CGO_ENABLED=0 $(GO) build -C transport/matrixtest/zot -tags containers_image_openpgp -o ../../../bin/zot zotregistry.io/zot/cmd/zot
	SATCHEL_ZOT=$(CURDIR)/bin/zot $(GO) -C transport/matrixtest test -count=1 -v .
	$(MAKE) race RACED='./cmd/satchel/internal/serve ./cmd/satchel/internal/check'
	SATCHEL_SOAK=1 $(GO) test -count=1 -timeout 6h ./bundle/... ./cmd/... ./manifests/internal/... ./scripts

.PHONY: race
race: deps ## oci, transport and bundle with the race detector
	@if command -v gcc >/dev/null; then set -x; CGO_ENABLED=1 $(GO) test -race -vet=off -timeout 15m -skip '$(RACESKIP)' $(RACED); \
	else echo "race: gcc is missing: nothing was run with the race detector" >&2; fi

.PHONY: bench
bench: ## memory, bytes and speed of pack and unpack with an 8 GiB layer
	$(GO) run ./scripts/bench $(BENCHFLAGS)

.PHONY: weeks
weeks: ## eight weeks of real churn: what each week's bundle carries
	SATCHEL_SOAK=1 $(GO) test -C cmd/satchel -count=1 -timeout 1h -run '^TestEightWeeks$$'

.PHONY: fuzz
fuzz: ## fuzz each parser for FUZZTIME (1m); go test alone runs the seeds
	@for p in $$($(GO) list ./...); do \
		for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
			$(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$p || exit 1; \
		done; \
	done

.PHONY: lint
lint: ## gofmt, scripts/lint with go vet's analyzers, staticcheck, go mod tidy
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	CGO_ENABLED=0 $(GO) build -C $(LINT) -o ../../bin/ . honnef.co/go/tools/cmd/staticcheck
	@for m in . $(TESTMODULES); do (cd $$m && set -x && \
		$(GO) vet -vettool=$(CURDIR)/bin/lint ./... && $(CURDIR)/bin/staticcheck ./...) || exit 1; done
	@for m in . $(TESTMODULES) $(LINT); do (set -x; $(GO) -C $$m mod tidy -diff) || exit 1; done

.PHONY: tidy
tidy: ## go mod tidy in every module
	@for m in . $(TESTMODULES) $(LINT); do (set -x; $(GO) -C $$m mod tidy) || exit 1; done

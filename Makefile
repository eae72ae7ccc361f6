# make demo runs the main job on examples/, make test all tests; both set up what they need first.

GO     ?= go
BUILD  := build
PREFIX ?= /usr/local
LINUX_6_1  ?= $(BUILD)/linux-6.1
LINUX_5_10 ?= $(BUILD)/linux-5.10

.PHONY: all setup build man install demo test unit lint bench screenshots clean

all: build

# Installs what is missing through the system's package manager.
setup:
	@sh .ci/setup.sh

build: setup
	$(GO) build -o bin/seriesctl ./cmd/seriesctl

# The manual pages and completions, from what the program says of itself.
man: build
	rm -rf $(BUILD)/man $(BUILD)/completion
	bin/seriesctl man $(BUILD)/man
	mkdir -p $(BUILD)/completion
	for shell in bash zsh fish; do bin/seriesctl completion $$shell >$(BUILD)/completion/$$shell || exit 1; done

# Program, manual and completions below DESTDIR and PREFIX.
install: man
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin share/man/man1 share/bash-completion/completions share/zsh/site-functions share/fish/vendor_completions.d)
	install -m 755 bin/seriesctl $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(BUILD)/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 $(BUILD)/completion/bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/seriesctl
	install -m 644 $(BUILD)/completion/zsh $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_seriesctl
	install -m 644 $(BUILD)/completion/fish $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/seriesctl.fish

# From nothing to the matrix of examples/ on Debian's linux-source-6.1.
demo: build
	@sh .ci/kernel.sh 6.1 $(LINUX_6_1)
	@sh examples/demo.sh bin/seriesctl $(LINUX_6_1) $(BUILD)/demo

unit: setup
	$(GO) vet ./...
	$(GO) test -race -timeout 30m ./...

# The unit tests, then the real thing: the example on 6.1, the RFC on 5.10 where ../shared/data is, and what can go
# wrong with a machine on one of the kernels these built.
test: unit
	@sh .ci/kernel.sh 6.1 $(LINUX_6_1)
	@if [ -d ../shared/data ]; then sh .ci/kernel.sh 5.10=5.10.223-1 $(LINUX_5_10); fi
	for package in series cmd/seriesctl; do \
		SERIESCTL_REAL=$(abspath $(BUILD)/real) SERIESCTL_LINUX_6_1=$(abspath $(LINUX_6_1)) SERIESCTL_LINUX_5_10=$(abspath $(LINUX_5_10)) \
			$(GO) test -count=1 -timeout 60m -v -run '^TestReal' ./$$package || exit 1; \
	done
	SERIESCTL_KERNEL=$$(ls $(abspath $(BUILD))/real/*/.seriesctl/images/*/vmlinux | head -n 1) \
		$(GO) test -count=1 -timeout 20m -v -run '^(TestRun|TestSlowDisk|TestBoot|TestNotAKernel)' ./qemu

# go vet, and golangci-lint with staticcheck and the rules of .golangci.yml.
lint: setup
	$(GO) vet ./...
	$(GO) build -C .ci/tools -o $(abspath bin)/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint
	bin/golangci-lint run ./...

# Benchmarks; then what seriesctl is held to beside b4 and git am; then the whole matrix of the RFC beside plain make and
# one boot a case, which takes the better part of an hour. Most want the 5.10 source that make test fetches.
bench: setup
	$(GO) test -run '^$$' -bench . -benchmem -timeout 30m $$($(GO) list ./... | grep -v /cmd/)
	$(GO) test -run '^$$' -bench Measures -benchtime 3s -timeout 30m -v ./cmd/seriesctl
	SERIESCTL_REAL=$(abspath $(BUILD)/bench) $(GO) test -run '^$$' -bench Matrix -benchtime 1x -timeout 3h -v ./cmd/seriesctl
bench: export SERIESCTL_LINUX_5_10 := $(if $(wildcard $(LINUX_5_10)/Makefile),$(abspath $(LINUX_5_10)))

# The pictures in docs/screens, of the workspace that make test leaves of the RFC. Needs tmux.
screenshots: build
	sh .ci/screenshots.sh $(abspath bin/seriesctl) $(abspath $(BUILD)/real/TestRealRFC/.seriesctl) docs/screens

clean:
	rm -rf bin $(BUILD)

# svcsim.  `make help` lists the targets; V=1 shows the commands.
.DELETE_ON_ERROR:
.SUFFIXES:
.SECONDARY:
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
CFLAGS  ?= -O2 -g
Q       := $(if $(V),,@)
# Silent under make -s, too.
say      = $(if $(V),,@$(if $(findstring s,$(firstword -$(MAKEFLAGS))),:,printf '  %-5s %s\n' $(1) $(2)))
# For a make of a make: as many jobs as processors, unless the caller said how many.
jobs     = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null || echo 2))

PKGS       := glib-2.0 libpcap yaml-0.1
# Asked once, and only when something is compiled: `make deps` may have to install pkg-config first.
once        = $(eval $(1) := $(shell $(2)))$($(1))
PKG_CFLAGS  = $(call once,PKG_CFLAGS,pkg-config --cflags $(PKGS) || echo 'try: make deps' >&2)
PKG_LIBS    = $(call once,PKG_LIBS,pkg-config --libs $(PKGS))
CU_CFLAGS   = $(call once,CU_CFLAGS,pkg-config --cflags cunit)
CU_LIBS     = $(call once,CU_LIBS,pkg-config --libs cunit)

WARN := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
        -Wwrite-strings -Wformat=2 -Wimplicit-fallthrough
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE $(WARN) $(CFLAGS) $(PKG_CFLAGS) -I. $(EXTRA)

rooms = $(sort $(wildcard $(1)/*.c $(1)/*/*.c))
objs  = $(patsubst %.c,$(BUILD)/%.o,$(call rooms,$(1)))

.PHONY: all run test
all: $(BUILD)/svcsim ## build the program

# Each step in a make of its own: what pkg-config says is asked after the packages are there.
run: ## install what building needs, build, replay the article's scenario, leave its captures in out/
	$(Q)sh tests/deps.sh build
	@echo 'Building svcsim.'
	+$(Q)$(MAKE) --no-print-directory -s $(jobs) all
	$(Q)mkdir -p out
	$(Q)$(BUILD)/svcsim run scenarios/article/article.yaml --out out/article

test: ## all tests; PART="unit-sim errors" runs some parts
	$(Q)sh tests/deps.sh test
	@echo 'Building svcsim and its tests.'
	+$(Q)$(MAKE) --no-print-directory -s $(jobs) programs
	+$(Q)MAKE='$(MAKE)' BUILD='$(BUILD)' CC='$(CC)' bash tests/run.sh $(PART)

$(BUILD)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(if $(filter tests/%,$<),$(CU_CFLAGS)) -MMD -MP -c $< -o $@

$(BUILD)/libsim.a: $(call objs,sim)
$(BUILD)/libmodel.a: $(call objs,model)
$(BUILD)/lib%.a: $(BUILD)/lib%.list
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)
# What belongs to a library: it changes when a file goes, too.
$(BUILD)/lib%.list: FORCE
	$(Q)mkdir -p $(@D)
	$(Q)echo '$(call objs,$*)' | cmp -s - $@ || echo '$(call objs,$*)' >$@

$(BUILD)/svcsim: $(call objs,tools) $(BUILD)/libmodel.a $(BUILD)/libsim.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(EXTRA) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm

# --- Unit tests: tests/unit/LAYER/test_NAME.c defines `const TestSuite suite_NAME` -------------------------------
test_srcs  = $(sort $(wildcard tests/unit/$(1)/test_*.c))
test_names = $(patsubst tests/unit/$(1)/test_%.c,%,$(call test_srcs,$(1)))

$(BUILD)/suites-%.c: FORCE
	$(Q)mkdir -p $(@D)
	$(Q){ echo '#include "tests/unit/test.h"'; \
	  for n in $(call test_names,$*); do echo "extern const TestSuite suite_$$n;"; done; \
	  echo 'const TestSuite *const test_suites[] = {'; \
	  for n in $(call test_names,$*); do echo "    &suite_$$n,"; done; echo '    0};'; } > $@.new
	$(Q)cmp -s $@.new $@ && rm -f $@.new || mv $@.new $@
$(BUILD)/suites-%.o: $(BUILD)/suites-%.c
	$(Q)$(CC) $(ALL_CFLAGS) $(CU_CFLAGS) -c $< -o $@

# The tests of sim/ link without libmodel: that proves the layer.
$(BUILD)/unit-sim: $(BUILD)/suites-sim.o $(BUILD)/tests/unit/main.o $(patsubst %.c,$(BUILD)/%.o,$(call test_srcs,sim)) $(BUILD)/libsim.a
$(BUILD)/unit-model: $(BUILD)/suites-model.o $(BUILD)/tests/unit/main.o $(patsubst %.c,$(BUILD)/%.o,$(call test_srcs,model)) $(BUILD)/libmodel.a $(BUILD)/libsim.a
$(BUILD)/unit-sim $(BUILD)/unit-model:
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(EXTRA) $(LDFLAGS) -o $@ $^ $(CU_LIBS) $(PKG_LIBS) -lm

.PHONY: unit layers headers clean help FORCE
unit: $(BUILD)/unit-sim $(BUILD)/unit-model ## unit tests; T=name filters
	$(Q)$(BUILD)/unit-sim $(T)
	$(Q)$(BUILD)/unit-model $(T)

# --- Conformance: what kube-proxy wrote, held against what we write; T=substring filters -------------------------
$(BUILD)/conformance: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/conformance/*.c)) $(BUILD)/libmodel.a $(BUILD)/libsim.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(EXTRA) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm

.PHONY: conformance
conformance: $(BUILD)/conformance ## kube-proxy's own cases and dumps; T=name filters
	$(Q)$(BUILD)/conformance $(T)

# --- Flows: what a real kernel did with real packets, held against the simulation; T=substring filters -----------
$(BUILD)/flow: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/flow/*.c)) $(BUILD)/libmodel.a $(BUILD)/libsim.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(EXTRA) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm

.PHONY: flow
flow: $(BUILD)/flow ## recorded flows of a real kernel; T=name filters
	$(Q)$(BUILD)/flow $(T)

# --- Fuzzing: each target runs its corpus alone (fuzz-check) or grows it under libFuzzer (fuzz) --------------------------
fuzz_names = $(patsubst tests/fuzz/%.c,%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

$(BUILD)/fuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/standalone.o $(BUILD)/libmodel.a $(BUILD)/libsim.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(EXTRA) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm
$(BUILD)/libfuzz_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/libmodel.a $(BUILD)/libsim.a
	$(call say,LD,$@)
	$(Q)clang $(CFLAGS) $(EXTRA) -fsanitize=fuzzer $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm

SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

.PHONY: programs fuzz-check fuzz fuzz-run asan bench lint deps
programs: all $(BUILD)/unit-sim $(BUILD)/unit-model $(BUILD)/conformance $(BUILD)/flow fuzz-check ## everything that `make test` runs
fuzz-check: $(addprefix $(BUILD)/,$(fuzz_names))
fuzz: ## grow each fuzz target's corpus for FUZZ_TIME (20) seconds with clang's libFuzzer, findings under build-fuzz/
	+$(Q)$(MAKE) --no-print-directory $(jobs) BUILD=build-fuzz CC=clang CFLAGS='-O1 -g' \
	  EXTRA='$(SANITIZE) -fsanitize=fuzzer-no-link' fuzz-run
fuzz-run: $(patsubst fuzz_%,$(BUILD)/libfuzz_%,$(fuzz_names))
	$(Q)for f in $(patsubst fuzz_%,%,$(fuzz_names)); do mkdir -p $(BUILD)/corpus/$$f; \
	  $(BUILD)/libfuzz_$$f -max_total_time=$${FUZZ_TIME:-20} -timeout=10 -artifact_prefix=$(BUILD)/ \
	    $(BUILD)/corpus/$$f tests/corpus/$$f || exit 1; done

asan: ## build with ASan and UBSan into build-asan/ and run its tests
	+$(Q)$(MAKE) --no-print-directory BUILD=build-asan CFLAGS='-O1 -g' EXTRA='$(SANITIZE)' $(jobs) programs
	+$(Q)MAKE='$(MAKE)' BUILD=build-asan CC='$(CC)' bash tests/run.sh \
	  $(or $(PART),unit-sim unit-model conformance errors fuzz scenarios)

# --- A real kernel: needs root; says so and counts as skipped without -------------------------------------------------
$(BUILD)/kernel_fuzz: $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/kernel/fuzz/*.c)) $(BUILD)/libsim.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(EXTRA) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm

$(BUILD)/tcp_script: $(BUILD)/tests/kernel/tcp/tcp_script.o $(BUILD)/libsim.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(EXTRA) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm

$(BUILD)/race_script: $(BUILD)/tests/kernel/race/race_script.o $(BUILD)/libsim.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(EXTRA) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm

.PHONY: kernel-fuzz kernel-twin
programs: $(BUILD)/kernel_fuzz $(BUILD)/tcp_script $(BUILD)/race_script
kernel-fuzz: $(BUILD)/kernel_fuzz ## random rules and packets in the kernel and in the simulator; N=cases or TIME=seconds, SEED=first
	$(Q)$(BUILD)/kernel_fuzz $(if $(TIME),-t $(TIME),-n $(or $(N),200)) -s $(or $(SEED),1)

kernel-twin: all ## scenarios in network namespaces and in the simulator, in all networks and modes; S="FILE..." picks
	$(Q)BUILD=$(BUILD) bash tests/kernel/twin.sh $(or $(S),all)

# --- Measuring: tests/bench/NAME.c is a program, NAME.args holds its usual arguments -------------------------------
bench_names = $(patsubst tests/bench/%.c,%,$(sort $(wildcard tests/bench/*.c)))

$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/libmodel.a $(BUILD)/libsim.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(EXTRA) $(LDFLAGS) -o $@ $^ $(PKG_LIBS) -lm
programs: $(BUILD)/tests/bench/path $(BUILD)/tests/bench/bench_memory
bench: all $(addprefix $(BUILD)/tests/bench/,$(bench_names)) ## build and run tests/bench/*.c, one table; B=substring picks
	$(Q)B='$(B)' bash tests/bench/table.sh $(BUILD)

.PHONY: bench-growth bench-peers large
bench-growth: $(BUILD)/tests/bench/bench_growth ## cost against nodes and Services: a table and $(BUILD)/bench/growth.svg
	$(Q)bash tests/bench/growth.sh $(BUILD)
large: all $(BUILD)/tests/bench/large ## a large cluster and a scenario into $(BUILD)/large/; LARGE="nodes services endpoints connections json"
	$(Q)$(BUILD)/tests/bench/large $(BUILD)/large $(LARGE)
peer_programs = $(addprefix $(BUILD)/tests/bench/,bench_star bench_verdict peers/kernel_peer)
bench-peers: all $(peer_programs) ## ns-3 (NS3=PREFIX of a release build of 3.37) and, as root, this kernel beside ours
	$(Q)CXX='$(or $(CXX),c++)' bash tests/bench/peers/ns3.sh $(BUILD) $(NS3) || [ $$? -eq 77 ]
	$(Q)bash tests/bench/peers/kernel.sh $(BUILD) || [ $$? -eq 77 ]

# --- Order --------------------------------------------------------------------------------------------------------
layers: ## fail if an include points up the tree
	@! grep -rnE '#include "(model|tools|tests)/' sim --include='*.[ch]' || { echo 'sim/ must not include upward'; exit 1; }
	@! grep -rnE '#include "(tools|tests)/' model --include='*.[ch]' || { echo 'model/ must not include upward'; exit 1; }

headers: ## every header compiles on its own
	$(Q)echo '$(wildcard sim/*/*.h model/*/*.h tools/*.h)' | tr ' ' '\n' | \
	  xargs -P $(shell nproc 2>/dev/null || echo 2) -I{} $(CC) $(ALL_CFLAGS) -include {} -x c -fsyntax-only /dev/null

lint: compile_commands.json ## format, ban list, clang-tidy where present
	$(Q)sh tests/lint.sh

deps: ## install what building and testing need (Debian and its kin; elsewhere named)
	$(Q)sh tests/deps.sh test

all_srcs = $(call rooms,sim) $(call rooms,model) $(call rooms,tools) \
           $(sort $(wildcard tests/unit/*.c tests/unit/*/*.c tests/conformance/*.c tests/flow/*.c tests/fuzz/*.c tests/bench/*.c))
compile_commands.json: Makefile FORCE ## for clangd and clang-tidy
	$(Q){ sep='['; for f in $(all_srcs); do \
	  printf '%s\n{"directory":"%s","file":"%s","command":"cc $(subst ",\",$(ALL_CFLAGS) $(CU_CFLAGS)) -c %s"}' \
	    "$$sep" '$(CURDIR)' $$f $$f; sep=','; done; printf '\n]\n'; } > $@.new
	$(Q)cmp -s $@.new $@ && rm -f $@.new || mv $@.new $@

# --- Installing ---------------------------------------------------------------------------------------------------
SHARE = $(DESTDIR)$(PREFIX)/share/svcsim
MAN   = $(DESTDIR)$(PREFIX)/share/man/man1

.PHONY: install uninstall
install: all ## to $(DESTDIR)$(PREFIX): the program, its manual page, scenarios and profiles
	install -D -m755 $(BUILD)/svcsim $(DESTDIR)$(PREFIX)/bin/svcsim
	install -D -m644 tools/svcsim.1 $(MAN)/svcsim.1
	install -d $(SHARE)
	cp -R scenarios scenarios/profiles $(SHARE)/
uninstall: ## remove what install left
	rm -f $(DESTDIR)$(PREFIX)/bin/svcsim $(MAN)/svcsim.1
	rm -rf $(SHARE)

clean: ## remove what was built and run
	rm -rf build build-* out compile_commands.json
help: ## this list
	@grep -hE '^[a-z_.-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t24
FORCE:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

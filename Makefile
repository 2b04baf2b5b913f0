# svcsim.  `make help` lists the targets; V=1 shows the commands.
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := all
MAKEFLAGS += --no-builtin-rules

BUILD   ?= build
PREFIX  ?= /usr/local
DESTDIR ?=
CFLAGS  ?= -O2 -g
Q       := $(if $(V),,@)
say      = $(if $(V),,@printf '  %-5s %s\n' $(1) $(2))

PKGS       := glib-2.0 libpcap yaml-0.1
# Asked once, and only when something is compiled: `make deps` may have to install pkg-config first.
once        = $(eval $(1) := $(shell $(2)))$($(1))
PKG_CFLAGS  = $(call once,PKG_CFLAGS,pkg-config --cflags $(PKGS))
PKG_LIBS    = $(call once,PKG_LIBS,pkg-config --libs $(PKGS))
CU_CFLAGS   = $(call once,CU_CFLAGS,pkg-config --cflags cunit)
CU_LIBS     = $(call once,CU_LIBS,pkg-config --libs cunit)

WARN := -Wall -Wextra -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef \
        -Wwrite-strings -Wformat=2 -Wimplicit-fallthrough
ALL_CFLAGS = -std=c11 -D_GNU_SOURCE $(WARN) $(CFLAGS) $(PKG_CFLAGS) -I. $(EXTRA)

rooms = $(sort $(wildcard $(1)/*.c $(1)/*/*.c))
objs  = $(patsubst %.c,$(BUILD)/%.o,$(call rooms,$(1)))

.PHONY: all
all: $(BUILD)/svcsim ## build the program

$(BUILD)/%.o: %.c
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(if $(filter tests/%,$<),$(CU_CFLAGS)) -MMD -MP -c $< -o $@

$(BUILD)/libsim.a: $(call objs,sim)
$(BUILD)/libmodel.a: $(call objs,model)
$(BUILD)/lib%.a:
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

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

layers: ## fail if an include points up the tree
	@! grep -rnE '#include "(model|tools|tests)/' sim --include='*.[ch]' || { echo 'sim/ must not include upward'; exit 1; }
	@! grep -rnE '#include "(tools|tests)/' model --include='*.[ch]' || { echo 'model/ must not include upward'; exit 1; }

headers: ## every header compiles on its own
	$(Q)for h in $(wildcard sim/*/*.h model/*/*.h tools/*.h); do \
	  echo "#include \"$$h\"" | $(CC) $(ALL_CFLAGS) -x c -fsyntax-only - || exit 1; done

clean: ## remove what was built
	rm -rf build build-*
help: ## this list
	@grep -hE '^[a-z_.-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t24
FORCE:

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# `make help` lists the targets.  V=1 shows the commands; MODE picks the build; T=word runs a part of
# the tests; B=folder builds elsewhere.
ifeq ($(origin CC),default)
CC := gcc
endif
MODE ?= release
B    ?= build

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
        -Wold-style-definition -Wvla -Wformat=2 -Wpointer-arith -Wcast-qual -Wwrite-strings \
        -Wundef -Wswitch-enum -Wdouble-promotion -Wnull-dereference -Wconversion -Werror

MODE_release := -O2 -g -fno-omit-frame-pointer
MODE_debug   := -O0 -g3
MODE_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
MODE_tsan    := -O1 -g -fsanitize=thread
MODE_clang   := -O2 -g
MODE_fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
ifneq ($(filter clang fuzz,$(MODE)),)
CC := clang
endif

OUT      := $(B)/$(MODE)
# The revision is known to one file only, so that a commit does not rebuild the rest.
REVISION := $(shell git describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
CPPFLAGS := -D_GNU_SOURCE -Iinclude -I. -Itests
# -ffp-contract=off: schedules are bit-identical whatever the compiler fuses (DESIGN.md, Trust).
CFLAGS   := -std=c11 -pthread -fno-common -ffp-contract=off $(WARN) $(MODE_$(MODE)) $(EXTRA_CFLAGS)
LDLIBS   := -lcjson -lz -lm -ldl

# Tests make the n-th allocation or thread fail (tests/support/alloc.h, threads.h).
comma    := ,
WRAP     := $(patsubst %,-Wl$(comma)--wrap=%,malloc calloc realloc aligned_alloc posix_memalign \
              strdup strndup asprintf vasprintf realpath _mark_point _ck_assert_failed pthread_create)

LAYERS   := base pool workload harness tuner plots
LIB_SRC  := $(wildcard $(LAYERS:%=%/*.c))
LIB_OBJ  := $(LIB_SRC:%.c=$(OUT)/%.o)
CLI_OBJ  := $(patsubst %.c,$(OUT)/%.o,$(wildcard cli/*.c))
UNIT_SRC := $(wildcard tests/support/*.c $(LAYERS:%=tests/unit/%/*.c))
STRESS_SRC := $(wildcard tests/support/*.c tests/stress/*.c)
BENCHES  := $(patsubst bench/%.c,$(OUT)/bench/%,$(wildcard bench/bench_*.c))
# Other people's pools, beside which bench_peers measures ours: those that this machine has.
PEERS    := builtin $(if $(wildcard /usr/include/glib-2.0/glib.h),glib) $(if $(wildcard /usr/include/uv.h),libuv) \
            $(if $(wildcard /usr/share/cthreadpool/thpool.c),cthreadpool) \
            $(if $(and $(wildcard /usr/include/oneapi/tbb/task_arena.h),$(shell command -v g++)),tbb)
PEER_BINS := $(PEERS:%=$(OUT)/bench/peer-%)
# Drivers of other people's pools (docs/pool-driver.md): those whose library this machine has.
has       = $(shell pkg-config --exists $(1) 2>/dev/null && echo $(2))
DRIVERS  := $(call has,glib-2.0,glib) $(call has,libuv,libuv)
# Programs that tests start: children that misbehave on command.
TEST_PROGRAMS := $(patsubst tests/programs/%.c,$(OUT)/programs/%,$(wildcard tests/programs/*.c))
FUZZERS  := $(patsubst tests/fuzz/%.c,$(OUT)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
SOURCES  := $(wildcard $(foreach d,include/poolbench $(LAYERS) cli bench bench/peers pool/drivers scenarios/workers \
              tests/support tests/stress tests/programs tests/fuzz $(LAYERS:%=tests/unit/%),$(d)/*.[ch]))
ifeq ($(MODE),release)
PROGRAM  := $(B)/poolbench
else
PROGRAM  := $(OUT)/poolbench
endif
# The example worker in C, which scenarios/worker_c.json runs.
WORKER    := $(dir $(PROGRAM))workers/echo
DRIVER_SO := $(DRIVERS:%=$(dir $(PROGRAM))drivers/%.so)

# The library that other programs link: the pool and the worker's side of the protocol.  Its objects are
# compiled apart, position-independent; it exports what include/poolbench/ declares.
VERSION    := $(shell sed -n 's/^\#define PB_VERSION "\(.*\)"/\1/p' base/version.h)
SONAME     := libpoolbench.so.0
SHARED_OBJ := $(patsubst %.c,$(OUT)/pic/%.o,$(wildcard base/*.c pool/*.c))
PREFIX     ?= /usr/local
LIBDIR     := $(DESTDIR)$(PREFIX)/lib
INCDIR     := $(DESTDIR)$(PREFIX)/include/poolbench
DOCDIR     := $(DESTDIR)$(PREFIX)/share/doc/poolbench

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' $(1) $(2))

.DEFAULT_GOAL := build
.PHONY: help build run test unit stress cli-tests fuzz-corpus asan tsan lint format bench fuzz docs \
        check clean install uninstall install-build install-run install-test install-lint install-fuzz install-bench

help: ## list the targets
	@sed -n 's/^\([a-z][a-z -]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

build: install-build ## build the program (build/poolbench) and the static library
	@$(MAKE) -s --no-print-directory -j$(shell nproc) $(PROGRAM) $(OUT)/libpoolbench.a $(DRIVER_SO) \
	  $(WORKER)

run: install-run build ## install what is missing, build, and do the main job: run, judge, chart and tune a scenario
	@tools/main-job $(PROGRAM)

test: install-test build ## install what the tests need, build, and run every test
	@tools/run-tests $(T)

unit: $(OUT)/unit-tests ## the unit tests alone (T=queue runs a part)
	@PB_TEST='$(T)' PB_PROGRAM=$(PROGRAM) $(OUT)/unit-tests

stress: $(OUT)/stress-tests ## threads against each other (T=... runs a part)
	@PB_TEST='$(T)' $(OUT)/stress-tests

cli-tests: $(PROGRAM) $(DRIVER_SO) $(WORKER) ## the program as a user runs it
	@PB_PROGRAM=$(abspath $(PROGRAM)) tests/cli/run-all $(T)

asan: ## unit and stress tests under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory -j$(shell nproc) MODE=asan unit stress

tsan: ## unit and stress tests under ThreadSanitizer
	@$(MAKE) --no-print-directory -j$(shell nproc) MODE=tsan unit stress

fuzz-corpus: $(FUZZERS) ## run every fuzz target over its corpus once
	@for f in $(notdir $(FUZZERS)); do echo "# $$f"; \
	  $(OUT)/fuzz/$$f tests/data/corpus/$${f#fuzz_}/* || exit 1; done

fuzz: install-fuzz ## fuzz each parser for FUZZ_SECONDS (default 60) seconds with clang's libFuzzer
	@$(MAKE) --no-print-directory MODE=fuzz -j$(shell nproc) fuzz-build
	@for f in $(notdir $(FUZZERS)); do mkdir -p $(B)/corpus/$$f; \
	  $(B)/fuzz/fuzz/$$f -max_total_time=$${FUZZ_SECONDS:-60} -max_len=4096 \
	    $(B)/corpus/$$f tests/data/corpus/$${f#fuzz_} || exit 1; done
.PHONY: fuzz-build
fuzz-build: $(FUZZERS)

bench: install-bench ## speed and memory, as ratios of things measured in one run; leaves build/bench.jsonl
	@$(MAKE) --no-print-directory -j$(shell nproc) bench-build
	@tools/run-benches $(BENCHES)
.PHONY: bench-build
bench-build: $(BENCHES) $(PEER_BINS) $(PROGRAM)

lint: install-lint ## layers, headers, sizes, format, lock ownership, clang-tidy
	tools/check-layers
	tools/check-headers
	tools/check-sizes
	clang-format --dry-run -Werror $(SOURCES)
	clang -std=c11 $(CPPFLAGS) -Wthread-safety -Werror -fsyntax-only $(LIB_SRC)
	@printf '%s\n' $(LIB_SRC) $(wildcard cli/*.c) | xargs -P $(shell nproc) -n 4 \
	  sh -c 'clang-tidy --quiet "$$@" -- -std=c11 $(CPPFLAGS) 2>/dev/null' tidy

format: ## rewrite the sources with clang-format
	clang-format -i $(SOURCES)

docs: build ## generate docs/scenario.md and scenarios/scenario.schema.json from the field table
	$(PROGRAM) fields --markdown > docs/scenario.md
	$(PROGRAM) fields --schema > scenarios/scenario.schema.json

check: lint test asan tsan ## every gate
clean: ## remove build/
	rm -rf $(B)

install: build ## install program, libraries, headers, drivers and docs under PREFIX (/usr/local), in DESTDIR
	@$(MAKE) -s --no-print-directory -j$(shell nproc) $(OUT)/$(SONAME)
	@install -d $(DESTDIR)$(PREFIX)/bin $(LIBDIR)/pkgconfig $(LIBDIR)/poolbench/drivers $(INCDIR) \
	  $(DOCDIR)/examples $(DOCDIR)/images $(DOCDIR)/scenarios/workers
	@install -m 755 $(PROGRAM) $(DESTDIR)$(PREFIX)/bin/poolbench
	@install -m 644 $(OUT)/libpoolbench.a $(LIBDIR)/libpoolbench.a
	@install -m 755 $(OUT)/$(SONAME) $(LIBDIR)/$(SONAME)
	@ln -sf $(SONAME) $(LIBDIR)/libpoolbench.so
	@$(if $(DRIVER_SO),install -m 755 $(DRIVER_SO) $(LIBDIR)/poolbench/drivers)
	@install -m 644 include/poolbench/*.h $(INCDIR)
	@sed 's|@PREFIX@|$(PREFIX)|; s|@VERSION@|$(VERSION)|' tools/poolbench.pc.in > $(LIBDIR)/pkgconfig/poolbench.pc
	@install -m 644 README.md docs/*.md $(DOCDIR)
	@install -m 644 docs/examples/* $(DOCDIR)/examples
	@install -m 644 docs/images/* $(DOCDIR)/images
	@install -m 644 scenarios/*.json $(DOCDIR)/scenarios
	@install -m 755 scenarios/workers/* $(DOCDIR)/scenarios/workers
	@echo "installed poolbench $(VERSION) under $(DESTDIR)$(PREFIX)"

uninstall: ## remove what make install put there
	@rm -f $(DESTDIR)$(PREFIX)/bin/poolbench $(LIBDIR)/libpoolbench.a $(LIBDIR)/$(SONAME) \
	  $(LIBDIR)/libpoolbench.so $(LIBDIR)/pkgconfig/poolbench.pc
	@rm -rf $(LIBDIR)/poolbench $(INCDIR) $(DOCDIR)

install-build install-run install-test install-lint install-fuzz install-bench:
	@tools/install-missing $(@:install-%=%)

$(OUT)/libpoolbench.a: $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(OUT)/pic/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(if $(filter base/version.c,$<),-DPB_REVISION='"$(REVISION)"') $(CFLAGS) -fPIC \
	  -MMD -MP -c -o $@ $<

$(OUT)/$(SONAME): $(SHARED_OBJ) tools/public-functions $(wildcard include/poolbench/*.h)
	$(call say,LINK,$@)
	$(Q)tools/public-functions --version-script > $(OUT)/libpoolbench.map
	$(Q)$(CC) $(CFLAGS) -shared -Wl,-soname,$(SONAME) -Wl,--version-script,$(OUT)/libpoolbench.map \
	  -Wl,-z,defs -Wl,--as-needed -o $@ $(SHARED_OBJ) $(LDLIBS)

$(PROGRAM): $(CLI_OBJ) $(OUT)/libpoolbench.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDLIBS)

DRIVER_PC_glib  := glib-2.0
DRIVER_PC_libuv := libuv
$(DRIVER_SO): $(dir $(PROGRAM))drivers/%.so: pool/drivers/%.c include/poolbench/pool_driver.h Makefile
	@mkdir -p $(@D)
	$(call say,DRIVER,$@)
	$(Q)$(CC) $(CPPFLAGS) $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(DRIVER_PC_$*))) $(CFLAGS) \
	  -fPIC -fvisibility=hidden -shared -o $@ $< $(shell pkg-config --libs $(DRIVER_PC_$*))

$(OUT)/unit-tests: $(UNIT_SRC:%.c=$(OUT)/%.o) $(OUT)/libpoolbench.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(WRAP) -o $@ $^ -lcheck -lsubunit -lrt $(LDLIBS)

$(OUT)/stress-tests: $(STRESS_SRC:%.c=$(OUT)/%.o) $(OUT)/libpoolbench.a | $(TEST_PROGRAMS)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(WRAP) -o $@ $^ -lcheck -lsubunit -lrt $(LDLIBS)

$(OUT)/programs/%: $(OUT)/tests/programs/%.o $(OUT)/libpoolbench.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDLIBS)

$(OUT)/bench/%: $(OUT)/bench/%.o $(OUT)/bench/support.o $(OUT)/libpoolbench.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDLIBS)

PEER_LIBS_glib  := -lglib-2.0
PEER_LIBS_libuv := -luv
PEER_LIBS_tbb   := -ltbb -lstdc++
GLIB_CFLAGS     := $(patsubst %,-isystem %,/usr/include/glib-2.0 $(wildcard /usr/lib/*/glib-2.0/include))
$(OUT)/bench/peers/glib.o: CPPFLAGS += $(GLIB_CFLAGS)
$(PEER_BINS): $(OUT)/bench/peer-%: $(OUT)/bench/peers/%.o $(OUT)/bench/peers/main.o $(OUT)/bench/support.o \
  $(OUT)/libpoolbench.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(PEER_LIBS_$*) $(LDLIBS)
$(OUT)/bench/peer-cthreadpool: $(OUT)/bench/peers/thpool.o
$(OUT)/bench/peers/thpool.o: /usr/share/cthreadpool/thpool.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) -O2 -g -pthread -w -I/usr/include/cthreadpool -c -o $@ $<
$(OUT)/bench/peers/tbb.o: bench/peers/tbb.cpp Makefile
	@mkdir -p $(@D)
	$(call say,CXX,$<)
	$(Q)g++ $(CPPFLAGS) -std=c++17 -O2 -g -pthread -Wall -Wextra -Werror -MMD -MP -c -o $@ $<

# With MODE=fuzz clang's libFuzzer drives a target; otherwise a main of ours runs it over files.
ifeq ($(MODE),fuzz)
FUZZ_MAIN := -fsanitize=fuzzer
else
FUZZ_MAIN := $(OUT)/tests/fuzz/main.o
endif
$(OUT)/fuzz/%: $(OUT)/tests/fuzz/%.o $(OUT)/libpoolbench.a $(filter %.o,$(FUZZ_MAIN))
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $< $(FUZZ_MAIN) $(OUT)/libpoolbench.a $(LDLIBS)

$(WORKER): $(OUT)/scenarios/workers/echo.o $(OUT)/libpoolbench.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -o $@ $^ $(LDLIBS)

$(OUT)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(if $(filter base/version.c,$<),-DPB_REVISION='"$(REVISION)"') $(CFLAGS) \
	  -MMD -MP -c -o $@ $<

# Objects stay.  (.SECONDARY would also leave missing ones out of an archive that looks new.)
.PRECIOUS: $(OUT)/%.o
-include $(shell find $(OUT) -name '*.d' 2>/dev/null)

# moult: build, test, install. One Makefile, no recursion; `make help` lists the targets.

VERSION   := 0.1.0
BUILD     ?= build
PREFIX    ?= /usr/local
BINDIR    ?= $(PREFIX)/bin
LIBDIR    ?= $(PREFIX)/lib
INCDIR    ?= $(PREFIX)/include
MANDIR    ?= $(PREFIX)/share/man
LIBEXECDIR ?= $(PREFIX)/libexec/moult
SYSCONFDIR ?= /etc
PYTHON    ?= /usr/bin/python3
TEST_JOBS ?= 4
TESTS     ?= unit client e2e model

# CC, CFLAGS, CPPFLAGS and LDFLAGS belong to whoever builds; ours are appended.
CFLAGS ?= -O2 -g

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wcast-qual -Wconversion -Wsign-conversion -Wswitch-enum -Wvla -Wwrite-strings \
	-Wformat=2 -Wimplicit-fallthrough

# Hardening of the OpenSSF compiler options guide; each is probed, so that an older compiler
# builds with what it has.
HARDEN_C := -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection \
	-fcf-protection=full -ftrivial-auto-var-init=zero -fno-delete-null-pointer-checks \
	-fno-strict-overflow -fno-strict-aliasing -fPIE
HARDEN_L := -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,-z,nodlopen -Wl,--as-needed

# `make SAN=address,undefined ...` builds the same with sanitizers, in a directory of its own.
ifdef SAN
export MOULT_TEST_LDFLAGS := -fsanitize=$(SAN)
BUILD := build-san
HARDEN_C := -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer -fPIE
HARDEN_L := -fsanitize=$(SAN) -pie
SAN_O := $(BUILD)/tests/san/options.o
endif

# `make FUZZ=1 fuzzers` builds the fuzzers with libFuzzer in the place of tests/fuzz/replay.c.
ifdef FUZZ
BUILD := build-fuzz
CC := clang
HARDEN_C := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -fPIE
HARDEN_L := -fsanitize=address,undefined -pie
endif

.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: all help deps demo test tests bench escape escape-peers san crash fault fuzz fuzzers proof model lint tables format \
	install uninstall clean FORCE
all: $(BUILD)/moult-monitor $(BUILD)/moult-executor $(BUILD)/moult \
	$(BUILD)/libmoult.a $(BUILD)/libmoult.so.0

help:
	@echo 'make            build into $(BUILD)/, runnable from there'
	@echo 'make deps       install the Debian packages that are missing (apt-get, as root)'
	@echo 'make demo       a real update, shown step by step'
	@echo 'make test       every test (TESTS=... for a part: unit, client, e2e, model, or paths of pytest)'
	@echo 'make escape     attempts to leave the confinement, and which layer stops each'
	@echo 'make escape-peers  the same attempts under bubblewrap and firejail'
	@echo 'make bench      what confinement costs: CPU time of updates with all layers and with none'
	@echo 'make crash      an update killed at each call that changes something, then started again'
	@echo 'make fault      an update with each call failing, once and for ever (both: SWEEP="--every 10")'
	@echo 'make san        the tests on a build with AddressSanitizer and UBSan'
	@echo 'make fuzz       each fuzzer with libFuzzer for SECONDS=60 (FUZZ_TARGETS=... for some)'
	@echo 'make proof      no run-time error in wire, version and text, for all inputs (Frama-C)'
	@echo 'make model      signal, processes, kills and power cuts as a model, checked exhaustively by spin'
	@echo 'make lint       warnings as errors on gcc and clang, format, cppcheck, clang-tidy'
	@echo 'make tables     print the messages and rule tables that SECURITY.md holds'
	@echo 'make install    PREFIX=$(PREFIX) DESTDIR= (also: uninstall, clean)'

# ---- packages ---------------------------------------------------------------------------------

deps:
	@sh tests/deps.sh

# ---- flags, probed once ------------------------------------------------------------------------

# What the wire's two ends must agree on: both binaries carry the hash of the shared headers.
WIRE_ID := $(shell cat include/wire.h include/file.h include/version.h | sha256sum | cut -c1-12)

OURS := -std=c11 -D_GNU_SOURCE -Iinclude -DMOULT_VERSION='"$(VERSION)"' \
	-DMOULT_BUILD='"$(VERSION)-$(WIRE_ID)"' -DMOULT_LIBEXECDIR='"$(LIBEXECDIR)"' \
	-DMOULT_SYSCONFDIR='"$(SYSCONFDIR)"' $(WARNINGS) $(EXTRA)

FLAGS_KEY := $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(OURS) $(HARDEN_C) $(HARDEN_L)

$(BUILD)/flags.mk: FORCE
	@mkdir -p $(@D)
	@if [ "$$(cat $(BUILD)/flags.key 2>/dev/null)" != "$$(printf '%s' '$(subst ','\'',$(FLAGS_KEY))')" ]; then \
		ok() { echo 'int main(void){return 0;}' | \
			$(CC) $(CFLAGS) -Werror $$1 $$2 -x c - -o $(BUILD)/probe $$2 2>/dev/null; }; \
		c=; for f in $(HARDEN_C); do ok $$f && c="$$c $$f"; done; \
		l=; for f in $(HARDEN_L); do ok -fPIE $$f && l="$$l $$f"; done; \
		rm -f $(BUILD)/probe; \
		printf 'HARD_C :=%s\nHARD_L :=%s\n' "$$c" "$$l" > $@; \
		printf '%s' '$(subst ','\'',$(FLAGS_KEY))' > $(BUILD)/flags.key; fi

ifneq ($(filter-out help deps lint test bench escape escape-peers san crash fault fuzz proof model demo format uninstall clean,$(or $(MAKECMDGOALS),all)),)
include $(BUILD)/flags.mk
endif

COMPILE = $(CC) $(CPPFLAGS) $(CFLAGS) $(OURS) $(HARD_C) -MMD -MP
LINK    = $(CC) $(CFLAGS) $(HARD_C) $(LDFLAGS) $(HARD_L)

# ---- rooms: a room sees include/ and itself, nothing else --------------------------------------

SHARED := $(patsubst %.c,$(BUILD)/%.o,$(wildcard shared/*.c))
PARENT := $(patsubst %.c,$(BUILD)/%.o,$(wildcard parent/*.c))
CHILD  := $(patsubst %.c,$(BUILD)/%.o,$(wildcard child/*.c))
COMMAND := $(filter-out $(BUILD)/client/libmoult.o,$(patsubst %.c,$(BUILD)/%.o,$(wildcard client/*.c)))

$(BUILD)/shared/%.o: shared/%.c $(BUILD)/flags.mk
	@mkdir -p $(@D)
	$(COMPILE) -DMOULT_ROOM_SHARED -c $< -o $@
$(BUILD)/parent/%.o: parent/%.c $(BUILD)/flags.mk
	@mkdir -p $(@D)
	$(COMPILE) -DMOULT_ROOM_PARENT -Iparent -c $< -o $@
$(BUILD)/child/%.o: child/%.c $(BUILD)/flags.mk
	@mkdir -p $(@D)
	$(COMPILE) -DMOULT_ROOM_CHILD -Ichild -I$(BUILD)/child -c $< -o $@
$(BUILD)/client/%.o: client/%.c $(BUILD)/flags.mk
	@mkdir -p $(@D)
	$(COMPILE) -DMOULT_ROOM_CLIENT -Iclient -c $< -o $@

$(BUILD)/tests/san/%.o: tests/san/%.c $(BUILD)/flags.mk
	@mkdir -p $(@D)
	$(COMPILE) -c $< -o $@

# The Python runner of migrations lives in the executor as text: no path to guard.
$(BUILD)/child/migrate_py.h: child/migrate.py
	@mkdir -p $(@D)
	@{ printf 'static const char migrate_py[] =\n'; \
	   sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/\t"/' -e 's/$$/\\n"/' $<; printf ';\n'; } > $@
$(BUILD)/child/commands.o: $(BUILD)/child/migrate_py.h

$(BUILD)/libshared.a: $(SHARED)
	@rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/moult-monitor: $(PARENT) $(SAN_O) $(BUILD)/libshared.a
	$(LINK) $(PARENT) $(SAN_O) $(BUILD)/libshared.a -lhiredis -ljansson $(SHARED_LIBS) -o $@
$(BUILD)/moult-executor: $(CHILD) $(SAN_O) $(BUILD)/libshared.a
	$(LINK) $(CHILD) $(SAN_O) $(BUILD)/libshared.a -ljansson $(SHARED_LIBS) -o $@
$(BUILD)/moult: $(COMMAND) $(BUILD)/libmoult.a $(BUILD)/libshared.a
	$(LINK) $^ -lhiredis -ljansson $(SHARED_LIBS) -o $@

$(BUILD)/libmoult.pic.o: client/libmoult.c $(BUILD)/flags.mk
	@mkdir -p $(@D)
	$(COMPILE) -DMOULT_ROOM_CLIENT -Iclient -fPIC -c $< -o $@
$(BUILD)/libmoult.a: $(BUILD)/client/libmoult.o
	@rm -f $@
	$(AR) rcs $@ $^
# A library may be loaded at run time, so without -z nodlopen; it exports what its map names.
LIB_L = $(filter-out %nodlopen,$(filter -Wl% -fsanitize%,$(HARD_L)))
$(BUILD)/libmoult.so.0: $(BUILD)/libmoult.pic.o client/libmoult.map Makefile
	$(CC) $(CFLAGS) $(LDFLAGS) $(LIB_L) -shared -Wl,-soname,libmoult.so.0 \
		-Wl,--version-script=client/libmoult.map $< -o $@
	@ln -sf libmoult.so.0 $(BUILD)/libmoult.so

# ---- tests -------------------------------------------------------------------------------------

SHARED_LIBS := -lseccomp -linih -lbsd -lmd
UNIT_SHARED := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/shared/test_*.c))
UNIT_PARENT := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/parent/*.c))
UNIT_CHILD  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/child/*.c))
UNIT_CLIENT := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/client/test_*.c))
PUPPETS     := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/puppets/*.c))
# The room's own objects, all but its main().
PARENT_TESTED = $(filter-out %/main.o,$(PARENT))
CHILD_TESTED  = $(filter-out %/main.o,$(CHILD))

$(UNIT_SHARED): $(BUILD)/%: %.c $(BUILD)/libshared.a $(BUILD)/flags.mk
	@mkdir -p $(@D)
	$(COMPILE) -DMOULT_ROOM_SHARED $< $(BUILD)/libshared.a $(HARD_L) $(SHARED_LIBS) -lcmocka -o $@
$(UNIT_PARENT): $(BUILD)/%: %.c $(PARENT) $(BUILD)/libshared.a $(BUILD)/flags.mk
	@mkdir -p $(@D)
	$(COMPILE) -DMOULT_ROOM_PARENT -Iparent $< $(PARENT_TESTED) $(BUILD)/libshared.a $(HARD_L) \
		-lhiredis -ljansson $(SHARED_LIBS) -lcmocka -o $@
$(UNIT_CHILD): $(BUILD)/%: %.c $(CHILD) $(BUILD)/libshared.a $(BUILD)/flags.mk
	@mkdir -p $(@D)
	$(COMPILE) -DMOULT_ROOM_CHILD -Ichild $< $(CHILD_TESTED) $(BUILD)/libshared.a $(HARD_L) \
		-ljansson $(SHARED_LIBS) -lcmocka -o $@
$(UNIT_CLIENT): $(BUILD)/%: %.c $(BUILD)/libmoult.a $(BUILD)/flags.mk
	@mkdir -p $(@D)
	$(COMPILE) $< $(BUILD)/libmoult.a $(HARD_L) -lcmocka -o $@
$(PUPPETS): $(BUILD)/%: %.c $(BUILD)/libshared.a $(BUILD)/flags.mk
	@mkdir -p $(@D)
	$(COMPILE) $< $(BUILD)/libshared.a $(HARD_L) $(SHARED_LIBS) -o $@

# The escape suite. Layers are taken off by exchanging the calls that put them on, in the tests'
# programs alone.
ESCAPE_O := $(patsubst %.c,$(BUILD)/%.o,$(filter-out %/test_step.c %/test_monitor.c %/attempt.c,\
	$(wildcard tests/escape/*.c)))
ATTEMPT_O := $(filter $(BUILD)/tests/escape/attempts_% %/rows.o,$(ESCAPE_O))
ESCAPE := $(addprefix $(BUILD)/tests/escape/,attempt test_step test_monitor)
WRAPPED := -Wl,--wrap=setrlimit,--wrap=prctl,--wrap=close_range,--wrap=filter_available \
	-Wl,--wrap=landlock_probe,--wrap=landlock_ruleset
$(ESCAPE_O): $(BUILD)/%.o: %.c $(BUILD)/flags.mk
	@mkdir -p $(@D)
	$(COMPILE) -DMOULT_ROOM_SHARED -c $< -o $@
$(BUILD)/tests/escape/attempt: tests/escape/attempt.c $(ATTEMPT_O) $(BUILD)/flags.mk
	$(COMPILE) $< $(ATTEMPT_O) $(HARD_L) -o $@
$(BUILD)/tests/escape/test_step: tests/escape/test_step.c $(CHILD) $(ESCAPE_O) $(BUILD)/libshared.a
	$(COMPILE) -DMOULT_ROOM_CHILD -Ichild $< $(ESCAPE_O) $(CHILD_TESTED) $(BUILD)/libshared.a \
		$(HARD_L) $(WRAPPED) -Wl,--wrap=execve -ljansson $(SHARED_LIBS) -o $@
$(BUILD)/tests/escape/test_monitor: tests/escape/test_monitor.c $(PARENT) $(ESCAPE_O) \
		$(BUILD)/libshared.a
	$(COMPILE) -DMOULT_ROOM_PARENT -Iparent $< $(ESCAPE_O) $(PARENT_TESTED) $(BUILD)/libshared.a \
		$(HARD_L) $(WRAPPED) -lhiredis -ljansson $(SHARED_LIBS) -o $@

# The fuzzers: each links one room's real objects. Here replay.c runs them, over their kept corpus and
# what a fixed seed makes of it; `make fuzz` has libFuzzer do it, for SECONDS each.
FUZZ_SHARED := $(addprefix $(BUILD)/tests/fuzz/test_,conf text version wire)
FUZZ_PARENT := $(addprefix $(BUILD)/tests/fuzz/test_,redis signal status)
FUZZ_CHILD  := $(addprefix $(BUILD)/tests/fuzz/test_,applied denial git journal output signature)
FUZZERS := $(FUZZ_SHARED) $(FUZZ_PARENT) $(FUZZ_CHILD)
FUZZ_MAIN := $(if $(FUZZ),,$(BUILD)/tests/fuzz/replay.o $(SAN_O))
FUZZ_RUN  := $(or $(FUZZ_MAIN),-fsanitize=fuzzer)

$(BUILD)/tests/fuzz/%.o: tests/fuzz/%.c $(BUILD)/flags.mk
	@mkdir -p $(@D)
	$(COMPILE) -c $< -o $@
$(FUZZ_SHARED): $(BUILD)/tests/fuzz/test_%: tests/fuzz/%.c $(FUZZ_MAIN) $(BUILD)/libshared.a
	@mkdir -p $(@D)
	$(COMPILE) $< $(FUZZ_RUN) $(BUILD)/libshared.a $(HARD_L) $(SHARED_LIBS) -o $@
$(FUZZ_PARENT): $(BUILD)/tests/fuzz/test_%: tests/fuzz/%.c $(FUZZ_MAIN) $(PARENT) $(BUILD)/libshared.a
	@mkdir -p $(@D)
	$(COMPILE) -DMOULT_ROOM_PARENT -Iparent $< $(FUZZ_RUN) $(PARENT_TESTED) \
		$(BUILD)/libshared.a $(HARD_L) -lhiredis -ljansson $(SHARED_LIBS) -o $@
$(FUZZ_CHILD): $(BUILD)/tests/fuzz/test_%: tests/fuzz/%.c $(FUZZ_MAIN) $(CHILD) $(BUILD)/libshared.a
	@mkdir -p $(@D)
	$(COMPILE) -DMOULT_ROOM_CHILD -Ichild $< $(FUZZ_RUN) $(CHILD_TESTED) \
		$(BUILD)/libshared.a $(HARD_L) $(FUZZ_L) -ljansson $(SHARED_LIBS) -o $@
$(BUILD)/tests/fuzz/test_applied: FUZZ_L := -Wl,--wrap=sync_all

fuzzers: $(FUZZERS)

$(BUILD)/tests/fault/inject: tests/fault/inject.c $(BUILD)/flags.mk
	@mkdir -p $(@D)
	$(COMPILE) $< $(HARD_L) -lseccomp -o $@

UNITS := $(FUZZERS) $(UNIT_SHARED) $(UNIT_PARENT) $(UNIT_CHILD) $(UNIT_CLIENT) $(ESCAPE)

tests: all $(UNITS) $(PUPPETS)

test: deps
	@$(MAKE) --no-print-directory -j2 tests
	@MOULT_TEST_BUILD=$(abspath $(BUILD)) PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/run.py \
		--jobs $(TEST_JOBS) $(TESTS)

# Every attempt to leave the confinement, with each layer taken off in turn, as a table.
escape: deps
	@$(MAKE) --no-print-directory -j2 $(ESCAPE) >/dev/null
	@MOULT_TEST_BUILD=$(abspath $(BUILD)) PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/escape/table.py

# The same in other sandboxes, where they run.
escape-peers:
	@EXTRA_DEPS='bubblewrap firejail' sh tests/deps.sh
	@$(MAKE) --no-print-directory -j2 $(ESCAPE) >/dev/null
	@MOULT_TEST_BUILD=$(abspath $(BUILD)) PYTHONDONTWRITEBYTECODE=1 $(PYTHON) tests/escape/table.py \
		--peers

# AddressSanitizer and UBSan stop at the first error; leaks are looked for in the unit tests, since
# a sealed process cannot trace itself.
san: deps
	@$(MAKE) --no-print-directory SAN=address,undefined test

# SWEEP takes options of tests/fault/sweep.py.
crash fault: deps
	@$(MAKE) --no-print-directory -j2 all $(BUILD)/tests/fault/inject
	@MOULT_TEST_BUILD=$(abspath $(BUILD)) $(PYTHON) tests/fault/sweep.py $@ $(SWEEP)

# SECONDS for each fuzzer; FUZZ_TARGETS names some of them.
fuzz:
	@EXTRA_DEPS='$(FUZZ_DEPS)' sh tests/deps.sh
	@$(MAKE) --no-print-directory -j2 FUZZ=1 fuzzers
	@sh tests/fuzz/fuzz.sh build-fuzz $(or $(SECONDS),60) \
		$(or $(FUZZ_TARGETS),$(patsubst test_%,%,$(notdir $(FUZZERS))))

# Absence of run-time errors, for all inputs up to a size.
proof:
	@EXTRA_DEPS='$(PROOF_DEPS)' sh tests/deps.sh
	@sh tests/proof/proof.sh

# The model in every order of events, and with faults built in that must be found.
model:
	@EXTRA_DEPS=spin sh tests/deps.sh
	@MOULT_TEST_BUILD=$(abspath $(BUILD)) $(PYTHON) tests/model/run.py $(ROWS)

bench: deps
	@$(MAKE) --no-print-directory -j2 all $(BUILD)/tests/puppets/old_kernel
	@MOULT_TEST_BUILD=$(abspath $(BUILD)) $(PYTHON) tests/bench/cost.py

demo: deps
	@$(MAKE) --no-print-directory all
	@BUILD=$(abspath $(BUILD)) sh tests/demo.sh

# The messages, rule tables and system call tables, as SECURITY.md holds them.
tables: tests
	@$(BUILD)/tests/child/print_tables
	@$(BUILD)/tests/parent/print_tables

# ---- care --------------------------------------------------------------------------------------

SOURCES := $(wildcard include/*.h shared/*.[ch] parent/*.[ch] child/*.[ch] client/*.[ch] \
	tests/*/*.[ch] tests/examples/c/*.c)
FUZZ_DEPS := clang libclang-rt-14-dev
PROOF_DEPS := frama-c-base
LINT_DEPS := clang clang-format clang-tidy cppcheck shellcheck mandoc $(PROOF_DEPS)

# A room with its own include path: $(call analyze,folder,ROOM).
define analyze
	cppcheck --quiet --enable=warning,performance,portability --inline-suppr --std=c11 \
		--error-exitcode=1 --suppress=missingIncludeSystem -Iinclude -I$(1) -DMOULT_ROOM_$(2) $(1)
	clang-tidy --quiet --warnings-as-errors='*' $(1)/*.c -- $(OURS) -DMOULT_ROOM_$(2) -I$(1) \
		-Ibuild-lint-gcc/$(1) 2>build-lint-gcc/tidy.log

endef

lint:
	@EXTRA_DEPS='$(LINT_DEPS)' sh tests/deps.sh
	clang-format --dry-run -Werror $(SOURCES)
	$(MAKE) --no-print-directory -j2 BUILD=build-lint-gcc CC=gcc EXTRA=-Werror tests
	$(MAKE) --no-print-directory -j2 BUILD=build-lint-clang CC=clang EXTRA=-Werror tests
	$(call analyze,shared,SHARED)
	$(call analyze,parent,PARENT)
	$(call analyze,child,CHILD)
	$(call analyze,client,CLIENT)
	shellcheck tests/*.sh tests/*/*.sh .ci/run
	sh tests/proof/proof.sh
	mandoc -T lint -W warning client/*.1 client/*.3 shared/*.5

format:
	clang-format -i $(SOURCES)

# ---- install -----------------------------------------------------------------------------------

# DESTDIR stages; it is never written into a file.
INSTALL ?= install
install: all
	$(INSTALL) -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(LIBEXECDIR) $(DESTDIR)$(LIBDIR) \
		$(DESTDIR)$(INCDIR) $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man3 \
		$(DESTDIR)$(MANDIR)/man5
	$(INSTALL) -m 755 $(BUILD)/moult $(DESTDIR)$(BINDIR)/moult
	$(INSTALL) -m 755 $(BUILD)/moult-monitor $(BUILD)/moult-executor $(DESTDIR)$(LIBEXECDIR)/
	$(INSTALL) -m 644 $(BUILD)/libmoult.a $(DESTDIR)$(LIBDIR)/libmoult.a
	$(INSTALL) -m 755 $(BUILD)/libmoult.so.0 $(DESTDIR)$(LIBDIR)/libmoult.so.0
	ln -sf libmoult.so.0 $(DESTDIR)$(LIBDIR)/libmoult.so
	$(INSTALL) -m 644 include/moult.h $(DESTDIR)$(INCDIR)/moult.h
	$(INSTALL) -m 644 client/moult.1 $(DESTDIR)$(MANDIR)/man1/moult.1
	$(INSTALL) -m 644 client/libmoult.3 $(DESTDIR)$(MANDIR)/man3/libmoult.3
	$(INSTALL) -m 644 shared/moult.conf.5 $(DESTDIR)$(MANDIR)/man5/moult.conf.5

uninstall:
	rm -f $(DESTDIR)$(BINDIR)/moult $(DESTDIR)$(LIBEXECDIR)/moult-monitor \
		$(DESTDIR)$(LIBEXECDIR)/moult-executor $(DESTDIR)$(LIBDIR)/libmoult.a \
		$(DESTDIR)$(LIBDIR)/libmoult.so.0 $(DESTDIR)$(LIBDIR)/libmoult.so \
		$(DESTDIR)$(INCDIR)/moult.h $(DESTDIR)$(MANDIR)/man1/moult.1 \
		$(DESTDIR)$(MANDIR)/man3/libmoult.3 $(DESTDIR)$(MANDIR)/man5/moult.conf.5
	-rmdir $(DESTDIR)$(LIBEXECDIR)

clean:
	rm -rf build build-san build-fuzz build-lint-gcc build-lint-clang

-include $(wildcard $(BUILD)/*.d $(BUILD)/*/*.d $(BUILD)/tests/*/*.d)

# Outrigger. `make` builds, `make help` lists what else there is.
#
# SAN=1       AddressSanitizer and UndefinedBehaviorSanitizer    (objects in build-asan/)
# SAN=thread  ThreadSanitizer                                    (objects in build-tsan/)
# BORINGSSL=/prefix  another BoringSSL than Debian's package (include/ and lib/ below it)

CC      ?= gcc
SAN     ?=
BUILD   := build$(if $(filter thread,$(SAN)),-tsan,$(if $(SAN),-asan))
PYTHON  := /usr/bin/python3

# ---- dependencies -----------------------------------------------------------------------------
# libevent: the event loop, DNS and the admin ports' HTTP.    BoringSSL: TLS and certificates.
# nghttp2: HTTP/2 and HPACK.       libnftnl, libmnl: netfilter.    protobuf-c: messages.
# jansson: JSON.                   libyaml: manifests.             cmocka: unit tests.
DEB_BUILD := build-essential pkg-config libevent-dev android-libboringssl-dev libnghttp2-dev \
             libnftnl-dev libmnl-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler \
             libprotobuf-dev libjansson-dev libyaml-dev
# nftables, iptables: what outrigger-init is compared with. tcpdump, curl, iproute2: the demo.
DEB_TEST  := libcmocka-dev python3 python3-pytest python3-yaml python3-grpcio python3-protobuf \
             python3-cryptography nftables iptables iproute2 tcpdump curl procps util-linux

ifdef BORINGSSL
SSL_CFLAGS := -isystem $(BORINGSSL)/include
SSL_LIBS   := -L$(BORINGSSL)/lib -lssl -lcrypto -Wl,-rpath,$(BORINGSSL)/lib -lpthread
else
SSL_DIR    := /usr/lib/$(shell $(CC) -dumpmachine)/android
SSL_CFLAGS := -isystem /usr/include/android
SSL_LIBS   := -L$(SSL_DIR) -lssl -lcrypto -Wl,-rpath,$(SSL_DIR)
endif

WARN   := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings -Wvla \
          -Wundef -Werror=switch -Werror=implicit-function-declaration $(if $(CI),-Werror)
CFLAGS ?= -O2 -g
ALL_CFLAGS := -std=gnu11 $(CFLAGS) $(WARN) -fstack-protector-strong -fPIE -D_GNU_SOURCE \
          -I. -I$(BUILD)/gen $(SSL_CFLAGS) -MMD -MP -pthread
ifeq ($(SAN),)
ALL_CFLAGS += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
else ifeq ($(SAN),thread)
ALL_CFLAGS += -fsanitize=thread -fno-omit-frame-pointer
SAN_LIBS   := -fsanitize=thread
else
ALL_CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SAN_LIBS   := -fsanitize=address,undefined
endif
LDFLAGS += -pie -Wl,-z,relro,-z,now -Wl,--as-needed -pthread $(SAN_LIBS)

COMMON_LIBS     := -lnghttp2 -levent_core -levent_extra -levent_pthreads -lprotobuf-c -ljansson $(SSL_LIBS)
INIT_LIBS       := -lnftnl -lmnl
CONTROLLER_LIBS := -lyaml

# ---- sources ----------------------------------------------------------------------------------
COMMON_SRC     := $(sort $(wildcard common/*.c common/*/*.c))
INIT_SRC       := $(sort $(wildcard init/*.c))
CONTROLLER_SRC := $(sort $(wildcard controller/*.c controller/*/*.c))
PROXY_SRC      := $(sort $(wildcard proxy/*.c proxy/*/*.c))
PROTO_SRC      := $(sort $(wildcard proto/*.proto))

PROGRAMS := $(BUILD)/outrigger-init $(BUILD)/outrigger-controller $(BUILD)/outrigger-proxy

# ---- build ------------------------------------------------------------------------------------
obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
PROTO_GEN := $(patsubst %.proto,$(BUILD)/gen/%.pb-c.c,$(PROTO_SRC)) \
             $(BUILD)/gen/google/protobuf/any.pb-c.c
PROTO_OBJ := $(PROTO_GEN:.c=.o)

.DEFAULT_GOAL := all
.PHONY: all deps demo test bench lint fmt fuzz install clean help
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAMS) ## build the programs (the default)

# Generated headers must exist before anything that may include them is compiled.
$(BUILD)/%.o: %.c | $(PROTO_GEN)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(CC) $(filter-out -W%,$(ALL_CFLAGS)) -c -o $@ $<

$(BUILD)/gen/%.pb-c.c: %.proto
	@mkdir -p $(BUILD)/gen
	protoc-c -I. --c_out=$(BUILD)/gen $<

$(BUILD)/gen/google/protobuf/any.pb-c.c:
	@mkdir -p $(BUILD)/gen
	protoc-c -I/usr/include --c_out=$(BUILD)/gen /usr/include/google/protobuf/any.proto

$(BUILD)/libcommon.a: $(call obj,$(COMMON_SRC)) $(PROTO_OBJ)
	@rm -f $@; ar rcs $@ $^
$(BUILD)/libinit.a: $(call obj,$(filter-out init/main.c,$(INIT_SRC)))
	@rm -f $@; ar rcs $@ $^
$(BUILD)/libcontroller.a: $(call obj,$(filter-out controller/main.c,$(CONTROLLER_SRC)))
	@rm -f $@; ar rcs $@ $^
$(BUILD)/libproxy.a: $(call obj,$(filter-out proxy/main.c,$(PROXY_SRC)))
	@rm -f $@; ar rcs $@ $^

$(BUILD)/outrigger-%: $(BUILD)/%/main.o $(BUILD)/lib%.a $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $^ $(COMMON_LIBS) $(INIT_LIBS) $(CONTROLLER_LIBS)

# A unit test is one program a file; it links with the archive of the part that it tests.
UNIT_SRC := $(sort $(wildcard test/unit/*/*.c test/unit/*/*/*.c))
UNIT_BIN := $(patsubst %.c,$(BUILD)/%,$(UNIT_SRC))
unit_lib  = $(BUILD)/lib$(word 3,$(subst /, ,$(patsubst $(BUILD)/%,%,$(1)))).a

.SECONDEXPANSION:
$(UNIT_BIN): %: %.o $$(call unit_lib,$$@) $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $< $(call unit_lib,$@) $(BUILD)/libcommon.a -lcmocka $(COMMON_LIBS) $(INIT_LIBS) $(CONTROLLER_LIBS)

test-unit: $(UNIT_BIN) ## the unit tests alone
	@for t in $(UNIT_BIN); do ./$$t || exit 1; done

# Seeds replay through the same entry point that libFuzzer drives: test/fuzz/NAME.c with the seed
# corpus test/fuzz/corpus/NAME/. The part it links with is named on its line `// fuzz: PART`.
FUZZ_SRC := $(sort $(wildcard test/fuzz/fuzz_*.c))
FUZZ_REPLAY := $(patsubst %.c,$(BUILD)/%,$(FUZZ_SRC))
fuzz_lib  = $(BUILD)/lib$(shell sed -n 's,^// fuzz: ,,p' $(patsubst $(BUILD)/%,%,$(1)).c).a

$(FUZZ_REPLAY): %: %.o $(BUILD)/test/fuzz/replay.o $$(call fuzz_lib,$$@) $(BUILD)/libcommon.a
	$(CC) $(LDFLAGS) -o $@ $< $(BUILD)/test/fuzz/replay.o $(call fuzz_lib,$@) $(BUILD)/libcommon.a $(COMMON_LIBS) $(INIT_LIBS) $(CONTROLLER_LIBS)

test-fuzz: $(FUZZ_REPLAY) ## replay the fuzz corpora
	@for t in $(FUZZ_REPLAY); do ./$$t test/fuzz/corpus/$$(basename $$t) || exit 1; done

fmt: ## format the sources
	clang-format -i $$(git ls-files '*.c' '*.h')

lint: ## format, include direction, file length, banned functions
	$(PYTHON) test/lint.py

clean: ## remove what was built
	rm -rf build build-*

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

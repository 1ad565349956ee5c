# Outrigger. `make` builds, `make help` lists what else there is.
#
# SAN=1       AddressSanitizer and UndefinedBehaviorSanitizer    (objects in build-asan/)
# SAN=thread  ThreadSanitizer                                    (objects in build-tsan/)
# BORINGSSL=/prefix  another BoringSSL than Debian's package (include/ and lib/ below it)
# V=1         whole commands instead of one word and a name for each

CC      ?= gcc
SAN     ?=
BUILD   := build$(if $(filter thread,$(SAN)),-tsan,$(if $(SAN),-asan))
PYTHON  := /usr/bin/python3

# ---- dependencies -----------------------------------------------------------------------------
# libevent: the event loop and DNS (levent_extra).    BoringSSL: TLS and certificates.
# nghttp2: HTTP/2 and HPACK.       libnftnl, libmnl: netfilter.    protobuf-c: messages.
# jansson: JSON.                   libyaml: manifests.             cmocka: unit tests.
DEB_BUILD := build-essential pkg-config libevent-dev android-libboringssl-dev libnghttp2-dev \
             libnftnl-dev libmnl-dev libprotobuf-c-dev protobuf-c-compiler protobuf-compiler \
             libprotobuf-dev libjansson-dev libyaml-dev
# nftables, iptables: what outrigger-init is compared with. tcpdump, curl, netcat, iproute2: the demo.
DEB_TEST  := libcmocka-dev python3 python3-pytest python3-yaml python3-grpcio python3-protobuf \
             python3-cryptography python3-jsonschema nftables iptables iproute2 tcpdump curl netcat-openbsd procps util-linux \
             clang-format git
# Go builds h2spec and peers for the tests (test/go); a toolchain that is there already is used.
DEB_TEST  += python3-h2 python3-websockets nghttp2-client $(if $(shell command -v go),,golang-go)
# haproxy, nginx: they read what the proxy writes, and must see the same requests in it; the benchmarks compare with them.
DEB_TEST  += haproxy nginx
# Most of a test's time is waiting for the timeout that it is about: several files run side by side.
DEB_TEST  += python3-pytest-xdist
DEB_BENCH := openssl
DEB_FUZZ  := clang libclang-rt-14-dev

ifdef BORINGSSL
SSL_CFLAGS := -isystem $(BORINGSSL)/include
SSL_LIBS   := -L$(BORINGSSL)/lib -lssl -lcrypto -Wl,-rpath,$(BORINGSSL)/lib -lpthread
else
SSL_DIR    := $(patsubst %/libssl.so,%,$(firstword $(wildcard /usr/lib/*/android/libssl.so)))
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
CONTROLLER_LIBS := -lyaml -lm

# ---- sources ----------------------------------------------------------------------------------
# In the order of what happens, so that reading the lists is reading the architecture; `make lint`
# tells what is missing.
COMMON_SRC := $(addprefix common/, \
    err.c log.c log_libevent.c buf.c arena.c map.c cidr.c original_dst.c options.c options_json.c base64.c file.c std_streams.c jitter.c mailbox.c \
    confine.c event_cells.c startup_pages.c end_signals.c usage.c text.c time_json.c html_text.c \
    form.c socket_bio.c admin_trim.c admin_listener.c admin_conn.c admin_conn_io.c admin_conn_write.c admin_http.c \
    admin_log_level.c resource_type.c \
    regex.c regex_code.c regex_parse.c dns_name.c spiffe.c x509_time.c ed25519.c trust_anchors.c \
    svid_verify.c svid_cache.c svid.c svid_tls.c jws.c jwks.c) \
  $(addprefix common/http/, \
    query.c chars.c head.c pattern.c h1_fault.c h1_end.c h1_fields.c h1_target.c h1_parse.c h1_body.c \
    status_text.c h1_write.c) \
  $(addprefix common/grpc/, \
    status.c metadata.c framing.c answer.c glitch.c \
    turn.c transport.c session.c session_h2.c pipe.c \
    client.c channel.c resolve.c link.c call.c \
    server.c server_conn.c server_stream.c)

# Options in, a list of rules out, and the ways that it takes into the kernel.
INIT_SRC := $(addprefix init/, \
    main.c options.c lists.c rules.c lock.c backend.c \
    nft.c nft_rule.c nft_verify.c render.c iptables.c iptables_text.c program.c verify.c ipv6.c)

# Objects from their source, compiled to resources, told to the proxies; the identities; the pages.
CONTROLLER_SRC := $(addprefix controller/, \
    main.c options.c commands.c serve.c) \
  $(addprefix controller/source/, manifests.c walk.c watch.c manifest_file.c skipped.c kubernetes.c) \
  $(addprefix controller/kubernetes/, kube_access.c kube_url.c kube_call.c kube_objects.c kube_watch.c token_review.c anchors_publisher.c) \
  $(addprefix controller/objects/, \
    yaml_node.c field.c value.c ports.c quantity.c annotations.c read.c object.c \
    namespace.c service_account.c pod.c service.c endpoint_slice.c access_target.c access_policy.c \
    grpc_failure.c traffic_retries.c traffic_limits.c traffic_jwt.c traffic_external.c traffic_balancing.c traffic_resilience.c traffic_policy.c \
    http_filter.c route.c route_matches.c route_filters.c reference_grant.c external_service.c smi_spec.c traffic_target.c traffic_split.c keys.c store.c problems.c) \
  $(addprefix controller/compile/, \
    compile.c context.c effective.c pod_ports.c protocol.c workload.c access.c jwt.c external.c egress.c \
    dialled.c routes.c route_match.c route_rule.c \
    route_filter.c route_backend.c retries.c endpoints.c endpoint.c conflicts.c \
    route_status.c route_problems.c traffic_split.c traffic_target.c) \
  $(addprefix controller/inject/, \
    settings.c wishes.c decide.c plan.c probes.c containers.c patch.c warnings.c inject.c \
    validate.c review.c) \
  $(addprefix controller/delta/, server.c stream.c request.c state.c cache.c response.c) \
  $(addprefix controller/, \
    state_dir.c certificate.c ca.c server_identity.c jwt.c token.c csr.c \
    identity_service.c webhook_tls.c webhook.c) \
  $(addprefix controller/admin/, admin.c home.c pages.c effect.c route_page.c metrics.c)

# The corridor of a connection, then what it is decided by, then what looks on.
PROXY_SRC := $(addprefix proxy/, \
    main.c commands.c options.c process.c worker.c workspace.c \
    accept/listener.c accept/loop.c \
    tunnel.c tunnel_inbound.c tunnel_outbound.c tunnel_egress.c tunnel_peek.c tunnel_connect.c tunnel_relay.c tunnel_record.c \
    downstream.c request.c request_edit.c flow_labels.c request_trace.c request_authenticate.c request_inbound.c request_side_call.c request_ask_authorizer.c request_limit.c request_ask_limiter.c request_outbound.c request_hash.c request_route.c request_filter.c request_mirror.c request_upstream.c request_retry.c request_outcome.c request_breaker.c request_replay.c \
    request_relay.c request_answer.c request_record.c \
    detect/client_hello.c detect/port_memory.c tls/tls_layer.c tls/mesh_handshake.c detect/protocol.c \
    route/path.c route/routes.c route/filters.c route/filter_apply.c route/match.c route/retry_budget.c \
    policy/jwt_rules.c policy/external_rules.c policy/egress.c policy/access.c policy/access_match.c policy/access_index.c policy/access_covers.c \
    policy/access_build.c policy/access_values.c policy/access_describe.c \
    limit/gcra.c limit/buckets.c limit/rate_limits.c limit/refusals.c \
    upstream/waits.c upstream/balancers.c upstream/ejected.c balance/balancer.c balance/generation.c balance/peak_ewma.c balance/consistent.c balance/outlier.c balance/ejection.c balance/success_rate.c upstream/connect.c \
    upstream/http_connect.c upstream/pools.c upstream/pool.c upstream/pool_conn.c upstream/pool_describe.c \
    conn/conn.c conn/too_late.c conn/timer_wheel.c conn/graveyard.c \
    codec/codec.c codec/stream.c codec/h1_server.c codec/h1_client.c codec/h1_conn.c \
    codec/h1_receive.c codec/h1_stream.c \
    codec/h2_server.c codec/h2_client.c codec/h2_session.c codec/h2_callbacks.c codec/h2_stream.c \
    codec/h2_sender.c codec/h2_times.c codec/h2_head.c codec/h2_glitch.c codec/h2_past.c codec/h2_frames.c codec/h2_memory.c \
    codec/output.c codec/queue.c codec/slabs.c \
    telemetry/label_text.c telemetry/telemetry.c telemetry/request_reason.c telemetry/request_stats.c \
    telemetry/metrics.c telemetry/request_metrics.c telemetry/trace_context.c \
    telemetry/request_facts.c telemetry/request_filter.c telemetry/access_log.c telemetry/tap.c \
    telemetry/span.c telemetry/trace_export.c \
    control/control.c control/identity.c control/certify.c control/mesh_tls.c \
    control/discovery.c control/request.c control/resources.c \
    probe/spec.c probe/probes.c probe/socket.c probe/grpc.c \
    snapshot.c config/workload.c config/balance_rules.c config/service.c config/endpoints.c wire.c) \
  $(addprefix proxy/admin/, \
    admin.c gather.c html.c endpoint_json.c opaque_json.c hash_on_json.c routes_json.c readiness.c \
    page_index.c page_livez.c page_readyz.c page_metrics.c page_config.c page_services.c \
    page_endpoints.c page_connections.c page_certificates.c page_policies.c page_memory.c page_tap.c page_explain.c explain.c \
    page_app_probe.c page_drain.c page_quit.c)

# What people type: the controller's pure rooms, at a terminal.
CLI_SRC := $(addprefix cli/, \
    main.c options.c inject.c workload.c yaml_tree.c yaml_edit.c yaml_write.c)

PROTO_SRC := $(addprefix proto/, node.proto status.proto discovery.proto identity.proto \
    resources.proto otlp.proto ext_authz.proto rate_limit.proto)

PROGRAMS := $(BUILD)/outrigger-init $(BUILD)/outrigger-controller $(BUILD)/outrigger-proxy $(BUILD)/outrigger

# ---- build ------------------------------------------------------------------------------------
obj = $(patsubst %.c,$(BUILD)/%.o,$(1))
PROTO_GEN := $(patsubst %.proto,$(BUILD)/gen/%.pb-c.c,$(PROTO_SRC)) \
             $(BUILD)/gen/google/protobuf/any.pb-c.c
PROTO_OBJ := $(PROTO_GEN:.c=.o)

.DEFAULT_GOAL := all
.PHONY: all bench-access deps deps-bench deps-fuzz demo test test-unit test-fuzz test-e2e test-threads bench soak lint fmt readme \
        fuzz fuzz-run install clean help print-sources compile_commands.json force
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PROGRAMS) ## build the programs (the default)

# One short line for each file that is made, so that warnings and tests can be seen between them.
Q    := $(if $(V),,@)
made  = $(if $(V),,@printf '  %-6s %s\n' $(1) $@)

# Generated headers must exist before anything that may include them is compiled.
$(BUILD)/%.o: %.c | $(PROTO_GEN)
	@mkdir -p $(@D)
	$(call made,CC)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(call made,CC)
	$(Q)$(CC) $(filter-out -W%,$(ALL_CFLAGS)) -c -o $@ $<

# The header is named as well: what includes it must be compiled again in the same run.
$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h: %.proto
	@mkdir -p $(BUILD)/gen
	$(call made,PROTOC)
	$(Q)protoc-c -I. --c_out=$(BUILD)/gen $<

$(BUILD)/gen/google/protobuf/any.pb-c.c:
	@mkdir -p $(BUILD)/gen
	$(call made,PROTOC)
	$(Q)protoc-c -I/usr/include --c_out=$(BUILD)/gen /usr/include/google/protobuf/any.proto

# The list of an archive is a file that is written when it has changed only: taking a source out of a
# list, or putting back one that was compiled before, makes no object newer than the archive.
define ARCHIVE
$(BUILD)/lib$(1).list: force
	@mkdir -p $$(@D); printf '%s\n' $(2) | cmp -s - $$@ || printf '%s\n' $(2) >$$@
$(BUILD)/lib$(1).a: $(2) $(BUILD)/lib$(1).list
	@rm -f $$@; ar rcs $$@ $$(filter %.o,$$^)

endef
parts = $(call obj,$(filter-out %/main.c,$(1)))
$(eval $(call ARCHIVE,common,$(call obj,$(COMMON_SRC)) $(PROTO_OBJ)))
$(eval $(call ARCHIVE,init,$(call parts,$(INIT_SRC))))
$(eval $(call ARCHIVE,controller,$(call parts,$(CONTROLLER_SRC))))
$(eval $(call ARCHIVE,proxy,$(call parts,$(PROXY_SRC))))
# With what it shares with the controller, so that one archive is enough for its tests.
$(eval $(call ARCHIVE,cli,$(call parts,$(CLI_SRC)) \
    $(call obj,$(filter controller/objects/% controller/inject/%,$(CONTROLLER_SRC)))))

$(BUILD)/outrigger-%: $(BUILD)/%/main.o $(BUILD)/lib%.a $(BUILD)/libcommon.a
	$(call made,LINK)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(COMMON_LIBS) $(INIT_LIBS) $(CONTROLLER_LIBS)

$(BUILD)/outrigger: $(BUILD)/cli/main.o $(BUILD)/libcli.a $(BUILD)/libcommon.a
	$(call made,LINK)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(COMMON_LIBS) $(CONTROLLER_LIBS)

# A unit test is one program a file; it links with the archive of the part that it tests.
UNIT_SRC := $(sort $(wildcard test/unit/*/*.c test/unit/*/*/*.c))
UNIT_BIN := $(patsubst %.c,$(BUILD)/%,$(UNIT_SRC))
unit_lib  = $(BUILD)/lib$(word 3,$(subst /, ,$(patsubst $(BUILD)/%,%,$(1)))).a

.SECONDEXPANSION:
$(UNIT_BIN): %: %.o $$(call unit_lib,$$@) $(BUILD)/libcommon.a
	$(call made,LINK)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(call unit_lib,$@) $(BUILD)/libcommon.a -lcmocka $(COMMON_LIBS) $(INIT_LIBS) $(CONTROLLER_LIBS)

test-unit: $(UNIT_BIN) ## the unit tests alone
	@for t in $(UNIT_BIN); do ./$$t || exit 1; done

# Peers of our own for the end-to-end tests, one program a file.
TEST_PROGRAMS := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard test/programs/*.c)))

$(BUILD)/test/programs/%: $(BUILD)/test/programs/%.o $(BUILD)/libcommon.a
	$(call made,LINK)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(COMMON_LIBS)

# Seeds replay through the same entry point that libFuzzer drives: test/fuzz/NAME.c with the seed
# corpus test/fuzz/corpus/NAME/. The part it links with is named on its line `// fuzz: PART`.
FUZZ_SRC := $(sort $(wildcard test/fuzz/fuzz_*.c))
FUZZ_REPLAY := $(patsubst %.c,$(BUILD)/%,$(FUZZ_SRC))
fuzz_lib  = $(BUILD)/lib$(shell sed -n 's,^// fuzz: ,,p' $(patsubst $(BUILD)/%,%,$(1)).c).a

$(FUZZ_REPLAY): %: %.o $(BUILD)/test/fuzz/replay.o $$(call fuzz_lib,$$@) $(BUILD)/libcommon.a
	$(call made,LINK)
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(BUILD)/test/fuzz/replay.o $(call fuzz_lib,$@) $(BUILD)/libcommon.a $(COMMON_LIBS) $(INIT_LIBS) $(CONTROLLER_LIBS)

test-fuzz: $(FUZZ_REPLAY) ## replay the fuzz corpora
	@for t in $(FUZZ_REPLAY); do ./$$t test/fuzz/corpus/$$(basename $$t) || exit 1; done

# libFuzzer drives the same entry points; everything is built with its instrumentation by clang.
FUZZ_SECONDS ?= 60
FUZZ_BIN     := $(patsubst test/fuzz/%.c,build-fuzz/test/fuzz/%.live,$(FUZZ_SRC))
fuzz: deps-fuzz ## run each fuzz target for FUZZ_SECONDS (60), from its corpus
	@$(MAKE) --no-print-directory fuzz-run BUILD=build-fuzz CC=clang SAN=1 \
	    CFLAGS="-O1 -g -fsanitize=fuzzer-no-link"
fuzz-run: $(FUZZ_BIN)
	@for t in $(FUZZ_BIN); do name=$$(basename $$t .live); mkdir -p build-fuzz/found/$$name; \
	    dict=test/fuzz/dict/$${name#fuzz_}.dict; [ -f $$dict ] && dict=-dict=$$dict || dict=; \
	    echo "== $$name"; ./$$t $$dict -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=2048 -timeout=10 \
	        -print_final_stats=1 -verbosity=0 -artifact_prefix=build-fuzz/found/$$name- \
	        build-fuzz/found/$$name test/fuzz/corpus/$$name || exit 1; done
build-fuzz/test/fuzz/%.live: build-fuzz/test/fuzz/%.o build-fuzz/libcommon.a build-fuzz/libinit.a \
                             build-fuzz/libcontroller.a build-fuzz/libproxy.a build-fuzz/libcli.a
	$(call made,LINK)
	$(Q)clang -fsanitize=fuzzer $(LDFLAGS) -o $@ $< build-fuzz/lib$$(sed -n 's,^// fuzz: ,,p' test/fuzz/$*.c).a \
	    build-fuzz/libcommon.a $(COMMON_LIBS) $(INIT_LIBS) $(CONTROLLER_LIBS)

# h2spec: HTTP/2 conformance.
GO_PROGRAMS := h2spec=github.com/summerwind/h2spec/cmd/h2spec peer=outrigger/test/peer

# Each in namespaces of its own; the hash seed is fixed, or they would not agree on what the tests are.
JOBS ?= 4
test-e2e: all $(TEST_PROGRAMS) ## the end-to-end tests alone; T=name picks some, JOBS=1 takes one after the other
	PYTHONHASHSEED=0 OUTRIGGER_BUILD=$(BUILD) test/with-namespaces $(PYTHON) -m pytest -q -p no:cacheprovider \
	    -n $(JOBS) --dist loadfile test/e2e $(if $(T),-k "$(T)")

test: deps ## build, then unit tests, fuzz corpora and end-to-end tests (SAN=1, SAN=thread: sanitized)
	@$(MAKE) --no-print-directory test-unit test-fuzz
	@test/build-go build/tools $(GO_PROGRAMS)
	@$(MAKE) --no-print-directory test-e2e

test-threads: deps ## what has threads, and HTTP with four workers: run it with SAN=thread
	@$(MAKE) --no-print-directory test-unit
	@$(MAKE) --no-print-directory test-e2e T=threads
	@OUTRIGGER_WORKERS=4 $(MAKE) --no-print-directory test-e2e T=test_http

demo: deps ## build a mesh in network namespaces and show what it does; KEEP=1 leaves it up
	@$(MAKE) --no-print-directory all
	@OUTRIGGER_BUILD=$(BUILD) test/with-namespaces $(PYTHON) test/demo/demo.py $(if $(KEEP),--keep)

bench: deps-bench ## measure beside HAProxy; prints a table and writes build/bench.json
	@$(MAKE) --no-print-directory all $(BENCH_TOOLS) $(BUILD)/test/bench/counting
	@OUTRIGGER_BUILD=$(BUILD) test/with-namespaces $(PYTHON) test/bench/bench.py
	@OUTRIGGER_BUILD=$(BUILD) test/with-namespaces $(PYTHON) test/bench/bench_http.py
	@OUTRIGGER_BUILD=$(BUILD) test/with-namespaces $(PYTHON) test/bench/bench_features.py

bench-access: $(BUILD)/test/bench/access ## measure what an AccessPolicy costs a request
	@$<

MINUTES ?= 10
soak: deps ## traffic while everything changes, for MINUTES (10); best with SAN=1
	@$(MAKE) --no-print-directory all
	@OUTRIGGER_BUILD=$(BUILD) test/with-namespaces $(PYTHON) test/soak.py --minutes $(MINUTES)

# Installs what is missing, so that `make demo` and `make test` work on a bare machine.
deps: ## install what building and testing need from Debian, if something is missing
	@test/install-packages $(DEB_BUILD) $(DEB_TEST)
deps-bench:
	@test/install-packages $(DEB_BUILD) $(DEB_TEST) $(DEB_BENCH)
deps-fuzz:
	@test/install-packages $(DEB_BUILD) $(DEB_FUZZ)

PREFIX ?= /usr/local
install: all ## install the programs below PREFIX (/usr/local)
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 0755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin

BENCH_TOOLS := $(addprefix $(BUILD)/test/bench/,load http_load floor)
$(BENCH_TOOLS): %: %.o $(BUILD)/test/bench/tool.o $(BUILD)/libcommon.a
	$(call made,LINK)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^

$(BUILD)/test/bench/access $(BUILD)/test/bench/counting: %: %.o $(BUILD)/test/bench/tool.o \
                            $(BUILD)/libproxy.a $(BUILD)/libcommon.a
	$(call made,LINK)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(COMMON_LIBS)

readme: all ## write the README's tables of options and reasons anew
	@OUTRIGGER_BUILD=$(BUILD) $(PYTHON) test/readme.py

fmt: ## format the sources
	clang-format -i $$(git ls-files '*.c' '*.h')

lint: ## format, include direction, file length, banned functions
	@$(PYTHON) test/lint.py

print-sources: # for lint
	@printf '%s\n' $(COMMON_SRC) $(INIT_SRC) $(CONTROLLER_SRC) $(PROXY_SRC) $(CLI_SRC) $(PROTO_SRC)

compile_commands.json: ## for editors and clang-tidy
	@$(MAKE) -Bnk all 2>/dev/null | $(PYTHON) test/compile_commands.py > $@

clean: ## remove what was built
	rm -rf build build-*

help: ## list the targets
	@sed -n 's/^\([a-z0-9_.-]*\):.*## \(.*\)/\1|\2/p' $(firstword $(MAKEFILE_LIST)) | LC_ALL=C sort | \
	    while IFS='|' read -r name text; do printf '  %-22s %s\n' "$$name" "$$text"; done

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

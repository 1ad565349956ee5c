/*
 * A gRPC client of plain bytes for the interop tests, driven by lines on standard input:
 * grpc_echo_client target=HOST:PORT [name=value ...]
 *
 *   authority, identity, backoff_min_ms, backoff_max_ms, connect_ms, keepalive_ms,
 *   keepalive_timeout_ms, max_message, max_queued
 *   chain, key, anchors, domain: PEM files and trust domain, for TLS
 *
 *   call ID PATH DEADLINE_MS    starts a call
 *   send ID TEXT                one message; "sent ID" or "full ID"
 *   fill ID COUNT SIZE          COUNT messages of SIZE bytes, as fast as the queue takes them
 *   done ID | cancel ID | pause ID | resume ID
 *   renew                       another connection
 *
 * and telling what happens: "message ID LENGTH TEXT" (32 bytes of text at most), "end ID CODE
 * MESSAGE|DETAILS", "filled ID", "connected", "disconnected REASON".
 */
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/grpc/client.h"
#include "test/programs/grpc_args.h"

#define MAX_CALLS 256

struct client {
    struct event_base *base;
    struct grpc_channel *channel;
    struct grpc_call *calls[MAX_CALLS];
    uint64_t fill_left[MAX_CALLS], fill_size[MAX_CALLS];
    struct buf input;
};

/* The context of a call: which one of which client. */
struct entry {
    struct client *client;
    unsigned id;
};

static void say_state(void *context, bool is_connected, const struct err *err)
{
    (void)context;
    if (is_connected)
        printf("connected\n");
    else
        printf("disconnected %s\n", err->text);
    fflush(stdout);
}

static void on_message(void *context, struct grpc_call *call, struct slice message)
{
    (void)call;
    struct entry *entry = context;
    printf("message %u %zu %.*s\n", entry->id, message.len,
           message.len < 32 ? (int)message.len : 32, message.len ? message.ptr : "");
    fflush(stdout);
}

static void fill(struct client *client, unsigned id)
{
    char *bytes = calloc(1, client->fill_size[id] + 1);
    if (!bytes || client->fill_left[id] == 0) {
        free(bytes);
        return;
    }
    while (client->fill_left[id] > 0 &&
           grpc_call_send(client->calls[id], slice_of(bytes, client->fill_size[id])))
        client->fill_left[id]--;
    free(bytes);
    if (client->fill_left[id] == 0)
        printf("filled %u\n", id);
    fflush(stdout);
}

static void on_writable(void *context, struct grpc_call *call)
{
    (void)call;
    struct entry *entry = context;
    fill(entry->client, entry->id);
}

static void on_end(void *context, struct grpc_call *call, const struct grpc_status *status)
{
    (void)call;
    struct entry *entry = context;
    entry->client->calls[entry->id] = NULL;
    printf("end %u %s %.*s|%.*s\n", entry->id, grpc_code_name(status->code),
           (int)status->message.len, status->message.len ? status->message.ptr : "",
           (int)status->details.len, status->details.len ? status->details.ptr : "");
    fflush(stdout);
    free(entry);
}

static void start(struct client *client, unsigned id, const char *path, uint64_t deadline_ms)
{
    static const struct grpc_call_handlers handlers = {on_message, on_writable, on_end};
    struct entry *entry = calloc(1, sizeof(*entry));
    if (!entry)
        abort();
    *entry = (struct entry){client, id};
    client->calls[id] = grpc_call_start(client->channel, path, &handlers, entry, deadline_ms);
}

static void obey(struct client *client, char *line)
{
    char verb[16] = "", path[128] = "";
    unsigned id = 0;
    unsigned long long a = 0, b = 0;
    int rest = 0;
    if (sscanf(line, "call %u %127s %llu", &id, path, &a) == 3 && id < MAX_CALLS) {
        start(client, id, path, a);
        return;
    }
    if (strcmp(line, "renew") == 0)
        grpc_channel_renew(client->channel);
    if (sscanf(line, "%15s %u%n", verb, &id, &rest) < 2 || id >= MAX_CALLS || !client->calls[id])
        return;
    struct grpc_call *call = client->calls[id];
    if (strcmp(verb, "send") == 0) {
        const char *text = line[rest] ? line + rest + 1 : "";
        printf("%s %u\n", grpc_call_send(call, slice_str(text)) ? "sent" : "full", id);
    } else if (strcmp(verb, "fill") == 0 && sscanf(line + rest, "%llu %llu", &a, &b) == 2) {
        client->fill_left[id] = a;
        client->fill_size[id] = b;
        fill(client, id);
    } else if (strcmp(verb, "done") == 0) {
        grpc_call_done_sending(call);
    } else if (strcmp(verb, "pause") == 0) {
        grpc_call_pause(call);
    } else if (strcmp(verb, "resume") == 0) {
        grpc_call_resume(call);
    } else if (strcmp(verb, "cancel") == 0) {
        grpc_call_cancel(call);
        client->calls[id] = NULL;
    }
    fflush(stdout);
}

static void on_input(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct client *client = arg;
    char bytes[4096], line[4096];
    ssize_t n = read(fd, bytes, sizeof(bytes));
    if (n <= 0 || !buf_append(&client->input, bytes, (size_t)n)) {
        event_base_loopbreak(client->base);
        return;
    }
    for (;;) {
        struct slice input = buf_slice(&client->input);
        const char *end = input.len ? memchr(input.ptr, '\n', input.len) : NULL;
        if (!end)
            return;
        snprintf(line, sizeof(line), "%.*s", (int)(end - input.ptr), input.ptr);
        buf_consume(&client->input, (size_t)(end - input.ptr) + 1);
        obey(client, line);
    }
}

int main(int argc, char **argv)
{
    struct err err;
    struct client client = {.base = event_base_new()};
    struct grpc_test_tls tls;
    buf_init(&client.input, 65536);
    if (!grpc_args_tls(argc, argv, SVID_CLIENT, &tls, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    struct grpc_channel_options options = {
        .target = grpc_args_text(argc, argv, "target"),
        .authority = grpc_args_text(argc, argv, "authority"),
        .tls = tls.context ? grpc_test_tls_hold : NULL,
        .tls_context = &tls,
        .expected_identity = grpc_args_text(argc, argv, "identity"),
        .connect_timeout_ms = grpc_args_number(argc, argv, "connect_ms"),
        .backoff_min_ms = grpc_args_number(argc, argv, "backoff_min_ms"),
        .backoff_max_ms = grpc_args_number(argc, argv, "backoff_max_ms"),
        .keepalive_ms = grpc_args_number(argc, argv, "keepalive_ms"),
        .keepalive_timeout_ms = grpc_args_number(argc, argv, "keepalive_timeout_ms"),
        .max_message_bytes = grpc_args_number(argc, argv, "max_message"),
        .max_queued_bytes = grpc_args_number(argc, argv, "max_queued"),
        .on_state = say_state,
    };
    client.channel = grpc_channel_new(client.base, &options, &err);
    if (!client.channel) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    struct event *input = event_new(client.base, 0, EV_READ | EV_PERSIST, on_input, &client);
    event_add(input, NULL);
    event_base_dispatch(client.base);
    grpc_channel_free(client.channel);
    event_free(input);
    event_base_free(client.base);
    buf_fini(&client.input);
    svid_tls_drop(tls.context);
    return 0;
}

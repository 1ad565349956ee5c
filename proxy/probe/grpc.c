#include "proxy/probe/run.h"

#include <stdio.h>

/* grpc.health.v1: HealthCheckRequest{string service = 1}, HealthCheckResponse{enum status = 1},
 * of which 1 is SERVING. Two fields need no generated code. */
#define CHECK_METHOD     "/grpc.health.v1.Health/Check"
#define FIELD_1_TEXT     0x0a
#define FIELD_1_NUMBER   0x08
#define SERVING          1
#define ANSWER_MAX_BYTES 4096
#define LENGTH_MAX_BYTES 5 /* of a varint */

static struct slice request_message(struct slice service, char *out)
{
    size_t used = 0, len = service.len;
    if (len == 0)
        return slice_of(out, 0);
    out[used++] = FIELD_1_TEXT;
    for (; len > 0x7f; len >>= 7)
        out[used++] = (char)(0x80 | (len & 0x7f));
    out[used++] = (char)len;
    memcpy(out + used, service.ptr, service.len);
    return slice_of(out, used + service.len);
}

static void on_message(void *context, struct grpc_call *call, struct slice message)
{
    struct probe_run *run = context;
    (void)call;
    run->is_serving =
        message.len == 2 && message.ptr[0] == FIELD_1_NUMBER && message.ptr[1] == SERVING;
}

static void on_end(void *context, struct grpc_call *call, const struct grpc_status *status)
{
    struct probe_run *run = context;
    (void)call;
    if (run->state == PROBE_ENDED)
        return;
    if (status->code != GRPC_OK)
        probe_run_fail(run, "the application answered with gRPC status %d", (int)status->code);
    else if (!run->is_serving)
        probe_run_fail(run, "the application says that it is not serving");
    else
        probe_run_answer(run, true, "the application is serving");
    probe_run_end(run);
}

void probe_grpc_start(struct probe_run *run, const struct sockaddr_any *address,
                      uint32_t socket_mark)
{
    static const struct grpc_call_handlers handlers = {.on_message = on_message, .on_end = on_end};
    char target[ADDR_TEXT_BYTES], message[ANSWER_MAX_BYTES + LENGTH_MAX_BYTES + 1];
    struct err err;
    const struct grpc_channel_options options = {.target = addr_format(address, target),
                                                 .socket_mark = socket_mark,
                                                 .max_message_bytes = ANSWER_MAX_BYTES};
    if (run->spec->target.len > ANSWER_MAX_BYTES) {
        probe_run_fail(run, "the service's name is too long");
        return;
    }
    run->channel = grpc_channel_new(event_get_base(&run->timer), &options, &err);
    if (!run->channel) {
        probe_run_fail(run, "%s", err.text);
        return;
    }
    /* Without a deadline of its own: who cannot be connected to fails at once; the rest is ours. */
    struct grpc_call *call = grpc_call_start(run->channel, CHECK_METHOD, &handlers, run, 0);
    if (!call || !grpc_call_send(call, request_message(run->spec->target, message))) {
        probe_run_fail(run, "out of memory");
        return;
    }
    grpc_call_done_sending(call);
}

#include "proxy/telemetry/trace_export.h"

#include <stdlib.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/grpc/client.h"
#include "common/jitter.h"
#include "common/list.h"
#include "common/log.h"
#include "common/version.h"
#include "proto/otlp.pb-c.h"
#include "proxy/telemetry/span.h"
#include "proxy/wire.h"

#define EXPORT_PATH    "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
#define BATCH_WAIT_MS  1000
#define CALL_MS        10000
#define ATTEMPTS       5
#define RETRY_MIN_MS   1000
#define RETRY_MAX_MS   30000
#define SPAN_BYTES_MAX (16u << 10)

/* One call's spans, or those that will be. */
struct batch {
    struct buf spans; /* serialized, each with its tag */
    uint64_t n;
};

struct trace_export {
    struct event_base *base;
    struct mailbox *box;
    struct grpc_channel *channel;
    struct event *on_time; /* a batch is due, or an attempt */
    char *namespace, *pod, *service;
    struct batch next, sending; /* `sending` is kept until it is answered */
    struct grpc_call *call;
    uint64_t n_refused; /* of `sending`, by a receiver that took the rest */
    unsigned attempt;
    bool is_finishing;
    void (*done)(void *context);
    void *context;
    struct event *on_finish;
    _Atomic uint64_t n_sent, n_dropped, n_failed, n_rejected, n_waiting;
};

struct span_letter {
    struct letter letter;
    struct trace_export *export;
    struct buf bytes;
};

static void send_next(struct trace_export *export);

static void count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void wait_ms(struct trace_export *export, uint64_t ms)
{
    struct timeval wait = clock_timeval_ms(ms);
    event_add(export->on_time, &wait);
}

static void batch_clear(struct batch *batch)
{
    buf_fini(&batch->spans);
    buf_init(&batch->spans, TRACE_BATCH_BYTES);
    batch->n = 0;
}

/* ---- the call ------------------------------------------------------------------------------- */

static void finish_if_done(struct trace_export *export)
{
    if (!export->is_finishing || export->sending.n > 0 || export->next.n > 0 || !export->done)
        return;
    void (*done)(void *) = export->done;
    export->done = NULL;
    event_del(export->on_finish);
    done(export->context);
}

/* The batch is through, one way or another; each of its spans is counted once. */
static void end_batch(struct trace_export *export, _Atomic uint64_t *counter)
{
    count(counter, export->sending.n - export->n_refused);
    count(&export->n_rejected, export->n_refused);
    export->n_refused = 0;
    atomic_fetch_sub(&export->n_waiting, export->sending.n);
    batch_clear(&export->sending);
    export->attempt = 0;
    if (export->next.n > 0)
        send_next(export);
    finish_if_done(export);
}

static void on_message(void *context, struct grpc_call *call, struct slice message)
{
    struct trace_export *export = context;
    struct err err;
    (void)call;
    Outrigger__Otlp__ExportTraceServiceResponse *response =
        wire_unpack(&outrigger__otlp__export_trace_service_response__descriptor, message, &err);
    int64_t n =
        response && response->partial_success ? response->partial_success->rejected_spans : 0;
    if (n > 0) {
        LOG_LIMITED(LOG_WARN, "spans_rejected", LOG_I("spans", n),
                    LOG_S("error", response->partial_success->error_message));
        export->n_refused = (uint64_t)n < export->sending.n ? (uint64_t)n : export->sending.n;
    }
    wire_free(response);
}

/* What OTLP calls retryable. */
static bool may_try_again(enum grpc_code code)
{
    return code == GRPC_CANCELLED || code == GRPC_DEADLINE_EXCEEDED || code == GRPC_ABORTED ||
           code == GRPC_OUT_OF_RANGE || code == GRPC_UNAVAILABLE || code == GRPC_DATA_LOSS ||
           code == GRPC_RESOURCE_EXHAUSTED;
}

static void on_end(void *context, struct grpc_call *call, const struct grpc_status *status)
{
    struct trace_export *export = context;
    (void)call;
    export->call = NULL;
    if (status->code == GRPC_OK) {
        end_batch(export, &export->n_sent);
        return;
    }
    export->n_refused = 0; /* the status has the last word */
    LOG_LIMITED(LOG_WARN, "spans_not_sent", LOG_SL("error", status->message),
                LOG_S("status", grpc_code_name(status->code)), LOG_I("spans", export->sending.n));
    if (!may_try_again(status->code) || ++export->attempt >= ATTEMPTS || export->is_finishing)
        end_batch(export, &export->n_failed);
    else
        wait_ms(export, jitter_backoff(RETRY_MIN_MS, RETRY_MAX_MS, export->attempt - 1));
}

static bool start_call(struct trace_export *export)
{
    static const struct grpc_call_handlers handlers = {.on_message = on_message, .on_end = on_end};
    const struct span_resource resource = {export->service ? export->service : export->pod,
                                           export->namespace, export->pod, OUTRIGGER_VERSION};
    struct buf request;
    buf_init(&request, TRACE_BATCH_BYTES + 8192);
    bool is_ok = span_encode_request(&resource, buf_slice(&export->sending.spans), &request);
    export->call =
        is_ok ? grpc_call_start(export->channel, EXPORT_PATH, &handlers, export, CALL_MS) : NULL;
    is_ok = export->call && grpc_call_send(export->call, buf_slice(&request));
    if (is_ok) {
        grpc_call_done_sending(export->call);
    } else if (export->call) {
        grpc_call_cancel(export->call);
        export->call = NULL;
    }
    buf_fini(&request);
    return is_ok;
}

/* Puts what has come together on its way; nothing is on its way yet. */
static void send_next(struct trace_export *export)
{
    struct batch free_one = export->sending;
    event_del(export->on_time);
    export->sending = export->next;
    export->next = free_one;
    if (!start_call(export))
        end_batch(export, &export->n_dropped);
}

static void on_time(evutil_socket_t fd, short what, void *arg)
{
    struct trace_export *export = arg;
    (void)fd;
    (void)what;
    if (export->call)
        return;
    if (export->sending.n > 0) {
        if (!start_call(export))
            end_batch(export, &export->n_dropped);
    } else if (export->next.n > 0) {
        send_next(export);
    }
}

/* ---- the spans ------------------------------------------------------------------------------ */

static void take_span(struct trace_export *export, struct slice bytes)
{
    /* Room for the tag as well, or half a field would be left behind. */
    bool has_room = buf_len(&export->next.spans) + bytes.len + 16 <= TRACE_BATCH_BYTES;
    if (export->is_finishing || !has_room ||
        !span_append_field(&export->next.spans, SPAN_FIELD, bytes)) {
        count(&export->n_dropped, 1);
        atomic_fetch_sub(&export->n_waiting, 1);
        return;
    }
    export->next.n++;
    if (export->sending.n > 0) /* its end sends this one */
        return;
    if (export->next.n >= TRACE_BATCH_SPANS)
        send_next(export);
    else if (export->next.n == 1)
        wait_ms(export, BATCH_WAIT_MS);
}

static void on_letter(struct letter *letter, void *owner)
{
    struct span_letter *span = LIST_ENTRY(letter, struct span_letter, letter);
    if (owner)
        take_span(span->export, buf_slice(&span->bytes));
    buf_fini(&span->bytes);
    free(span);
}

void trace_export_record(struct trace_export *export, const struct request_facts *facts)
{
    struct span_letter *span = NULL;
    if (atomic_fetch_add(&export->n_waiting, 1) < TRACE_QUEUE_SPANS)
        span = malloc(sizeof(*span));
    if (span) {
        *span = (struct span_letter){.letter = {.deliver = on_letter}, .export = export};
        buf_init(&span->bytes, SPAN_BYTES_MAX);
        if (span_encode(facts, &span->bytes)) {
            mailbox_post(export->box, &span->letter);
            return;
        }
        buf_fini(&span->bytes);
        free(span);
    }
    count(&export->n_dropped, 1);
    atomic_fetch_sub(&export->n_waiting, 1);
}

/* ---- beginning and end ---------------------------------------------------------------------- */

static void on_finish(evutil_socket_t fd, short what, void *arg)
{
    struct trace_export *export = arg;
    (void)fd;
    (void)what;
    if (export->call)
        grpc_call_cancel(export->call);
    export->call = NULL;
    count(&export->n_failed, export->sending.n + export->next.n);
    atomic_fetch_sub(&export->n_waiting, export->sending.n + export->next.n);
    batch_clear(&export->sending);
    batch_clear(&export->next);
    finish_if_done(export);
}

void trace_export_finish(struct trace_export *export, uint64_t timeout_ms,
                         void (*done)(void *context), void *context)
{
    struct timeval wait = clock_timeval_ms(timeout_ms);
    export->is_finishing = true;
    export->done = done;
    export->context = context;
    event_add(export->on_finish, &wait);
    if (!export->call && export->sending.n > 0)
        end_batch(export, &export->n_failed); /* it waits for another attempt: there is no time */
    else if (!export->call && export->next.n > 0)
        send_next(export);
    finish_if_done(export);
}

static bool export_start(struct trace_export *export, const struct trace_export_options *options,
                         struct err *err)
{
    const char *slash = strchr(options->pod, '/');
    struct grpc_channel_options channel = {.target = options->endpoint,
                                           .socket_mark = options->socket_mark};
    export->namespace = strndup(options->pod, slash ? (size_t)(slash - options->pod) : 0);
    export->pod = strdup(slash ? slash + 1 : options->pod);
    export->on_time = evtimer_new(export->base, on_time, export);
    export->on_finish = evtimer_new(export->base, on_finish, export);
    if (!export->namespace || !export->pod || !export->on_time || !export->on_finish)
        return err_set(err, "out of memory");
    export->channel = grpc_channel_new(export->base, &channel, err);
    return export->channel != NULL;
}

struct trace_export *trace_export_new(struct event_base *base, struct mailbox *box,
                                      const struct trace_export_options *options, struct err *err)
{
    struct trace_export *export = calloc(1, sizeof(*export));
    if (!export) {
        err_set(err, "out of memory");
        return NULL;
    }
    export->base = base;
    export->box = box;
    buf_init(&export->next.spans, TRACE_BATCH_BYTES);
    buf_init(&export->sending.spans, TRACE_BATCH_BYTES);
    if (export_start(export, options, err))
        return export;
    trace_export_free(export);
    return NULL;
}

void trace_export_free(struct trace_export *export)
{
    if (!export)
        return;
    if (export->call)
        grpc_call_cancel(export->call);
    if (export->channel)
        grpc_channel_free(export->channel);
    if (export->on_time)
        event_free(export->on_time);
    if (export->on_finish)
        event_free(export->on_finish);
    buf_fini(&export->next.spans);
    buf_fini(&export->sending.spans);
    free(export->namespace);
    free(export->pod);
    free(export->service);
    free(export);
}

void trace_export_set_service(struct trace_export *export, const char *service)
{
    if (export->service && strcmp(export->service, service) == 0)
        return;
    char *copy = strdup(service);
    if (!copy)
        return; /* the one before is nearly as good */
    free(export->service);
    export->service = copy;
}

struct trace_export_counts trace_export_counts(const struct trace_export *export)
{
    return (struct trace_export_counts){
        .n_sent = atomic_load(&export->n_sent),
        .n_dropped = atomic_load(&export->n_dropped),
        .n_failed = atomic_load(&export->n_failed),
        .n_rejected = atomic_load(&export->n_rejected),
        .n_waiting = atomic_load(&export->n_waiting),
    };
}

#include "proxy/probe/probes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/options.h"
#include "proxy/probe/run.h"

/* A kubelet asks for each probe once at a time; more is somebody else's. */
#define RUNS_MAX 64

#define ANSWER_BYTES    512
#define NAMES_MAX_BYTES (1u << 20)

struct probes {
    struct event_base *base;
    const struct probe_specs *specs;
    struct ip address;
    uint32_t socket_mark;
    SSL_CTX *tls; /* made for the first https probe */
    struct list runs;
    size_t n_runs;
};

/* ---- one question ------------------------------------------------------------------------------
 */

static void run_free(struct probe_run *run)
{
    event_del(&run->timer);
    probe_socket_fini(run);
    grpc_channel_free(run->channel); /* may tell the end of the call: the state is known by then */
    list_remove(&run->node);
    run->probes->n_runs--;
    free(run);
}

static void answer(struct probe_run *run, bool is_good, const char *text)
{
    struct admin_request *request = run->request;
    if (!request)
        return;
    run->request = NULL;
    if (!is_good)
        LOG(LOG_DEBUG, "probe_failed", LOG_SL("probe", run->spec->name), LOG_S("reason", text));
    admin_reply_text(request, is_good ? HTTP_OK : HTTP_SERVUNAVAIL, "%s", text);
}

void probe_run_answer(struct probe_run *run, bool is_good, const char *format, ...)
{
    char text[ANSWER_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    answer(run, is_good, text);
}

void probe_run_end(struct probe_run *run)
{
    const struct timeval now = {0};
    if (run->state == PROBE_ENDED)
        return;
    run->state = PROBE_ENDED;
    event_del(&run->readable);
    event_del(&run->writable);
    event_add(&run->timer, &now); /* the timer was there before: this needs no memory */
}

void probe_run_fail(struct probe_run *run, const char *format, ...)
{
    char text[ANSWER_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    answer(run, false, text);
    probe_run_end(run);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct probe_run *run = arg;
    char time[OPTION_DURATION_BYTES];
    if (run->state == PROBE_ENDED)
        run_free(run);
    else
        probe_run_fail(run, "the application did not answer within %s",
                       option_format_duration(run->spec->timeout_ms, time));
}

/* Nobody at the other side is to be verified: the kubelet does not either. */
static SSL_CTX *tls_of(struct probes *probes)
{
    if (!probes->tls)
        probes->tls = SSL_CTX_new(TLS_method());
    if (probes->tls)
        SSL_CTX_set_verify(probes->tls, SSL_VERIFY_NONE, NULL);
    return probes->tls;
}

static void run_start(struct probe_run *run)
{
    struct probes *probes = run->probes;
    struct sockaddr_any address = addr_make(&probes->address, run->spec->port);
    const struct timeval patience = clock_timeval_ms(run->spec->timeout_ms);
    evtimer_assign(&run->timer, probes->base, on_timer, run);
    event_assign(&run->readable, probes->base, -1, EV_READ, on_timer, run);
    event_assign(&run->writable, probes->base, -1, EV_WRITE, on_timer, run);
    if (event_add(&run->timer, &patience) < 0) {
        answer(run, false, "out of memory");
        run_free(run);
        return;
    }
    if (run->spec->kind == PROBE_GRPC)
        probe_grpc_start(run, &address, probes->socket_mark);
    else
        probe_socket_start(run, &address, probes->socket_mark,
                           run->spec->kind == PROBE_HTTPS ? tls_of(probes) : NULL);
}

/* ---- all of them -------------------------------------------------------------------------------
 */

struct probes *probes_new(struct event_base *base, const struct probe_specs *specs,
                          const struct ip *address, uint32_t socket_mark)
{
    struct probes *probes = calloc(1, sizeof(*probes));
    if (!probes)
        return NULL;
    probes->base = base;
    probes->specs = specs;
    probes->address = *address;
    probes->socket_mark = socket_mark;
    list_init(&probes->runs);
    return probes;
}

void probes_free(struct probes *probes)
{
    if (!probes)
        return;
    while (!list_is_empty(&probes->runs)) {
        struct probe_run *run = LIST_ENTRY(probes->runs.next, struct probe_run, node);
        answer(run, false, "the proxy is ending");
        run->state = PROBE_ENDED;
        run_free(run);
    }
    SSL_CTX_free(probes->tls);
    free(probes);
}

static void list_names(const struct probe_specs *specs, struct admin_request *request)
{
    struct buf text;
    buf_init(&text, NAMES_MAX_BYTES);
    bool has_all = true;
    for (size_t i = 0; i < specs->n && has_all; i++)
        has_all = buf_printf(&text, "%.*s\n", SLICE_ARG(specs->list[i].name));
    struct slice all = buf_slice(&text);
    admin_reply(request, has_all ? HTTP_OK : HTTP_INTERNAL, "text/plain; charset=utf-8",
                all.len ? all.ptr : "", all.len);
    buf_fini(&text);
}

void probes_ask(struct probes *probes, struct slice name, struct admin_request *request)
{
    if (name.len == 0) {
        list_names(probes->specs, request);
        return;
    }
    const struct probe_spec *spec = probe_specs_find(probes->specs, name);
    if (!spec) {
        admin_reply_text(request, HTTP_NOTFOUND, "there is no such probe");
        return;
    }
    struct probe_run *run = probes->n_runs < RUNS_MAX ? calloc(1, sizeof(*run)) : NULL;
    if (!run) {
        admin_reply_text(request, HTTP_SERVUNAVAIL, "as many probes are under way as may be");
        return;
    }
    *run = (struct probe_run){.probes = probes, .spec = spec, .request = request, .fd = -1};
    probes->n_runs++;
    list_append(&probes->runs, &run->node);
    run_start(run);
}

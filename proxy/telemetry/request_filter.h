/*
 * Which requests are of interest: for the access log (`--access-log-filter`) and for /tap, written
 * the same way in both, as the query of a URL: "direction=inbound&status=5xx&path=/api*". Every
 * condition must hold. Pure.
 *
 *     direction     inbound, outbound
 *     method        GET
 *     path          /a/b, or with one * at the end
 *     status        503, or 5xx
 *     reason        one word of the table; none: it ended well; any: it did not
 *     identity      of either side: exact, or with one * at the end
 *     service       namespace/name
 *     min-duration  250ms, 2s
 *     sample        0.01: this share of what the others let through
 */
#ifndef OUTRIGGER_PROXY_TELEMETRY_REQUEST_FILTER_H
#define OUTRIGGER_PROXY_TELEMETRY_REQUEST_FILTER_H

#include "common/arena.h"
#include "common/err.h"
#include "proxy/telemetry/request_facts.h"

struct request_filter {
    unsigned given; /* bit set of the conditions that were added */
    bool has_direction;
    enum direction direction;
    unsigned status_first, status_last;                      /* 0: any */
    const char *method, *path, *reason, *identity, *service; /* NULL: any */
    uint64_t min_duration_us;
    uint64_t share; /* of TRACE_ALL */
};

/* Lets everything through. */
void request_filter_init(struct request_filter *filter);

/*
 * Adds a condition. `value` must live as long as the filter. False with `err` naming the condition
 * and what was expected; also for one that is there already.
 */
bool request_filter_add(struct request_filter *filter, const char *name, const char *value,
                        struct err *err) MUST_USE;

/* All conditions of a query; texts are put into `arena`. */
bool request_filter_parse(struct request_filter *filter, struct slice query, struct arena *arena,
                          struct err *err) MUST_USE;

/* Does it let the request through? `random`: uniform in [0, TRACE_ALL). */
bool request_filter_passes(const struct request_filter *filter, const struct request_facts *facts,
                           uint64_t random);

#endif

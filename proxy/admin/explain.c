#include "proxy/admin/explain.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/clock.h"
#include "proxy/admin/hash_on_json.h"
#include "proxy/admin/routes_json.h"
#include "proxy/request_steps.h"
#include "proxy/route/match.h"

struct explanation {
    const struct snapshot *snapshot;
    const struct explain_request *request;
    struct normal_path path;
    const struct service *service;   /* outbound: that was dialled, if it is known */
    const struct route_match *match; /* that it follows, if it follows any */
    const char *step;
    json_t *steps;
    const char *verdict; /* NULL while it goes on */
};

static void say(struct explanation *explanation, const char *format, ...) PRINTF_LIKE(2, 3);
static void say(struct explanation *explanation, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    json_t *text = json_vsprintf(format, arguments);
    va_end(arguments);
    json_array_append_new(explanation->steps,
                          json_pack("{s:s,s:o}", "step", explanation->step, "says",
                                    text ? text : json_string("(not printable)")));
}

/* More about what was said last. */
static void add(struct explanation *explanation, const char *name, json_t *value)
{
    json_t *last = json_array_get(explanation->steps, json_array_size(explanation->steps) - 1);
    json_object_set_new(last, name, value);
}

static bool is_passed_through(const struct explanation *explanation)
{
    return !explanation->service || !explanation->service->is_known;
}

/* ---- the steps ---- */

static void explain_request_normalize(struct explanation *explanation)
{
    static const struct path_rules strict = {SLASHES_REJECT, false};
    const struct workload *workload = explanation->snapshot->workload;
    const struct head *head = explanation->request->head;
    const struct path_rules *rules = !workload                          ? &strict
                                     : explanation->request->is_inbound ? &workload->inbound_paths
                                                                        : &workload->outbound_paths;
    switch (path_normalize(head->path, rules, head->arena, &explanation->path)) {
    case PATH_OK:
        say(explanation, "the path in its normal form is \"%.*s\"",
            SLICE_ARG(explanation->path.path));
        break;
    case PATH_REFUSED:
        say(explanation, "the path is refused: %s", explanation->path.why);
        explanation->verdict = "400 path_refused";
        break;
    case PATH_NO_MEMORY:
        explanation->verdict = "503 no_memory";
        break;
    }
}

static void explain_request_edit_inbound(struct explanation *explanation)
{
    if (!explanation->request->is_inbound)
        return;
    say(explanation,
        "fields outrigger-* are removed; x-forwarded-for, -proto and -client-cert are %s",
        explanation->request->identity.len ? "completed for a caller of the mesh"
                                           : "written anew, for a caller from outside");
}

static void explain_request_authenticate(struct explanation *explanation)
{
    const struct explain_request *request = explanation->request;
    const struct workload *workload = explanation->snapshot->workload;
    struct jwt_result result;
    struct err err;
    if (!request->is_inbound || !workload || !workload->jwt.policy)
        return;
    const struct jwt_rules *rules = &workload->jwt;
    switch (jwt_check(rules, request->head, clock_wall_sec(), &result, &err)) {
    case JWT_ABSENT:
        say(explanation, "no token is shown, and TrafficPolicy %s requires none", rules->policy);
        break;
    case JWT_VALID:
        say(explanation, "a valid token of \"%s\" of TrafficPolicy %s", result.provider->name,
            rules->policy);
        break;
    case JWT_MISSING:
        say(explanation, "TrafficPolicy %s requires a token", rules->policy);
        explanation->verdict = "401 jwt_missing";
        break;
    case JWT_INVALID:
        say(explanation, "refused for TrafficPolicy %s: %s", rules->policy, err.text);
        explanation->verdict = "401 jwt_invalid";
        break;
    }
    if (!jwt_edit(rules, &result, request->head))
        say(explanation, "out of memory");
    json_decref(result.claims);
}

static struct access_request explain_asked(const struct explanation *explanation)
{
    const struct explain_request *request = explanation->request;
    return (struct access_request){.identity = request->identity,
                                   .source = request->source,
                                   .port = addr_port(&request->destination),
                                   .head = request->head,
                                   .path = explanation->path.path};
}

/* What is not the mesh's own says its kind itself: "TrafficTarget/shop/in". */
static const char *policy_kind(const char *policy)
{
    return slice_starts_with(slice_str(policy), SLICE_LITERAL("TrafficTarget")) ? ""
                                                                                : "AccessPolicy ";
}

static void explain_request_authorize(struct explanation *explanation)
{
    const struct explain_request *request = explanation->request;
    const struct workload *workload = explanation->snapshot->workload;
    if (!request->is_inbound)
        return;
    if (!workload) {
        say(explanation, "the controller has not told the inbound policy yet");
        explanation->verdict = "503 not_ready";
        return;
    }
    uint16_t port = addr_port(&request->destination);
    enum mtls_mode mode = workload_mtls_mode(workload, port);
    say(explanation, "the mutual TLS mode of port %u is %s", port, mtls_mode_name(mode));
    if (mode == MTLS_STRICT && request->identity.len == 0) {
        explanation->verdict = "the connection is closed: plaintext_refused";
        return;
    }
    const struct access_request asked = explain_asked(explanation);
    struct access_verdict verdict = access_check(workload->access, &asked);
    say(explanation, "%s by %s%s%s%s", verdict.is_allowed ? "allowed" : "refused",
        access_why_name(verdict.why), verdict.policy ? ": " : "",
        verdict.policy ? policy_kind(verdict.policy) : "", verdict.policy ? verdict.policy : "");
    if (verdict.audit_policy)
        say(explanation, "it would be refused if AccessPolicy %s were a Deny",
            verdict.audit_policy);
    if (!verdict.is_allowed)
        explanation->verdict = "403 policy_denied";
}

/* Who is asked about the request, and what becomes of it without an answer. */
static void explain_external(struct explanation *explanation,
                             const struct external_service *service, const char *what,
                             const char *else_what)
{
    const struct access_request asked = explain_asked(explanation);
    if (!service->policy)
        say(explanation, "no %s is set", what);
    else if (!external_is_asked(service, &asked))
        say(explanation, "TrafficPolicy %s: %s is not asked about such a request", service->policy,
            service->service);
    else
        say(explanation, "TrafficPolicy %s: %s is asked, for %llu ms; without an answer %s%s%s",
            service->policy, service->service, (unsigned long long)service->timeout_ms, else_what,
            *service->why ? "; there will be none: " : "", service->why);
}

static void explain_request_ask_authorizer(struct explanation *explanation)
{
    const struct workload *workload = explanation->snapshot->workload;
    if (!explanation->request->is_inbound)
        return;
    const struct external_authorization *rules = &workload->authorization;
    explain_external(explanation, &rules->service, "external authorizer",
                     rules->is_fail_open ? "the request passes" : "503 authorizer_failed");
    external_authorization_strip(rules, explanation->request->head);
}

static void explain_request_ask_limiter(struct explanation *explanation)
{
    const struct workload *workload = explanation->snapshot->workload;
    if (!explanation->request->is_inbound)
        return;
    explain_external(explanation, &workload->global_limits.service, "rate limit service",
                     workload->global_limits.is_fail_closed ? "503 limiter_failed"
                                                            : "the request passes");
}

static void explain_request_limit(struct explanation *explanation)
{
    const struct workload *workload = explanation->snapshot->workload;
    if (!explanation->request->is_inbound)
        return;
    const struct access_request asked = explain_asked(explanation);
    for (size_t i = 0; i < workload->rate_limits.n; i++) {
        const struct rate_limit *limit = &workload->rate_limits.list[i];
        if (!rate_limit_is_for(limit, &asked)) {
            say(explanation, "TrafficPolicy %s, rate limit \"%s\": not for such a request",
                limit->policy, limit->name);
            continue;
        }
        say(explanation,
            "TrafficPolicy %s, rate limit \"%s\": %u in %llu ms, %u at once, by %s%s%s: beyond, "
            "429",
            limit->policy, limit->name, limit->requests, (unsigned long long)limit->per_ms,
            limit->burst, rate_limit_by_name(limit->by), limit->header[0] ? " " : "",
            limit->header);
    }
    if (workload->rate_limits.n == 0)
        say(explanation, "no rate limit is set");
}

static void explain_request_edit_outbound(struct explanation *explanation)
{
    if (!explanation->request->is_inbound)
        say(explanation, "fields outrigger-* are removed; x-request-id and the trace are added if "
                         "they are absent");
}

static void explain_pass_through(struct explanation *explanation)
{
    const struct workload *workload = explanation->snapshot->workload;
    const struct explain_request *request = explanation->request;
    bool is_closed = workload && workload->egress_mode == EGRESS_REGISTRY_ONLY;
    const struct external_host *host =
        is_closed ? external_hosts_find(&workload->external_hosts, &request->destination,
                                        external_host_name(request->head->authority))
                  : NULL;
    bool is_refused = is_closed && !host;
    if (explanation->service)
        say(explanation,
            "the controller knows no Service or pod at that address; egress mode is %s",
            is_closed ? "RegistryOnly" : "AllowAny");
    else
        say(explanation, "nobody has dialled that address yet, so that the controller was not "
                         "asked for it; /services lists what is known");
    if (host)
        say(explanation, "it is ExternalService %s", host->object);
    explanation->verdict =
        is_refused ? "502 egress_denied" : "passed through to the address itself, in plaintext";
}

static void explain_request_route(struct explanation *explanation)
{
    const struct service *service = explanation->service;
    if (explanation->request->is_inbound)
        return;
    if (is_passed_through(explanation)) {
        explain_pass_through(explanation);
        return;
    }
    say(explanation, "%s is %s, port %u", service->resource, service->name, service->port);
    if (!service->routes) {
        say(explanation,
            service->pod ? "a pod was dialled by its address" : "no route is attached");
        return;
    }
    const struct route_request asked = {.method = explanation->request->head->method,
                                        .path = explanation->path.path,
                                        .query = explanation->path.query,
                                        .head = explanation->request->head};
    explanation->match = routes_match(service->routes, &asked);
    if (!explanation->match) {
        say(explanation, "routes are attached, and none of their %zu matches fits",
            service->routes->n_matches);
        explanation->verdict = "404 no_route";
        return;
    }
    say(explanation, "match %zu of %zu fits: %s",
        (size_t)(explanation->match - service->routes->matches) + 1, service->routes->n_matches,
        explanation->match->rule->name);
    add(explanation, "match", route_match_json(explanation->match));
}

static void explain_filters(struct explanation *explanation, const struct filters *filters)
{
    for (size_t i = 0; i < filters->n && !explanation->verdict; i++) {
        const struct filter *filter = &filters->list[i];
        say(explanation, "filter %zu: %s", i + 1, filter_kind_name(filter->kind));
        if (filter->kind == FILTER_REDIRECT)
            explanation->verdict = "redirected by the route";
        else if (filter->kind == FILTER_DIRECT_RESPONSE)
            explanation->verdict = "answered by the route";
    }
}

static void explain_request_filter(struct explanation *explanation)
{
    if (explanation->match)
        explain_filters(explanation, &explanation->match->rule->filters);
}

static void explain_request_choose_backend(struct explanation *explanation)
{
    if (!explanation->match)
        return;
    const struct route_rule *rule = explanation->match->rule;
    uint64_t before = 0,
             sum = rule->n_backends ? rule->backends[rule->n_backends - 1].weight_end : 0;
    for (size_t i = 0; i < rule->n_backends && sum; i++) {
        const struct route_backend *backend = &rule->backends[i];
        say(explanation, "%.1f %%: %s%s%s",
            100.0 * (double)(backend->weight_end - before) / (double)sum, backend->service,
            backend->why[0] ? ", answered with 500: " : "", backend->why);
        before = backend->weight_end;
    }
    if (sum == 0) {
        say(explanation, "the rule has no backend");
        explanation->verdict = "500 no_backend";
    }
}

static void explain_request_back_off(struct explanation *explanation)
{
    if (!explanation->match)
        return;
    const struct route_rule *rule = explanation->match->rule;
    say(explanation, "timeouts: request %llu ms, each attempt %llu ms (0: none); retries: %u",
        (unsigned long long)rule->request_timeout_ms, (unsigned long long)rule->backend_timeout_ms,
        rule->retry.attempts);
}

static void explain_request_balance(struct explanation *explanation)
{
    const struct service *service = explanation->service;
    if (explanation->request->is_inbound)
        return;
    const struct balance_rules *rules = &service->balancing;
    say(explanation, "among the endpoints by %s", balance_algorithm_name(rules->algorithm));
    if (rules->n_hash_on)
        add(explanation, "hash_on", hash_on_json(rules));
    json_t *sets = json_object();
    for (size_t i = 0; i < service->n_uses; i++) {
        const struct endpoints *endpoints =
            snapshot_endpoints(explanation->snapshot, slice_str(service->uses[i]));
        json_object_set_new(sets, service->uses[i],
                            json_integer(endpoints ? (json_int_t)endpoints->n : 0));
    }
    add(explanation, "endpoints", sets);
}

static void explain_request_connect(struct explanation *explanation)
{
    if (explanation->request->is_inbound)
        say(explanation, "to the application, in plaintext");
    else
        say(explanation, "by HTTP/2 over mutual TLS where the endpoint has an identity, which must "
                         "be proved; else in plaintext");
}

static void explain_request_relay(struct explanation *explanation)
{
    (void)explanation; /* nothing is decided any more */
}

struct json_t *explain(const struct snapshot *snapshot, const struct explain_request *request)
{
    static const struct {
        const char *name;
        void (*explain)(struct explanation *explanation);
    } steps[] = {
#define X(step, name, function) {name, explain_##function},
        REQUEST_STEPS(X)
#undef X
    };
    char text[ADDR_TEXT_BYTES];
    struct explanation explanation = {.snapshot = snapshot, .request = request};
    explanation.steps = json_array();
    if (!request->is_inbound)
        explanation.service =
            snapshot_service(snapshot, slice_str(addr_format(&request->destination, text)));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && !explanation.verdict; i++) {
        explanation.step = steps[i].name;
        steps[i].explain(&explanation);
    }
    return json_pack("{s:s,s:o}", "verdict",
                     explanation.verdict ? explanation.verdict : "forwarded", "steps",
                     explanation.steps);
}

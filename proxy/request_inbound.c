/*
 * A request that comes to the pod: who may ask what, by the policy that holds now.
 */
#include "proxy/request_parts.h"

#include "common/clock.h"
#include "common/log.h"

static void request_log_audit(const struct request *request, const struct access_verdict *verdict,
                              const char *identity, const struct ip *source, uint16_t port)
{
    char text[IP_TEXT_BYTES];
    uint64_t suppressed;
    telemetry_add(request->workspace->telemetry, COUNTER_POLICY_AUDITED, 1);
    if (!log_budget_take(&request->workspace->refusals, clock_now_ns(), &suppressed))
        return;
    LOG(LOG_WARN, "access_audit", LOG_S("policy", verdict->audit_policy),
        LOG_S("why", access_why_name(verdict->why)), LOG_S("source_identity", identity),
        LOG_S("source_ip", ip_format(source, text)), LOG_I("port", port),
        LOG_SL("method", request->method), LOG_SL("path", request->path.path),
        LOG_SL("authority", request->authority), LOG_I("suppressed", suppressed));
}

struct access_request request_asked(const struct request *request, const char *identity,
                                    const struct sockaddr_any *source, uint16_t port)
{
    return (struct access_request){
        .identity = slice_str(identity),
        .source = addr_ip(source),
        .port = port,
        .head = request->head,
        .path = request->path.path,
    };
}

bool request_is_allowed(struct request *request, const char *identity,
                        const struct sockaddr_any *source, uint16_t port)
{
    struct access_request asked = request_asked(request, identity, source, port);
    struct access_verdict verdict = access_check(request->workload->access, &asked);
    request->policy = verdict.policy ? verdict.policy : "";
    request->policy_why = access_why_name(verdict.why);
    if (verdict.audit_policy)
        request_log_audit(request, &verdict, identity, &asked.source, port);
    if (!verdict.is_allowed)
        telemetry_add(request->workspace->telemetry, COUNTER_POLICY_DENIED, 1);
    return verdict.is_allowed;
}

/*
 * Whom no policy allows anything keeps no connection: the answer is the last on it. Not another
 * proxy of the mesh, for which the next handshake would cost both of us more than it holds here.
 */
static void request_refuse_connection(struct request *request)
{
    struct downstream *downstream = request->downstream;
    struct access_request asked =
        request_asked(request, "", &downstream->source, addr_port(&downstream->destination));
    struct access_verdict verdict;
    if (!downstream_is_mesh(downstream) &&
        access_check_connection(request->workload->access, &asked, &verdict) == ACCESS_NEVER)
        codec_drain(downstream->codec);
}

enum request_step request_authorize(struct request *request)
{
    const struct downstream *downstream = request->downstream;
    if (!request->workload)
        return request_answer(request, REQUEST_REASON_NOT_READY);
    if (!request_is_allowed(request, downstream->identity, &downstream->source,
                            addr_port(&downstream->destination))) {
        request_refuse_connection(request);
        return request_answer(request, REQUEST_REASON_POLICY_DENIED);
    }
    return request->workload->has_more_steps ? REQUEST_ASK_AUTHORIZER : REQUEST_CONNECT;
}

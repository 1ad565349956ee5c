#include "controller/compile/jwt.h"

static void fill_headers(struct compile *compile, const struct traffic_jwt_provider *provider,
                         Outrigger__V1__JwtProvider *message)
{
    size_t n = provider->n_headers;
    Outrigger__V1__ClaimHeader *all = compile_take(compile, n, sizeof(*all));
    message->claim_headers = compile_take(compile, n, sizeof(*message->claim_headers));
    for (size_t i = 0; all && message->claim_headers && i < n; i++) {
        outrigger__v1__claim_header__init(&all[i]);
        all[i].claim = (char *)(uintptr_t)provider->headers[i].claim;
        all[i].header = (char *)(uintptr_t)provider->headers[i].header;
        message->claim_headers[message->n_claim_headers++] = &all[i];
    }
}

static void fill_provider(struct compile *compile, const struct traffic_jwt_provider *provider,
                          Outrigger__V1__JwtProvider *message)
{
    outrigger__v1__jwt_provider__init(message);
    message->name = (char *)(uintptr_t)provider->name;
    message->issuer = (char *)(uintptr_t)provider->issuer;
    message->audiences = (char **)(uintptr_t)provider->audiences.list;
    message->n_audiences = provider->audiences.n;
    message->jwks = (char *)(uintptr_t)provider->jwks;
    message->leeway_sec = provider->leeway_sec;
    message->remove_token = provider->is_token_removed;
    fill_headers(compile, provider, message);
}

void compile_jwt(struct compile *compile, const struct traffic_jwt *jwt,
                 Outrigger__V1__Workload *workload)
{
    if (!jwt->policy)
        return;
    Outrigger__V1__JwtRules *rules = compile_take(compile, 1, sizeof(*rules));
    Outrigger__V1__JwtProvider *all = compile_take(compile, jwt->n, sizeof(*all));
    Outrigger__V1__JwtProvider **list = compile_take(compile, jwt->n, sizeof(*list));
    if (!rules || !all || !list)
        return;
    outrigger__v1__jwt_rules__init(rules);
    rules->policy = (char *)(uintptr_t)jwt->policy;
    rules->required = jwt->is_required;
    rules->providers = list;
    for (; rules->n_providers < jwt->n; rules->n_providers++) {
        list[rules->n_providers] = &all[rules->n_providers];
        fill_provider(compile, &jwt->providers[rules->n_providers], &all[rules->n_providers]);
    }
    workload->jwt = rules;
}

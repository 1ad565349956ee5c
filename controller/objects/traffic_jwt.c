#include "controller/objects/traffic_jwt.h"

#include <string.h>

#include "common/jwks.h"

#define COUNT(array)    (sizeof(array) / sizeof((array)[0]))
#define LEEWAY_MAX_MS   3600000ull
#define LEEWAY_SEC      60 /* where nothing is said */
#define ISSUER_MAX      1024
#define NUMBER_MS_A_SEC 1000

/* What the proxy says itself, and what the token came in, are not for claims. */
static void check_header(const struct field *field, const char *name)
{
    static const char *const own[] = {"outrigger-",    "x-forwarded-", "x-request-id",
                                      "authorization", "cookie",       "forwarded"};
    for (size_t i = 0; i < COUNT(own); i++)
        if (strncmp(name, own[i], strlen(own[i])) == 0)
            field_fail(field,
                       "\"%s\" has a meaning of its own: expected another name, such as "
                       "x-jwt-sub",
                       name);
}

static void read_claim(const struct field *item, struct traffic_claim_header *header)
{
    static const char *const names[] = {"claim", "header"};
    field_allow_only(item, names, COUNT(names));
    struct field claim = field_get(item, "claim"), name = field_get(item, "header");
    field_require(&claim);
    field_require(&name);
    header->claim = field_text(&claim);
    header->header = field_header_name(&name);
    check_header(&name, header->header);
    if (field_is_set(&claim) && !*header->claim)
        field_fail(&claim, "is empty: expected the name of a claim, such as sub");
}

static void read_jwks(const struct field *field, struct traffic_jwt_provider *provider)
{
    struct jwks set = {0};
    struct err err;
    field_require(field);
    if (!field_is_set(field))
        return;
    struct slice text = field_slice(field);
    if (!jwks_parse(&set, text, &err))
        field_fail(field, "is no JSON Web Key Set: %s", err.text);
    jwks_fini(&set);
    provider->jwks = arena_text(field->reading->arena, text);
    field_has_memory(field, provider->jwks);
}

static const char *check_audience(const struct field *item, const void *context)
{
    (void)context;
    const char *text = field_text(item);
    if (!*text)
        field_fail(item, "is empty");
    return text;
}

static void read_issuer(const struct field *issuer, struct traffic_jwt_provider *provider)
{
    field_require(issuer);
    provider->issuer = field_text(issuer);
    size_t len = strlen(provider->issuer);
    if (field_is_set(issuer) && (len == 0 || len > ISSUER_MAX))
        field_fail(issuer, "%zu bytes: expected what tokens have as `iss`, 1-%d", len, ISSUER_MAX);
}

static void read_provider(const struct field *item, struct traffic_jwt_provider *provider)
{
    static const char *const names[] = {"name",   "issuer",  "audiences",      "jwks",
                                        "leeway", "forward", "claimsToHeaders"};
    field_allow_only(item, names, COUNT(names));
    struct field name = field_get(item, "name"), issuer = field_get(item, "issuer");
    struct field audiences = field_get(item, "audiences"), jwks = field_get(item, "jwks");
    struct field leeway = field_get(item, "leeway"), forward = field_get(item, "forward");
    struct field claims = field_get(item, "claimsToHeaders");
    field_require(&name);
    provider->name = field_label_name(&name);
    read_issuer(&issuer, provider);
    provider->audiences = field_texts(&audiences, check_audience, NULL);
    read_jwks(&jwks, provider);
    provider->leeway_sec = LEEWAY_SEC;
    if (field_is_set(&leeway))
        provider->leeway_sec =
            (uint32_t)(field_duration_ms(&leeway, 0, LEEWAY_MAX_MS) / NUMBER_MS_A_SEC);
    provider->is_token_removed = !field_bool(&forward, true);
    struct traffic_claim_header *headers =
        field_is_set(&claims) ? field_take_items(&claims, TRAFFIC_JWT_HEADERS_MAX, sizeof(*headers))
                              : NULL;
    struct field one = {0};
    while (headers && field_next_item(&claims, &one))
        read_claim(&one, &headers[provider->n_headers++]);
    provider->headers = headers;
}

static void check_unique(const struct field *item, const struct traffic_jwt_provider *all,
                         size_t index)
{
    for (size_t i = 0; i < index && !item->reading->has_failed; i++) {
        if (strcmp(all[i].name, all[index].name) == 0)
            field_fail(item, "the name \"%s\" is there twice", all[i].name);
        else if (strcmp(all[i].issuer, all[index].issuer) == 0)
            field_fail(item,
                       "the issuer \"%s\" is there twice: write one provider with the keys of "
                       "both",
                       all[i].issuer);
    }
}

void traffic_jwt_read(const struct field *field, const char *namespace, const char *name,
                      struct traffic_jwt *jwt)
{
    static const char *const names[] = {"required", "providers"};
    if (!field_is_set(field))
        return;
    field_allow_only(field, names, COUNT(names));
    struct field required = field_get(field, "required"), list = field_get(field, "providers");
    field_require(&list);
    jwt->is_required = field_bool(&required, false);
    struct traffic_jwt_provider *made =
        field_is_set(&list) ? field_take_items(&list, TRAFFIC_JWT_PROVIDERS_MAX, sizeof(*made))
                            : NULL;
    struct field item = {0};
    while (made && field_next_item(&list, &item)) {
        read_provider(&item, &made[item.index]);
        check_unique(&item, made, item.index);
        jwt->n++;
    }
    jwt->providers = made;
    jwt->policy = arena_printf(field->reading->arena, "%s/%s", namespace, name);
    field_has_memory(field, jwt->policy);
}

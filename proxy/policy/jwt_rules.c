#include "proxy/policy/jwt_rules.h"

#include <string.h>
#include <strings.h>

#include "common/http/pattern.h"
#include "proxy/wire.h"

#define AUDIENCES_MAX  64
#define HEADERS_MAX    32
#define TEXT_MAX       1024
#define LEEWAY_MAX_SEC 3600
#define BEARER         SLICE_LITERAL("bearer ")

/* ---- building ---- */

static bool take_list(struct arena *arena, size_t n, size_t max, size_t size, const char *field,
                      void *list, struct err *err)
{
    if (!wire_at_most(n, max, field, err))
        return false;
    void *taken = arena_take_array(arena, n ? n : 1, size);
    if (!taken)
        return err_set(err, "%s: out of memory", field);
    memset(taken, 0, (n ? n : 1) * size);
    memcpy(list, &taken, sizeof(taken));
    return true;
}

static bool take_text(struct arena *arena, const char *text, const char **copy, const char *field,
                      struct err *err)
{
    if (!*text || strlen(text) > TEXT_MAX)
        return err_set(err, "%s: %zu bytes, expected 1-%d", field, strlen(text), TEXT_MAX);
    *copy = arena_text(arena, slice_str(text));
    return *copy || err_set(err, "%s: out of memory", field);
}

static bool build_header(struct jwt_claim_header *header, const Outrigger__V1__ClaimHeader *message,
                         struct arena *arena, struct err *err)
{
    const char *name;
    if (!take_text(arena, message->claim, &header->claim, "claim", err) ||
        !take_text(arena, message->header, &name, "header", err))
        return false;
    header->header = slice_str(name);
    return pattern_check(PATTERN_HEADER_NAME, header->header, err) || err_prefix(err, "header");
}

static bool build_provider(struct jwt_provider *provider, const Outrigger__V1__JwtProvider *message,
                           struct arena *arena, struct err *err)
{
    provider->leeway_sec = message->leeway_sec;
    provider->is_token_removed = message->remove_token;
    if (!take_text(arena, message->name, &provider->name, "name", err) ||
        !take_text(arena, message->issuer, &provider->issuer, "issuer", err) ||
        !wire_at_most(message->leeway_sec, LEEWAY_MAX_SEC, "leeway_sec", err) ||
        !take_list(arena, message->n_audiences, AUDIENCES_MAX, sizeof(*provider->audiences),
                   "audiences", &provider->audiences, err) ||
        !take_list(arena, message->n_claim_headers, HEADERS_MAX, sizeof(*provider->headers),
                   "claim_headers", &provider->headers, err))
        return false;
    if (!jwks_parse(&provider->keys, slice_str(message->jwks), err))
        return err_prefix(err, "jwks");
    for (size_t i = 0; i < message->n_audiences; i++)
        if (!take_text(arena, message->audiences[i], &provider->audiences[provider->n_audiences++],
                       "audiences", err))
            return false;
    for (size_t i = 0; i < message->n_claim_headers; i++)
        if (!build_header(&provider->headers[provider->n_headers++], message->claim_headers[i],
                          arena, err))
            return wire_at(err, "claim_headers[%zu]", i);
    return true;
}

static bool is_provider_understood(const Outrigger__V1__JwtProvider *message)
{
    for (size_t i = 0; i < message->n_claim_headers; i++)
        if (message->claim_headers[i]->base.n_unknown_fields > 0)
            return false;
    return message->base.n_unknown_fields == 0;
}

bool jwt_rules_build(struct jwt_rules *rules, const Outrigger__V1__JwtRules *message,
                     struct err *err)
{
    arena_init(&rules->arena);
    if (!message)
        return true;
    if (!take_text(&rules->arena, message->policy, &rules->policy, "jwt.policy", err) ||
        !take_list(&rules->arena, message->n_providers, JWT_PROVIDERS_MAX,
                   sizeof(*rules->providers), "jwt.providers", &rules->providers, err))
        return false;
    bool is_understood = message->base.n_unknown_fields == 0;
    rules->is_required = message->required;
    for (size_t i = 0; i < message->n_providers; i++) {
        is_understood &= is_provider_understood(message->providers[i]);
        rules->n++;
        if (!build_provider(&rules->providers[i], message->providers[i], &rules->arena, err))
            return wire_at(err, "jwt.providers[%zu]", i);
    }
    if (is_understood)
        return true;
    /* Whatever it is that a newer controller asks for of tokens: none is known to have it. */
    rules->is_required = true;
    for (size_t i = 0; i < rules->n; i++)
        rules->providers[i].issuer = "";
    return true;
}

void jwt_rules_fini(struct jwt_rules *rules)
{
    for (size_t i = 0; i < rules->n; i++)
        jwks_fini(&rules->providers[i].keys);
    arena_fini(&rules->arena);
}

/* ---- checking ---- */

/*
 * Readers differ in which of several fields counts, so there must be one. Other schemes are for the
 * application. False: it cannot be told.
 */
static bool find_token(const struct head *head, struct slice *token)
{
    unsigned n = 0;
    *token = slice_of(NULL, 0);
    for (size_t i = 0; i < head->n_fields; i++) {
        struct slice value = head->fields[i].value;
        if (head->fields[i].id != FIELD_AUTHORIZATION)
            continue;
        n++;
        if (value.len > BEARER.len && strncasecmp(value.ptr, BEARER.ptr, BEARER.len) == 0)
            *token = slice_sub(value, BEARER.len, value.len);
    }
    while (token->len > 0 && token->ptr[0] == ' ')
        *token = slice_sub(*token, 1, token->len);
    return n <= 1 || token->len == 0;
}

/* RFC 7519 4.1.3: one text, or a list of them. */
static bool is_for_us(const struct jwt_provider *provider, const json_t *claims)
{
    const json_t *audience = json_object_get(claims, "aud");
    size_t n = json_is_array(audience) ? json_array_size(audience) : 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_is_array(audience) ? json_array_get(audience, i) : audience;
        for (size_t k = 0; json_is_string(one) && k < provider->n_audiences; k++)
            if (slice_eq_str(slice_of(json_string_value(one), json_string_length(one)),
                             provider->audiences[k]))
                return true;
    }
    return provider->n_audiences == 0;
}

/* RFC 7519 2: NumericDate, a number. Absent: `absent`. False: it is there and no number. */
static bool read_date(const json_t *claims, const char *name, double absent, double *date)
{
    const json_t *value = json_object_get(claims, name);
    *date = value ? json_number_value(value) : absent;
    return !value || json_is_number(value);
}

static bool check_claims(const struct jwt_provider *provider, const json_t *claims, int64_t now_sec,
                         struct err *err)
{
    double expires, not_before, issued, now = (double)now_sec,
                                        leeway = (double)provider->leeway_sec;
    if (!read_date(claims, "exp", 0, &expires) || !json_object_get(claims, "exp"))
        return err_set(err, "token: exp is missing or no number");
    if (!read_date(claims, "nbf", 0, &not_before) || !read_date(claims, "iat", 0, &issued))
        return err_set(err, "token: nbf or iat is no number");
    if (!(expires + leeway > now))
        return err_set(err, "token: has expired");
    if (!(not_before - leeway <= now) || !(issued - leeway <= now))
        return err_set(err, "token: nbf or iat is in the future");
    return is_for_us(provider, claims) || err_set(err, "token: aud is none of the audiences");
}

static const struct jwt_provider *provider_of(const struct jwt_rules *rules, const json_t *claims)
{
    struct slice issuer = jws_string(claims, "iss");
    for (size_t i = 0; i < rules->n; i++)
        if (issuer.len > 0 && slice_eq_str(issuer, rules->providers[i].issuer))
            return &rules->providers[i];
    return NULL;
}

static bool check_token(const struct jwt_rules *rules, struct slice token, int64_t now_sec,
                        struct jwt_result *result, struct err *err)
{
    struct jws jws;
    if (!jws_split(token, &jws, err))
        return false;
    /* Only who is said to have made it is taken from it before its signature is checked. */
    json_t *claims = jws_object(jws.payload, "payload", err);
    if (!claims)
        return false;
    const struct jwt_provider *provider = provider_of(rules, claims);
    bool ok = provider || err_set(err, "token: iss is no provider's issuer");
    if (ok && jwks_verify(&provider->keys, &jws, err) &&
        check_claims(provider, claims, now_sec, err)) {
        *result = (struct jwt_result){provider, claims};
        return true;
    }
    json_decref(claims);
    return false;
}

enum jwt_verdict jwt_check(const struct jwt_rules *rules, const struct head *head, int64_t now_sec,
                           struct jwt_result *result, struct err *err)
{
    struct slice token;
    *result = (struct jwt_result){0};
    if (!find_token(head, &token)) {
        err_set(err, "token: several Authorization fields");
        return JWT_INVALID;
    }
    if (token.len == 0)
        return rules->is_required ? JWT_MISSING : JWT_ABSENT;
    return check_token(rules, token, now_sec, result, err) ? JWT_VALID : JWT_INVALID;
}

/* ---- what is made of it ---- */

/* A name that is a member's is preferred to a way: issuers have claims named by URLs. */
static const json_t *find_claim(const json_t *claims, const char *name)
{
    const json_t *whole = json_object_get(claims, name);
    const char *dot = strchr(name, '.');
    if (whole || !dot)
        return whole;
    return find_claim(json_object_getn(claims, name, (size_t)(dot - name)), dot + 1);
}

static bool add_value(struct head *head, struct slice header, const json_t *value, bool is_listed)
{
    struct slice text = slice_of(json_string_value(value), json_string_length(value));
    if (json_is_boolean(value))
        text = json_is_true(value) ? SLICE_LITERAL("true") : SLICE_LITERAL("false");
    else if (json_is_integer(value))
        text = slice_str(arena_printf(head->arena, "%lld", (long long)json_integer_value(value)));
    /* A comma would make two of one value of a list (RFC 9110 5.3). */
    bool is_two = is_listed && text.len && memchr(text.ptr, ',', text.len);
    if (text.len == 0 || !http_is_field_value(text) || is_two)
        return true;
    const char *copy = arena_text(head->arena, text);
    return copy && head_add(head, header, slice_of(copy, text.len));
}

static bool add_claim(struct head *head, const struct jwt_claim_header *rule, const json_t *claims)
{
    const json_t *value = find_claim(claims, rule->claim);
    bool ok = true;
    if (!json_is_array(value))
        return add_value(head, rule->header, value, false);
    for (size_t i = 0; ok && i < json_array_size(value); i++)
        ok = add_value(head, rule->header, json_array_get(value, i), true);
    return ok;
}

static bool is_same_name(struct slice a, struct slice b)
{
    for (size_t i = 0; a.len == b.len && i < a.len; i++)
        if ((a.ptr[i] == '_' ? '-' : a.ptr[i]) != (b.ptr[i] == '_' ? '-' : b.ptr[i]))
            return false;
    return a.len == b.len;
}

static bool is_for_claims(const struct jwt_rules *rules, struct slice name)
{
    for (size_t i = 0; i < rules->n; i++)
        for (size_t k = 0; k < rules->providers[i].n_headers; k++)
            if (is_same_name(name, rules->providers[i].headers[k].header))
                return true;
    return false;
}

void jwt_strip(const struct jwt_rules *rules, struct head *head)
{
    size_t kept = 0;
    for (size_t i = 0; i < head->n_fields; i++)
        if (!is_for_claims(rules, head->fields[i].name))
            head->fields[kept++] = head->fields[i];
    head->n_fields = kept;
}

bool jwt_edit(const struct jwt_rules *rules, const struct jwt_result *result, struct head *head)
{
    const struct jwt_provider *provider = result->provider;
    bool ok = true;
    jwt_strip(rules, head);
    if (!provider)
        return true;
    for (size_t i = 0; ok && i < provider->n_headers; i++)
        ok = add_claim(head, &provider->headers[i], result->claims);
    if (provider->is_token_removed)
        head_remove(head, FIELD_AUTHORIZATION);
    return ok;
}

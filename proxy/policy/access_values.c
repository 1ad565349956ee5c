#include "proxy/policy/access_values.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/http/pattern.h"
#include "common/spiffe.h"
#include "proxy/wire.h"

/* Takes the `*` at the end away, if there is one. */
static bool access_take_star(struct access_text *text, struct err *err)
{
    if (slice_ends_with(text->whole, SLICE_LITERAL("*"))) {
        text->match = ACCESS_PREFIX;
        text->whole.len--;
    }
    if (text->whole.len > 0 && memchr(text->whole.ptr, '*', text->whole.len))
        return err_set(err, "\"%s\" has a `*` that is not at its end", text->text);
    return true;
}

/* An exact SPIFFE ID, or a beginning that says at least the whole trust domain, and `*`. */
static bool access_read_identity(struct access_text *text, struct err *err)
{
    static const struct slice scheme = SLICE_LITERAL("spiffe://");
    struct spiffe_id id;
    if (!slice_ends_with(text->whole, SLICE_LITERAL("*")))
        return spiffe_parse(text->whole, &id, err);
    if (!access_take_star(text, err))
        return false;
    /* Everybody with an identity. */
    if (slice_eq(text->whole, scheme))
        return true;
    struct slice rest = slice_sub(text->whole, scheme.len, text->whole.len);
    const char *slash = rest.len ? memchr(rest.ptr, '/', rest.len) : NULL;
    if (!slice_starts_with(text->whole, scheme) || !slash ||
        !spiffe_trust_domain_ok(slice_of(rest.ptr, (size_t)(slash - rest.ptr))))
        return err_set(err, "\"%s\" does not begin with spiffe://TRUST-DOMAIN/", text->text);
    return true;
}

static bool access_read_account(struct access_text *text, struct err *err)
{
    if (!wire_is_namespaced(text->whole))
        return err_set(err, "\"%s\" is not NAMESPACE/ACCOUNT", text->text);
    size_t namespace_len = strcspn(text->text, "/");
    text->namespace = slice_of(text->text, namespace_len);
    text->account = slice_str(text->text + namespace_len + 1);
    return true;
}

static bool access_read_namespace(struct access_text *text, struct err *err)
{
    if (text->whole.len > 0 && !strchr(text->text, '/'))
        return true;
    return err_set(err, "\"%s\" is not a namespace", text->text);
}

/* What is below "/" is everything, so that whoever says so is not surprised by the requests without
 * a path of their own: `OPTIONS *`, and CONNECT, whose path is empty. */
static bool access_read_path(struct access_text *text, struct err *err)
{
    if (!pattern_check(PATTERN_PATH, text->whole, err) || !access_take_star(text, err))
        return false;
    if (text->match == ACCESS_PREFIX && slice_ends_with(text->whole, SLICE_LITERAL("/"))) {
        text->whole.len--;
        if (text->whole.len > 0)
            text->match = ACCESS_BELOW;
    }
    return true;
}

/* Kept as a path, which begins with a slash. */
static bool access_read_grpc_method(struct access_text *text, struct err *err)
{
    char *path;
    if (!pattern_check(PATTERN_GRPC_METHOD, text->whole, err))
        return false;
    if (asprintf(&path, "/%s", text->text) < 0)
        return err_set(err, "out of memory");
    free(text->text);
    text->text = path;
    text->whole = slice_str(path);
    return access_take_star(text, err);
}

static bool access_read_host(struct access_text *text, struct err *err)
{
    if (!pattern_check(PATTERN_HOST, text->whole, err))
        return false;
    if (slice_starts_with(text->whole, SLICE_LITERAL("*."))) {
        text->match = ACCESS_SUFFIX;
        text->whole = slice_sub(text->whole, 1, text->whole.len);
    }
    return true;
}

static bool access_read_text(struct access_text *text, enum access_kind kind, struct err *err)
{
    switch (kind) {
    case ACCESS_IDENTITY:
        return access_read_identity(text, err);
    case ACCESS_ACCOUNT:
        return access_read_account(text, err);
    case ACCESS_NAMESPACE:
        return access_read_namespace(text, err);
    case ACCESS_METHOD:
        return pattern_check(PATTERN_METHOD, text->whole, err);
    case ACCESS_PATH:
        return access_read_path(text, err);
    case ACCESS_HOST:
        return access_read_host(text, err);
    case ACCESS_GRPC_METHOD:
        return access_read_grpc_method(text, err);
    case ACCESS_HEADER_VALUE:
        return pattern_check(PATTERN_HEADER_VALUE, text->whole, err) && access_take_star(text, err);
    }
    return false;
}

void *access_array(size_t n, size_t max, size_t size, const char *field, struct err *err)
{
    if (!wire_at_most(n, max, field, err))
        return NULL;
    void *array = calloc(n ? n : 1, size);
    if (!array)
        err_set(err, "%s: out of memory", field);
    return array;
}

bool access_read_texts(struct access_texts *texts, char *const *in, size_t n, enum access_kind kind,
                       const char *field, struct err *err)
{
    texts->list = access_array(n, ACCESS_MAX_VALUES, sizeof(*texts->list), field, err);
    if (!texts->list)
        return false;
    for (size_t i = 0; i < n; i++) {
        struct access_text *text = &texts->list[i];
        texts->n = i + 1;
        text->text = strdup(in[i]);
        text->whole = slice_str(text->text);
        if (!(text->text ? access_read_text(text, kind, err) : err_set(err, "out of memory")))
            return err_prefix(err, "%s[%zu]", field, i);
    }
    return true;
}

void access_free_texts(struct access_texts *texts)
{
    for (size_t i = 0; i < texts->n; i++)
        free(texts->list[i].text);
    free(texts->list);
}

bool access_read_regexes(struct access_regexes *regexes, char *const *in, size_t n,
                         const char *field, struct err *err)
{
    regexes->list = access_array(n, ACCESS_MAX_REGEXES, sizeof(*regexes->list), field, err);
    if (!regexes->list)
        return false;
    for (size_t i = 0; i < n; i++) {
        struct access_regex *regex = &regexes->list[i];
        regexes->n = i + 1;
        regex->text = strdup(in[i]);
        if (!regex->text)
            return err_set(err, "%s[%zu]: out of memory", field, i);
        regex->regex = regex_new(slice_str(regex->text), err);
        if (!regex->regex)
            return err_prefix(err, "%s[%zu]", field, i);
    }
    return true;
}

void access_free_regexes(struct access_regexes *regexes)
{
    for (size_t i = 0; i < regexes->n; i++) {
        free(regexes->list[i].text);
        regex_free(regexes->list[i].regex);
    }
    free(regexes->list);
}

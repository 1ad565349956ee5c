#include "common/spiffe.h"

#include <stdio.h>

#define SCHEME SLICE_LITERAL("spiffe://")

static bool is_digit_or_lower(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_trust_domain_byte(char c)
{
    return is_digit_or_lower(c) || c == '.' || c == '-' || c == '_';
}

static bool is_segment_byte(char c)
{
    return is_trust_domain_byte(c) || (c >= 'A' && c <= 'Z');
}

static size_t length_up_to(struct slice text, char stop)
{
    const char *found = text.len ? memchr(text.ptr, stop, text.len) : NULL;
    return found ? (size_t)(found - text.ptr) : text.len;
}

bool spiffe_trust_domain_ok(struct slice name)
{
    if (name.len == 0 || name.len > SPIFFE_TRUST_DOMAIN_MAX_BYTES)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        if (!is_trust_domain_byte(name.ptr[i]))
            return false;
    }
    return true;
}

/* One segment of a path, without its slash. */
static bool check_segment(struct slice segment, struct err *err)
{
    if (segment.len == 0)
        return err_set(err, "SPIFFE ID: the path has an empty segment");
    if (slice_eq_str(segment, ".") || slice_eq_str(segment, ".."))
        return err_set(err, "SPIFFE ID: the path has a '%.*s' segment", SLICE_ARG(segment));
    for (size_t i = 0; i < segment.len; i++) {
        if (!is_segment_byte(segment.ptr[i]))
            return err_set(err, "SPIFFE ID: byte 0x%02x in the path, expected [A-Za-z0-9._-]",
                           (unsigned char)segment.ptr[i]);
    }
    return true;
}

/*
 * Checks every segment of "/a/b/c" and keeps the first four; `*n` counts them all.
 */
static bool split_path(struct slice path, struct slice first[4], size_t *n, struct err *err)
{
    *n = 0;
    for (size_t at = 0; at < path.len;) {
        struct slice rest = slice_sub(path, at + 1, path.len);
        struct slice segment = slice_sub(rest, 0, length_up_to(rest, '/'));
        if (!check_segment(segment, err))
            return false;
        if (*n < 4)
            first[*n] = segment;
        ++*n;
        at += 1 + segment.len;
    }
    return true;
}

bool spiffe_parse(struct slice text, struct spiffe_id *id, struct err *err)
{
    struct slice segments[4];
    size_t n_segments;
    *id = (struct spiffe_id){.text = text};

    if (text.len > SPIFFE_ID_MAX_BYTES)
        return err_set(err, "SPIFFE ID: %zu bytes, at most %d are allowed", text.len,
                       SPIFFE_ID_MAX_BYTES);
    if (!slice_starts_with(text, SCHEME))
        return err_set(err, "SPIFFE ID: \"%.*s\" does not begin with spiffe:// in lower case",
                       (int)(text.len < 64 ? text.len : 64), text.len ? text.ptr : "");

    struct slice rest = slice_sub(text, SCHEME.len, text.len);
    size_t domain_len = length_up_to(rest, '/');
    id->trust_domain = slice_sub(rest, 0, domain_len);
    id->path = slice_sub(rest, domain_len, rest.len);
    if (!spiffe_trust_domain_ok(id->trust_domain))
        return err_set(err, "SPIFFE ID: trust domain \"%.*s\" is not 1-%d of [a-z0-9._-]",
                       (int)(domain_len < 64 ? domain_len : 64), rest.ptr,
                       SPIFFE_TRUST_DOMAIN_MAX_BYTES);
    if (id->path.len == 0)
        return err_set(err, "SPIFFE ID: no path, it names a trust domain and no workload");
    if (!split_path(id->path, segments, &n_segments, err))
        return false;

    if (n_segments == 4 && slice_eq_str(segments[0], "ns") && slice_eq_str(segments[2], "sa")) {
        id->namespace = segments[1];
        id->service_account = segments[3];
    }
    return true;
}

bool spiffe_format(char *out, size_t size, struct slice trust_domain, struct slice namespace,
                   struct slice service_account)
{
    struct spiffe_id id;
    struct err unused;
    if (trust_domain.len > SPIFFE_ID_MAX_BYTES || namespace.len > SPIFFE_ID_MAX_BYTES ||
        service_account.len > SPIFFE_ID_MAX_BYTES)
        return false;
    int n = snprintf(out, size, "spiffe://%.*s/ns/%.*s/sa/%.*s", SLICE_ARG(trust_domain),
                     SLICE_ARG(namespace), SLICE_ARG(service_account));
    if (n < 0 || (size_t)n >= size || !spiffe_parse(slice_of(out, (size_t)n), &id, &unused))
        return false;
    /* A name with a slash, or a NUL that cut it, would have moved the parts. */
    return slice_eq(id.trust_domain, trust_domain) && slice_eq(id.namespace, namespace) &&
           slice_eq(id.service_account, service_account);
}

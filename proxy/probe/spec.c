#include "proxy/probe/spec.h"

#include <ctype.h>
#include <stdlib.h>

#include "common/options.h"

static const char *const kinds[] = {"http", "https", "tcp", "grpc"};

/* What stands before `mark`, which is taken off `text` with it. False: there is no mark. */
static bool take(struct slice *text, char mark, struct slice *part)
{
    const char *at = text->len ? memchr(text->ptr, mark, text->len) : NULL;
    if (!at)
        return false;
    *part = slice_sub(*text, 0, (size_t)(at - text->ptr));
    *text = slice_sub(*text, part->len + 1, text->len);
    return true;
}

static bool is_name(struct slice name)
{
    size_t n_slashes = 0;
    for (size_t i = 0; i < name.len; i++) {
        n_slashes += name.ptr[i] == '/';
        if (!isalnum((unsigned char)name.ptr[i]) && !strchr("/-.", name.ptr[i]))
            return false;
    }
    return n_slashes == 1 && name.ptr[0] != '/' && name.ptr[name.len - 1] != '/';
}

static bool find_kind(struct slice text, enum probe_kind *kind)
{
    for (int i = 0; i < (int)(sizeof(kinds) / sizeof(kinds[0])); i++)
        if (slice_eq_str(text, kinds[i])) {
            *kind = (enum probe_kind)i;
            return true;
        }
    return false;
}

static bool is_target(const struct probe_spec *spec)
{
    for (size_t i = 0; i < spec->target.len; i++)
        if (!isgraph((unsigned char)spec->target.ptr[i]))
            return false;
    if (spec->kind == PROBE_TCP)
        return spec->target.len == 0;
    return spec->kind == PROBE_GRPC || (spec->target.len > 0 && spec->target.ptr[0] == '/');
}

static bool parse(struct slice text, struct probe_spec *spec, struct err *err)
{
    struct slice kind, port, timeout, rest = text;
    uint64_t number;
    struct err ignored;
    *spec = (struct probe_spec){.text = text};
    if (!take(&rest, '=', &spec->name) || !take(&rest, ',', &kind) || !take(&rest, ',', &port) ||
        !take(&rest, ',', &timeout) || !is_name(spec->name))
        return err_set(err, "\"%.*s\" is not CONTAINER/PROBE=KIND,PORT,TIMEOUT,TARGET",
                       SLICE_ARG(text));
    spec->target = rest;
    if (!find_kind(kind, &spec->kind))
        return err_set(err, "\"%.*s\" is none of http, https, tcp, grpc", SLICE_ARG(kind));
    if (!option_parse_uint(port, 1, UINT16_MAX, &number, &ignored))
        return err_set(err, "\"%.*s\" is no port", SLICE_ARG(port));
    spec->port = (uint16_t)number;
    if (!option_parse_duration(timeout, 1, PROBE_TIMEOUT_MAX_MS, &spec->timeout_ms, err))
        return false;
    return is_target(spec) ||
           err_set(err, "\"%.*s\" is nothing to ask of %.*s", SLICE_ARG(rest), SLICE_ARG(kind));
}

bool probe_specs_add(void *field, struct slice text, struct err *err)
{
    struct probe_specs *specs = field;
    struct probe_spec spec;
    if (!parse(text, &spec, err))
        return false;
    if (probe_specs_find(specs, spec.name))
        return err_set(err, "%.*s is given twice", SLICE_ARG(spec.name));
    if (specs->n == PROBE_SPECS_MAX)
        return err_set(err, "more than %d are given", PROBE_SPECS_MAX);
    struct probe_spec *list = reallocarray(specs->list, specs->n + 1, sizeof(*list));
    if (!list)
        return err_set(err, "out of memory");
    specs->list = list;
    specs->list[specs->n++] = spec;
    return true;
}

void probe_specs_fini(struct probe_specs *specs)
{
    free(specs->list);
    *specs = (struct probe_specs){0};
}

const struct probe_spec *probe_specs_find(const struct probe_specs *specs, struct slice name)
{
    for (size_t i = 0; i < specs->n; i++)
        if (slice_eq(specs->list[i].name, name))
            return &specs->list[i];
    return NULL;
}

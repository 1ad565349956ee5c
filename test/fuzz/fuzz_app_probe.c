/*
 * The application's probes as options write them, one a line. What was taken can be found again by
 * its name, and holds nothing that could end a request line.
 */
// fuzz: proxy
#include <stdint.h>
#include <stdlib.h>

#include "proxy/probe/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int is_true)
{
    if (!is_true)
        abort();
}

static void check(const struct probe_specs *specs, const struct probe_spec *spec)
{
    must(probe_specs_find(specs, spec->name) == spec);
    must(spec->port > 0 && spec->timeout_ms > 0 && spec->timeout_ms <= PROBE_TIMEOUT_MAX_MS);
    for (size_t i = 0; i < spec->target.len; i++)
        must(spec->target.ptr[i] > ' ');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct probe_specs specs = {0};
    struct err err = {0};
    struct slice rest = slice_of(size ? (const char *)data : "", size);
    while (rest.len > 0) {
        const char *newline = memchr(rest.ptr, '\n', rest.len);
        size_t len = newline ? (size_t)(newline - rest.ptr) : rest.len;
        size_t before = specs.n;
        bool is_taken = probe_specs_add(&specs, slice_sub(rest, 0, len), &err);
        must(is_taken ? specs.n == before + 1 : specs.n == before && err.text[0]);
        rest = slice_sub(rest, len + 1, rest.len);
    }
    for (size_t i = 0; i < specs.n; i++)
        check(&specs, &specs.list[i]);
    probe_specs_fini(&specs);
    return 0;
}

/* SPIFFE IDs: what is accepted is made of its parts, and nothing of it is outside the alphabet. */
// fuzz: common
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/spiffe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct spiffe_id id;
    struct err err = {0};
    struct slice text = slice_of(data, size);
    char formatted[SPIFFE_ID_MAX_BYTES + 1];
    if (!spiffe_parse(text, &id, &err)) {
        need(err.text[0] != '\0');
        return 0;
    }
    need(size <= SPIFFE_ID_MAX_BYTES);
    need(9 + id.trust_domain.len + id.path.len == size);
    need(spiffe_trust_domain_ok(id.trust_domain));
    need(id.path.len > 1 && id.path.ptr[0] == '/' && id.path.ptr[id.path.len - 1] != '/');
    for (size_t i = 0; i < size; i++)
        need(data[i] > 0x20 && data[i] < 0x7f && data[i] != '%');
    need((id.namespace.len == 0) == (id.service_account.len == 0));
    if (id.namespace.len) {
        need(spiffe_format(formatted, sizeof(formatted), id.trust_domain, id.namespace,
                           id.service_account));
        need(slice_eq_str(text, formatted));
    }
    return 0;
}

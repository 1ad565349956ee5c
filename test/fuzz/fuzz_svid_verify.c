/*
 * Certificate chains. The first certificate of the input is the only anchor, the rest the peer's
 * chain; each is preceded by its length in two bytes. A seed is a good chain under its root.
 */
// fuzz: common
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/svid_verify.h"

#define NOW_SEC 1800000000 /* the seeds are valid then */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t split(const uint8_t *data, size_t size, struct slice *ders, size_t max)
{
    size_t n = 0;
    for (size_t at = 0; at + 2 <= size && n < max; n++) {
        size_t len = (size_t)data[at] << 8 | data[at + 1];
        at += 2;
        if (len > size - at)
            len = size - at;
        ders[n] = slice_of(data + at, len);
        at += len;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice ders[SVID_CHAIN_MAX + 2];
    struct err err = {0};
    char id[SPIFFE_ID_MAX_BYTES + 1];
    size_t n = split(data, size, ders, SVID_CHAIN_MAX + 2);
    struct trust_anchors *anchors = trust_anchors_from_der(ders, n > 0, &err);
    if (!anchors)
        return 0;
    struct spiffe_id parsed;
    enum svid_verdict verdict = svid_verify(ders + 1, n - 1, anchors, SLICE_LITERAL("mesh.test"),
                                            SLICE_LITERAL(""), NOW_SEC, id, &err);
    if (verdict == SVID_OK && (!spiffe_parse(slice_str(id), &parsed, &err) ||
                               !slice_eq_str(parsed.trust_domain, "mesh.test")))
        abort();
    if (verdict != SVID_OK && err.text[0] == '\0')
        abort();
    trust_anchors_drop(anchors);
    return 0;
}

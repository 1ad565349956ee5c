/* Parameters of URLs and forms: texts that end, of no more bytes than came. */
// fuzz: common
#include <stdint.h>
#include <stdlib.h>

#include "common/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct form form;
    size_t sum = 0;
    if (size > 8192)
        return 0;
    bool ok = form_parse(&form, &arena, slice_of(data, size));
    if (form.n > FORM_MAX_PARAMS || (!ok && form.n > 0))
        abort();
    for (size_t i = 0; i < form.n; i++) {
        sum += strlen(form.params[i].name) + strlen(form.params[i].value);
        const char *found = form_find(&form, form.params[i].name);
        if (!found)
            abort();
    }
    if (sum > size)
        abort();
    arena_fini(&arena);
    return 0;
}

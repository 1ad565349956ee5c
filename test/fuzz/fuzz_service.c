// fuzz: proxy
/* Any bytes as a Service resource: refused with a reason, or made into something that can be read.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proxy/config/service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"10.96.0.10:80", "10.1.0.5:8080", "[fd00::5]:8080"};
    struct service_shared *shared = service_shared_new();
    for (size_t i = 0; shared && i < sizeof(names) / sizeof(names[0]); i++) {
        struct err err = {""};
        struct service *service = service_build(slice_of(data, size), slice_str(names[i]),
                                                SLICE_LITERAL("1"), shared, &err);
        if (!service && !err.text[0])
            abort();
        /* One of the two, never both or none. */
        if (service && (service->n_backends > 0) == (service->pod != NULL))
            abort();
        service_drop(service);
    }
    if (shared && shared->refs != 1)
        abort();
    service_shared_drop(shared);
    return 0;
}

#include <jansson.h>

#include "proxy/admin/gather.h"
#include "proxy/admin/pages.h"
#include "common/usage.h"

static void on_gathered(void *context, json_t *workers)
{
    struct usage usage = usage_now();
    admin_reply_json(context, workers
                                  ? json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:o}", "resident_bytes",
                                              (json_int_t)usage.resident_bytes, "virtual_bytes",
                                              (json_int_t)usage.virtual_bytes, "heap_used_bytes",
                                              (json_int_t)usage.heap_used_bytes, "heap_free_bytes",
                                              (json_int_t)usage.heap_free_bytes, "descriptors",
                                              (json_int_t)usage.descriptors, "max_descriptors",
                                              (json_int_t)usage.max_descriptors, "workers", workers)
                                  : NULL);
}

void page_memory(struct admin_request *request, void *context)
{
    bool is_trim = admin_request_is_post(request);
    if (!is_trim && admin_request_param(request, "trim")) {
        /* as it once was; who follows a link must not change anything */
        admin_reply_text(request, HTTP_BADMETHOD, "to give back what is free: POST /memory");
        return;
    }
    if (is_trim)
        usage_trim(); /* with the end of this thread's heap; each worker gives back its own */
    gather_start(context, is_trim ? WORKER_TRIMMED_MEMORY : WORKER_MEMORY, on_gathered, request);
}

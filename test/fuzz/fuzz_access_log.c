// fuzz: proxy
/*
 * A format up to the first line feed, then a filter; then a request is told by both. The line never
 * has a control byte.
 */
#include <stdint.h>
#include <stdlib.h>

#include "proxy/telemetry/access_log.h"
#include "test/unit/proxy/telemetry/facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    struct err err;
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = '\0';
    char *filter = strchr(text, '\n');
    if (filter)
        *filter++ = '\0';
    struct access_log *log = access_log_new(text, filter, &err);
    if (log) {
        struct request_facts facts = some_facts;
        struct buf line;
        facts.path = slice_of(data, size);
        buf_init(&line, 4000);
        (void)!access_log_line(log, &facts, "now", &line);
        struct slice bytes = buf_slice(&line);
        for (size_t i = 0; i < bytes.len; i++)
            if ((unsigned char)bytes.ptr[i] < 0x20 && bytes.ptr[i] != '\t')
                abort();
        buf_fini(&line);
    }
    access_log_free(log);
    free(text);
    return 0;
}

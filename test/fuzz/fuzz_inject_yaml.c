/*
 * A stream of manifests, as a person at a terminal has it. What comes out can be read again, and a
 * second time changes nothing.
 */
// fuzz: cli
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/inject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int is_true)
{
    if (!is_true)
        abort();
}

static void on_note(void *context, const char *note)
{
    (void)context;
    must(strncmp(note, "x.yaml:", 7) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct inject_settings settings = {.proxy_image = "p",
                                                    .init_image = "i",
                                                    .controller = "c:1",
                                                    .trust_domain = "d",
                                                    .anchors = "a"};
    struct buf first, second;
    struct err err = {0};
    buf_init(&first, INJECT_MAX_BYTES);
    buf_init(&second, INJECT_MAX_BYTES);
    if (cli_inject(slice_of(data, size), "x.yaml", &settings, on_note, NULL, &first, &err)) {
        must(cli_inject(buf_slice(&first), "x.yaml", &settings, on_note, NULL, &second, &err));
        must(slice_eq(buf_slice(&first), buf_slice(&second)));
    } else {
        must(strncmp(err.text, "x.yaml:", 7) == 0);
        must(strcmp(err.text, "x.yaml: cannot be written: this is our fault") != 0);
    }
    buf_fini(&first);
    buf_fini(&second);
    return 0;
}

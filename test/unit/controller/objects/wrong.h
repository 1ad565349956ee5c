/* A table of wrong manifests, each with the message that a person gets for it. */
#ifndef OUTRIGGER_TEST_CONTROLLER_OBJECTS_WRONG_H
#define OUTRIGGER_TEST_CONTROLLER_OBJECTS_WRONG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "controller/objects/read.h"

struct wrong {
    const char *yaml;
    const char *message;
};

/* Reads each as the file x.yaml; nothing may come of it but exactly the message. */
static inline void check_wrong(const struct wrong *table, size_t n)
{
    size_t n_bad = 0;
    for (size_t i = 0; i < n; i++) {
        struct objects objects = {0};
        struct err err = {.text = "(it was taken)"};
        bool is_good = objects_read(slice_str(table[i].yaml), "x.yaml", NULL, NULL, &objects, &err);
        if (is_good || objects.n > 0 || strcmp(err.text, table[i].message) != 0) {
            print_error("case %zu\n     got %s\nexpected %s\n", i, err.text, table[i].message);
            n_bad++;
        }
        objects_fini(&objects);
    }
    assert_int_equal(n_bad, 0);
}

#endif

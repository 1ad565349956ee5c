/*
 * Which manifests there are: all *.yaml and *.yml in a folder and in those below it. What begins
 * with a dot is passed over; links are followed, circles are not.
 */
#ifndef OUTRIGGER_CONTROLLER_SOURCE_WALK_H
#define OUTRIGGER_CONTROLLER_SOURCE_WALK_H

#include <stddef.h>

#include "common/err.h"

/* Paths below the folder, sorted by their bytes. `(struct walk){0}` is an empty one. */
struct walk {
    char **list;
    size_t n;
    size_t size;
    struct err warning; /* of a subfolder that was left out; "" when there was none */
};

struct walk_limits {
    size_t files;
    size_t folders;
    size_t depth;
};

/*
 * Fills the walk. `enter` is called for each folder before it is read, with its path and with what
 * its files are called by: "" or a path that ends in '/'. False with `err` when the top folder
 * cannot be read or `enter` refuses it; of a folder below it the walk's warning tells.
 */
bool walk_folder(const char *top, const struct walk_limits *limits,
                 bool (*enter)(void *context, const char *folder, const char *name,
                               struct err *err),
                 void *context, struct walk *walk, struct err *err) MUST_USE;
void walk_fini(struct walk *walk);

#endif

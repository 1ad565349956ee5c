/*
 * From the text of a YAML file to objects: which documents are of which kind, and what every kind
 * has in common.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_READ_H
#define OUTRIGGER_CONTROLLER_OBJECTS_READ_H

#include "common/err.h"
#include "common/slice.h"
#include "controller/objects/object.h"

/* A growing array that owns its objects. `(struct objects){0}` is an empty one. */
struct objects {
    struct object **list;
    size_t n;
    size_t size;
};
void objects_fini(struct objects *objects);

/* Called for a document of a kind that is none of ours; it is passed over. */
typedef void (*objects_on_unknown)(void *context, const char *kind, unsigned line);

/*
 * Appends the objects of all documents in `text`; a `kind: List` stands for its items. `file` is
 * told in errors and kept in the objects. All or nothing: on failure nothing has been appended and
 * `err` names file, line, field and what was expected. The same object twice is an error too.
 */
bool objects_read(struct slice text, const char *file, objects_on_unknown on_unknown, void *context,
                  struct objects *objects, struct err *err) MUST_USE;

/*
 * Where the API server lists the kind, of all namespaces: "/api/v1/pods",
 * "/apis/outrigger.dev/v1alpha1/accesspolicies". `version` counts from 0, the one to write; NULL:
 * there are not so many.
 */
#define OBJECTS_PATH_BYTES 128
const char *objects_path(enum object_kind kind, size_t version, char path[OBJECTS_PATH_BYTES]);
/* Its `kind`, and the `apiVersion` of that version, as its objects have them. */
const char *objects_kind(enum object_kind kind);
const char *objects_api_version(enum object_kind kind, size_t version,
                                char text[OBJECTS_PATH_BYTES]);

#endif

#include "controller/inject/validate.h"

#include <stdlib.h>
#include <string.h>

#include "controller/inject/warnings.h"
#include "controller/inject/wishes.h"
#include "controller/objects/read.h"

#define OWN_GROUP "outrigger.dev/"

/* The object stands on one line, so that the line is no help: "object:1: spec.action: ...". */
#define FILE_NAME "object"

static bool read_own_kind(const json_t *object, struct err *err)
{
    struct objects objects = {0};
    char *text = json_dumps(object, 0); /* JSON is YAML, for our reader as well */
    if (!text)
        return err_set(err, "out of memory");
    bool is_good = objects_read(slice_str(text), FILE_NAME, NULL, NULL, &objects, err);
    objects_fini(&objects);
    free(text);
    if (is_good)
        return true;
    struct err located = *err;
    return err_set(err, "%s",
                   strncmp(located.text, FILE_NAME ":1: ", strlen(FILE_NAME ":1: ")) == 0
                       ? located.text + strlen(FILE_NAME ":1: ")
                       : located.text);
}

/* Those that may have settings of ours; all are of the core group. */
static bool find_annotated(const char *name, enum object_kind *kind)
{
    static const enum object_kind kinds[] = {OBJECT_NAMESPACE, OBJECT_POD, OBJECT_SERVICE};
    for (size_t i = 0; name && i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(name, object_kind_name(kinds[i])) == 0) {
            *kind = kinds[i];
            return true;
        }
    return false;
}

bool validate_object(const json_t *object, json_t *warnings, struct err *err)
{
    const char *version = json_string_value(json_object_get(object, "apiVersion"));
    const char *kind_text = json_string_value(json_object_get(object, "kind"));
    enum object_kind kind;
    struct wishes ignored = {0};
    if (version && strncmp(version, OWN_GROUP, strlen(OWN_GROUP)) == 0)
        return read_own_kind(object, err);
    if (version && strcmp(version, "v1") == 0 && find_annotated(kind_text, &kind))
        wishes_of_object(json_object_get(object, "metadata"), kind, &ignored, warnings);
    return true;
}

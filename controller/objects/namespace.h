/*
 * A Namespace: what it sets for all of its pods.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_NAMESPACE_H
#define OUTRIGGER_CONTROLLER_OBJECTS_NAMESPACE_H

#include "controller/objects/annotations.h"
#include "controller/objects/field.h"
#include "controller/objects/object.h"

struct namespace
{
    struct object object;
    struct annotations annotations;
    struct labels own_labels; /* outrigger.dev/..., as they were read; not sorted */
    struct labels own_annotations;
};

/* Fills what is the kind's own; `object` has been read. Complaints go to the field's reading. */
void namespace_read(const struct field *root, struct object *object);

#endif

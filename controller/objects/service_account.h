/*
 * A ServiceAccount: that it exists is all there is to know.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_SERVICE_ACCOUNT_H
#define OUTRIGGER_CONTROLLER_OBJECTS_SERVICE_ACCOUNT_H

#include "controller/objects/field.h"
#include "controller/objects/object.h"

struct service_account {
    struct object object;
};

/* Fills what is the kind's own; `object` has been read. Complaints go to the field's reading. */
void service_account_read(const struct field *root, struct object *object);

#endif

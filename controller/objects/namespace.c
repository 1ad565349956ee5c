#include "controller/objects/namespace.h"

void namespace_read(const struct field *root, struct object *object)
{
    struct namespace *namespace = (struct namespace *)object;
    struct field metadata = field_get(root, "metadata");
    annotations_read(&metadata, OBJECT_NAMESPACE, &namespace->annotations);
}

/*
 * HTTPRouteGroup and TCPRoute of the Service Mesh Interface (specs.smi-spec.io, v1alpha1 to
 * v1alpha4): kinds of traffic with a name, to which TrafficTargets and TrafficSplits refer. What
 * the first versions have at the top stands in `spec` in later ones, and headers were a list of
 * maps before they became a map; every version is read in either form.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_SMI_SPEC_H
#define OUTRIGGER_CONTROLLER_OBJECTS_SMI_SPEC_H

#include "controller/objects/field.h"
#include "controller/objects/object.h"
#include "controller/objects/ports.h"
#include "controller/objects/route.h"

#define SMI_MATCHES_MAX 64
#define SMI_METHODS_MAX 16

struct smi_match {
    const char *name;
    const char *path;            /* expression for the whole path; "": any */
    struct texts methods;        /* none: any */
    struct route_values headers; /* expressions for whole values, all of which must match */
};

struct http_route_group {
    struct object object;
    const struct smi_match *matches;
    size_t n_matches;
};

struct smi_tcp_route {
    struct object object;
    struct port_ranges ports; /* none: all */
};

/* Each fills what is the kind's own; complaints go to the field's reading. */
void http_route_group_read(const struct field *root, struct object *object);
void smi_tcp_route_read(const struct field *root, struct object *object);

/* NULL when the group has no match of that name. */
const struct smi_match *http_route_group_match(const struct http_route_group *group,
                                               const char *name);

/* `spec`, or the root itself in versions before there was one. */
struct field smi_body(const struct field *root);

#endif

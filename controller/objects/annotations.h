/*
 * The labels and annotations `outrigger.dev/...` of a Namespace, a Pod or a Service. Their names
 * are a closed list: an unknown one, one in the wrong place, or a wrong value is complained of.
 */
#ifndef OUTRIGGER_CONTROLLER_OBJECTS_ANNOTATIONS_H
#define OUTRIGGER_CONTROLLER_OBJECTS_ANNOTATIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "controller/objects/field.h"
#include "controller/objects/object.h"
#include "controller/objects/ports.h"

/* The values of all these but UNSET are those of proto/resources.proto. */
enum toggle { TOGGLE_UNSET, TOGGLE_ON, TOGGLE_OFF };
enum mtls_setting { MTLS_UNSET, MTLS_PERMISSIVE, MTLS_STRICT, MTLS_DISABLED };
enum egress_setting { EGRESS_UNSET, EGRESS_ALLOW_ANY, EGRESS_REGISTRY_ONLY };

/* What the controller itself acts on; the others configure the pod's containers. */
struct annotations {
    enum toggle inject;
    enum toggle access_log;
    enum mtls_setting mtls_mode;
    enum egress_setting egress_mode;
    uint64_t discovery_timeout_ms; /* 0: not set */
    struct port_ranges opaque_ports;
    struct port_ranges skip_inbound_ports;
};

#define ANNOTATION_PREFIX "outrigger.dev/"

#define OPAQUE_PORTS_MAX 1000 /* ports in one opaque-ports, ranges counted out */

/* From the metadata of an object of that kind. */
void annotations_read(const struct field *metadata, enum object_kind kind,
                      struct annotations *annotations);

/*
 * One label or annotation by itself; its name begins with ANNOTATION_PREFIX. False with `err`:
 * `metadata.annotations["outrigger.dev/x"]: ...`.
 */
bool annotation_check(const char *name, const char *value, enum object_kind kind, bool is_label,
                      struct err *err) MUST_USE;

/* The next NAME=VALUE of extra-env, taken off the front of `text`; an empty name where there is no
 * "=". False at the end. */
bool annotation_next_env(struct slice *text, struct slice *name, struct slice *value);

#endif

#include "controller/delta/request.h"

#include "controller/compile/compile.h"

static bool name_ok(const char *name, struct err *err, const char *field)
{
    size_t len = strnlen(name, RESOURCE_NAME_MAX + 1);
    if (len == 0 || len > RESOURCE_NAME_MAX)
        return err_set(err, "%s: a name of %zu bytes is not one of 1 to %d bytes", field,
                       strlen(name), RESOURCE_NAME_MAX);
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] > '~')
            return err_set(err, "%s: a name with byte 0x%02x is not visible ASCII", field,
                           (unsigned char)name[i]);
    return true;
}

static bool names_ok(char *const *names, size_t n, struct err *err, const char *field)
{
    for (size_t i = 0; i < n; i++)
        if (!name_ok(names[i], err, field))
            return false;
    return true;
}

static bool request_ok(const DeltaDiscoveryRequest *request, struct err *err)
{
    if (!name_ok(request->type_url, err, "type_url") ||
        !names_ok(request->resource_names_subscribe, request->n_resource_names_subscribe, err,
                  "resource_names_subscribe") ||
        !names_ok(request->resource_names_unsubscribe, request->n_resource_names_unsubscribe, err,
                  "resource_names_unsubscribe"))
        return false;
    for (size_t i = 0; i < request->n_initial_resource_versions; i++)
        if (!name_ok(request->initial_resource_versions[i]->key, err, "initial_resource_versions"))
            return false;
    return true;
}

DeltaDiscoveryRequest *delta_request_read(struct slice bytes, struct err *err)
{
    DeltaDiscoveryRequest *request = envoy__service__discovery__v3__delta_discovery_request__unpack(
        NULL, bytes.len, (const uint8_t *)bytes.ptr);
    if (!request) {
        err_set(err, "%zu bytes are no DeltaDiscoveryRequest", bytes.len);
        return NULL;
    }
    if (!request_ok(request, err)) {
        delta_request_free(request);
        return NULL;
    }
    return request;
}

void delta_request_free(DeltaDiscoveryRequest *request)
{
    envoy__service__discovery__v3__delta_discovery_request__free_unpacked(request, NULL);
}

#include "controller/inject/review.h"

#include <stdlib.h>
#include <string.h>

#include "common/base64.h"
#include "controller/inject/validate.h"
#include "controller/inject/warnings.h"

#define API_VERSION   "admission.k8s.io/v1"
#define UID_MAX_BYTES 256

/* ---- in ----------------------------------------------------------------------------------------
 */

static const char *text_at(const json_t *map, const char *key)
{
    const char *text = json_string_value(json_object_get(map, key));
    return text ? text : "";
}

static bool is_review(const json_t *review, struct err *err)
{
    const char *uid = text_at(json_object_get(review, "request"), "uid");
    if (strcmp(text_at(review, "kind"), "AdmissionReview") != 0)
        return err_set(err, "kind: expected AdmissionReview");
    if (strcmp(text_at(review, "apiVersion"), API_VERSION) != 0)
        return err_set(err, "apiVersion: expected " API_VERSION);
    if (*uid == '\0' || strlen(uid) > UID_MAX_BYTES)
        return err_set(err, "request.uid: is %s", *uid ? "too long" : "missing");
    return true;
}

static json_t *parse(struct slice body, struct err *err)
{
    json_error_t error;
    if (body.len > REVIEW_MAX_BYTES) {
        err_set(err, "more than %u bytes", REVIEW_MAX_BYTES);
        return NULL;
    }
    json_t *review = json_loadb(body.len ? body.ptr : "", body.len, 0, &error);
    if (!review) {
        err_set(err, "not JSON: line %d: %s", error.line, error.text);
        return NULL;
    }
    if (is_review(review, err))
        return review;
    json_decref(review);
    return NULL;
}

/* ---- out ---------------------------------------------------------------------------------------
 */

/* A patch is base64 in JSON in JSON. */
static json_t *encoded(const json_t *patch)
{
    char *text = json_dumps(patch, JSON_COMPACT);
    struct slice bytes = slice_str(text);
    size_t size = base64_encoded_len(bytes.len) + 3;
    char *out = text ? malloc(size) : NULL;
    json_t *json = NULL;
    if (out) {
        size_t len = base64_encode(BASE64_STANDARD, bytes, out);
        while (len % 4) /* Go's decoder wants the padding that gRPC leaves out */
            out[len++] = '=';
        json = json_stringn(out, len);
    }
    free(text);
    free(out);
    return json;
}

/* `response` changes hands; NULL is answered with NULL. */
static json_t *answer(const json_t *review, json_t *response, struct err *err)
{
    json_t *uid = json_object_get(json_object_get(review, "request"), "uid");
    json_t *all = NULL;
    if (response && json_object_set(response, "uid", uid) == 0)
        all = json_pack("{s:s, s:s, s:O}", "apiVersion", API_VERSION, "kind", "AdmissionReview",
                        "response", response);
    json_decref(response);
    if (!all)
        err_set(err, "out of memory");
    return all;
}

static json_t *allowed(json_t *warnings, const char *decision)
{
    bool has_warnings = json_array_size(warnings) > 0;
    return json_pack("{s:b, s:O*, s:{s:s}}", "allowed", 1, "warnings",
                     has_warnings ? warnings : NULL, "auditAnnotations", "decision", decision);
}

/* ---- inject ------------------------------------------------------------------------------------
 */

/* Who is left out though he may have wished for it; of the others nobody wants to hear daily. */
static bool is_worth_telling(enum inject_decision decision)
{
    return decision == INJECT_HOST_NETWORK || decision == INJECT_WINDOWS ||
           decision == INJECT_NAME_TAKEN;
}

static json_t *injected(const struct injection *injection, struct review_outcome *outcome)
{
    const char *decision = inject_decision_text(injection->decision);
    if (is_worth_telling(injection->decision))
        warnings_add(injection->warnings, "outrigger-proxy is not injected: %s", decision);
    json_t *response = allowed(injection->warnings, decision);
    outcome->decision = decision;
    outcome->n_warnings = json_array_size(injection->warnings);
    outcome->is_patched = json_array_size(injection->patch) > 0;
    if (!response || !outcome->is_patched)
        return response;
    json_t *patch = encoded(injection->patch);
    json_t *type = json_string("JSONPatch");
    bool is_good = patch && type && json_object_set(response, "patch", patch) == 0 &&
                   json_object_set(response, "patchType", type) == 0;
    json_decref(patch);
    json_decref(type);
    if (is_good)
        return response;
    json_decref(response);
    return NULL;
}

static json_t *inject_request(const json_t *request, const struct inject_settings *settings,
                              const struct review_namespaces *namespaces,
                              struct review_outcome *outcome)
{
    const char *name = text_at(request, "namespace");
    json_t *namespace =
        namespaces->metadata ? namespaces->metadata(namespaces->context, name) : NULL;
    struct injection injection;
    json_t *response = NULL;
    if (inject_pod(json_object_get(request, "object"), name, namespace, settings, &injection)) {
        response = injected(&injection, outcome);
        injection_fini(&injection);
    }
    json_decref(namespace);
    return response;
}

json_t *review_inject(struct slice body, const struct inject_settings *settings,
                      const struct review_namespaces *namespaces, struct review_outcome *outcome,
                      struct err *err)
{
    *outcome = (struct review_outcome){.decision = "not a new pod"};
    json_t *review = parse(body, err);
    if (!review)
        return NULL;
    const json_t *request = json_object_get(review, "request");
    const char *kind = text_at(json_object_get(request, "kind"), "kind");
    json_t *all = NULL;
    if (strcmp(kind, "Pod") != 0 || strcmp(text_at(request, "operation"), "CREATE") != 0)
        all = answer(review, allowed(NULL, outcome->decision), err);
    else if (!json_is_object(json_object_get(request, "object")))
        err_set(err, "request.object: expected a Pod");
    else
        all = answer(review, inject_request(request, settings, namespaces, outcome), err);
    json_decref(review);
    return all;
}

/* ---- validate ----------------------------------------------------------------------------------
 */

static json_t *refused(const char *message)
{
    return json_pack("{s:b, s:{s:s, s:i, s:s, s:s}}", "allowed", 0, "status", "status", "Failure",
                     "code", 422, "reason", "Invalid", "message", message);
}

static json_t *validated(const json_t *object, struct review_outcome *outcome)
{
    struct err why;
    json_t *warnings = json_array(), *response = NULL;
    if (!warnings)
        return NULL;
    outcome->is_refused = !validate_object(object, warnings, &why);
    outcome->n_warnings = json_array_size(warnings);
    outcome->decision = outcome->is_refused ? "refused" : "accepted";
    if (outcome->is_refused)
        response = refused(why.text);
    else
        response = allowed(warnings, outcome->decision);
    json_decref(warnings);
    return response;
}

json_t *review_validate(struct slice body, struct review_outcome *outcome, struct err *err)
{
    *outcome = (struct review_outcome){.decision = "nothing to validate"};
    json_t *review = parse(body, err);
    if (!review)
        return NULL;
    const json_t *request = json_object_get(review, "request");
    const json_t *object = json_object_get(request, "object");
    json_t *all = NULL;
    if (!object || json_is_null(object)) /* DELETE and CONNECT have none */
        all = answer(review, allowed(NULL, outcome->decision), err);
    else if (!json_is_object(object))
        err_set(err, "request.object: expected an object");
    else
        all = answer(review, validated(object, outcome), err);
    json_decref(review);
    return all;
}

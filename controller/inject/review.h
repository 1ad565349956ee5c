/*
 * AdmissionReview (admission.k8s.io/v1) in, its answer out. What is not such a review is an error
 * for HTTP 400; what is one always gets an answer, and of the two the validating one alone says no.
 */
#ifndef OUTRIGGER_CONTROLLER_INJECT_REVIEW_H
#define OUTRIGGER_CONTROLLER_INJECT_REVIEW_H

#include "common/err.h"
#include "common/slice.h"
#include "controller/inject/inject.h"

/* Of a request's body: an object of at most 3 MiB and the old one, and who asks. */
#define REVIEW_MAX_BYTES (8u << 20)

struct review_namespaces {
    /* The metadata of a namespace, a new reference; NULL when it is not known. */
    json_t *(*metadata)(void *context, const char *name);
    void *context;
};

/* What was done, for the log and the counters. */
struct review_outcome {
    bool is_patched;
    bool is_refused;
    size_t n_warnings;
    const char *decision; /* a constant */
};

/* A new reference, NULL with `err` filled. */
json_t *review_inject(struct slice body, const struct inject_settings *settings,
                      const struct review_namespaces *namespaces, struct review_outcome *outcome,
                      struct err *err) MUST_USE;
json_t *review_validate(struct slice body, struct review_outcome *outcome,
                        struct err *err) MUST_USE;

#endif

#include "controller/kubernetes/token_review.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "controller/kubernetes/kube_call.h"
#include "controller/kubernetes/kube_objects.h"

#define PATH             "/apis/authentication.k8s.io/v1/tokenreviews"
#define ANSWER_MAX_BYTES (256u << 10)
#define ANSWER_IDLE_MS   5000
#define REVIEWS_MAX      256
#define USER_PREFIX      SLICE_LITERAL("system:serviceaccount:")
#define POD_NAME         "authentication.kubernetes.io/pod-name"

struct token_reviewer {
    struct event_base *base;
    const struct kube_access *access;
    size_t n_reviews;
};

struct token_review {
    struct token_reviewer *reviewer;
    struct kube_call *call;
    struct buf received;
    unsigned status;
    token_review_fn *done;
    void *owner;
};

struct token_reviewer *token_reviewer_new(struct event_base *base, const struct kube_access *access)
{
    struct token_reviewer *reviewer = calloc(1, sizeof(*reviewer));
    if (reviewer)
        *reviewer = (struct token_reviewer){base, access, 0};
    return reviewer;
}

void token_reviewer_free(struct token_reviewer *reviewer)
{
    free(reviewer);
}

/* ---- the answer ------------------------------------------------------------------------------ */

/* "system:serviceaccount:NAMESPACE:ACCOUNT" */
static bool read_user(const char *user, const char *pod, struct token_claims *claims,
                      struct err *err)
{
    struct slice text = slice_str(user);
    struct slice rest = slice_starts_with(text, USER_PREFIX)
                            ? slice_sub(text, USER_PREFIX.len, text.len)
                            : slice_of(NULL, 0);
    const char *colon = rest.len ? memchr(rest.ptr, ':', rest.len) : NULL;
    if (!colon)
        return err_set(err, "token: is of \"%.200s\", which is no service account", user);
    size_t len = (size_t)(colon - rest.ptr);
    return token_claims_set(claims, slice_sub(rest, 0, len), slice_sub(rest, len + 1, rest.len),
                            slice_str(pod), err);
}

/* A server that does not look at audiences answers without any. */
static bool is_for_us(const json_t *status)
{
    const json_t *audience;
    size_t index;
    json_array_foreach(json_object_get(status, "audiences"), index, audience)
    {
        const char *text = json_string_value(audience);
        if (text && strcmp(text, TOKEN_AUDIENCE) == 0)
            return true;
    }
    return false;
}

static enum grpc_code judge(const json_t *status, struct token_claims *claims, struct err *err)
{
    const json_t *user = json_object_get(status, "user");
    const json_t *pods = json_object_get(json_object_get(user, "extra"), POD_NAME);
    const char *pod = json_string_value(json_array_get(pods, 0));
    const char *error = kube_text(status, "error");
    bool is_good = false;
    if (!json_is_true(json_object_get(status, "authenticated")))
        err_set(err, "token: the cluster does not take it%s%.300s", *error ? ": " : "", error);
    else if (!is_for_us(status))
        err_set(err, "token: is not for the audience \"%s\"", TOKEN_AUDIENCE);
    else
        is_good = read_user(kube_text(user, "username"), pod ? pod : "", claims, err);
    return is_good ? GRPC_OK : GRPC_UNAUTHENTICATED;
}

static void on_head(void *owner, unsigned status, uint64_t retry_after_ms)
{
    (void)retry_after_ms;
    ((struct token_review *)owner)->status = status;
}

static bool on_data(void *owner, struct slice data)
{
    struct token_review *review = owner;
    return buf_append(&review->received, data.ptr, data.len);
}

static void review_free(struct token_review *review)
{
    review->reviewer->n_reviews--;
    buf_fini(&review->received);
    free(review);
}

static void on_end(void *owner, const char *why)
{
    struct token_review *review = owner;
    struct slice text = buf_slice(&review->received);
    json_t *answer = json_loadb(text.len ? text.ptr : "", text.len, 0, NULL);
    const json_t *status = json_object_get(answer, "status");
    struct token_claims claims = {0};
    struct err err = {.text = ""};
    enum grpc_code code = GRPC_UNAVAILABLE;
    if (*why)
        err_set(&err, "the cluster could not be asked about the token: %s", why);
    else if (review->status != 200 && review->status != 201)
        err_set(&err, "the cluster could not be asked about the token: it answered %u: %.300s",
                review->status, kube_text(answer, "message"));
    else if (!json_is_object(status))
        err_set(&err, "the cluster could not be asked about the token: the answer is no "
                      "TokenReview");
    else
        code = judge(status, &claims, &err);
    json_decref(answer);
    review->call = NULL;
    review->done(review->owner, code, &claims, &err);
    review_free(review);
}

/* ---- the question ---------------------------------------------------------------------------- */

static char *write_question(struct slice token)
{
    json_t *json = json_pack("{s:s, s:s, s:{s:s%, s:[s]}}", "apiVersion",
                             "authentication.k8s.io/v1", "kind", "TokenReview", "spec", "token",
                             token.len ? token.ptr : "", token.len, "audiences", TOKEN_AUDIENCE);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}

struct token_review *token_review_start(struct token_reviewer *reviewer, struct slice token,
                                        token_review_fn *done, void *owner)
{
    static const struct kube_call_events events = {on_head, on_data, on_end};
    struct token_review *review =
        reviewer->n_reviews < REVIEWS_MAX ? calloc(1, sizeof(*review)) : NULL;
    if (!review)
        return NULL;
    *review = (struct token_review){.reviewer = reviewer, .done = done, .owner = owner};
    reviewer->n_reviews++;
    buf_init(&review->received, ANSWER_MAX_BYTES);
    char *question = write_question(token);
    if (question) {
        const struct kube_question asked = {PATH, slice_str(question), false, ANSWER_IDLE_MS};
        review->call = kube_call_start(reviewer->base, reviewer->access, &asked, &events, review);
    }
    free(question);
    if (review->call)
        return review;
    review_free(review);
    return NULL;
}

void token_review_cancel(struct token_review *review)
{
    if (!review)
        return;
    kube_call_free(review->call);
    review_free(review);
}

/*
 * Tokens that the cluster has signed, judged by it (authentication.k8s.io/v1 TokenReview): a pod's
 * projected token for our audience says whose it is.
 */
#ifndef OUTRIGGER_CONTROLLER_KUBERNETES_TOKEN_REVIEW_H
#define OUTRIGGER_CONTROLLER_KUBERNETES_TOKEN_REVIEW_H

#include <event2/event.h>

#include "common/grpc/status.h"
#include "controller/kubernetes/kube_access.h"
#include "controller/token.h"

struct token_reviewer; /* of one API server */
struct token_review;   /* one that is under way */

/* `access` must outlive it. NULL when memory is short. */
struct token_reviewer *token_reviewer_new(struct event_base *base,
                                          const struct kube_access *access);
/* When no review is under way any more. NULL is allowed. */
void token_reviewer_free(struct token_reviewer *reviewer);

/*
 * The end of a review. GRPC_OK with `claims` (whose times are 0); UNAUTHENTICATED: the cluster does
 * not know the token, or it is for somebody else; UNAVAILABLE: it could not be asked. `err` says
 * more. The review is over, its pointer no longer good.
 */
typedef void token_review_fn(void *owner, enum grpc_code code, const struct token_claims *claims,
                             const struct err *err);

/*
 * Calls `done` once, from the event loop. NULL: as many are under way as may be, or memory is
 * short.
 */
struct token_review *token_review_start(struct token_reviewer *reviewer, struct slice token,
                                        token_review_fn *done, void *owner) MUST_USE;
void token_review_cancel(struct token_review *review); /* NULL is allowed */

#endif

/*
 * The values of conditions, as a message has them, checked and turned into what is compared. For
 * the files of this folder only.
 */
#ifndef OUTRIGGER_PROXY_POLICY_ACCESS_VALUES_H
#define OUTRIGGER_PROXY_POLICY_ACCESS_VALUES_H

#include "proxy/policy/access_types.h"

#define ACCESS_MAX_VALUES  16384 /* of one condition */
#define ACCESS_MAX_REGEXES 64    /* likewise; each is tried on its own */

enum access_kind {
    ACCESS_IDENTITY,
    ACCESS_ACCOUNT,
    ACCESS_NAMESPACE,
    ACCESS_METHOD,
    ACCESS_PATH,
    ACCESS_HOST,
    ACCESS_GRPC_METHOD,
    ACCESS_HEADER_VALUE,
};

/* Room for `n` of something, or NULL with `err` naming the field and its ceiling. */
void *access_array(size_t n, size_t max, size_t size, const char *field, struct err *err) MUST_USE;

/*
 * Copies of `n` texts. False with `err` naming the field, the index, and what was expected; what
 * has been read until then is to be freed all the same.
 */
bool access_read_texts(struct access_texts *texts, char *const *in, size_t n, enum access_kind kind,
                       const char *field, struct err *err) MUST_USE;
void access_free_texts(struct access_texts *texts);

/* As access_read_texts(), of expressions. */
bool access_read_regexes(struct access_regexes *regexes, char *const *in, size_t n,
                         const char *field, struct err *err) MUST_USE;
void access_free_regexes(struct access_regexes *regexes);

#endif

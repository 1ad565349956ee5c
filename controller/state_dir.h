/*
 * What the controller keeps on disk: one folder with its private keys and root certificate.
 */
#ifndef OUTRIGGER_CONTROLLER_STATE_DIR_H
#define OUTRIGGER_CONTROLLER_STATE_DIR_H

#include <limits.h>
#include <openssl/base.h>

#include "common/err.h"

#define STATE_DIR_ROOT_KEY  "root.key"
#define STATE_DIR_ROOT_CERT "root.pem"
#define STATE_DIR_TOKEN_KEY "token.key"

/* Makes the folder, mode 0700, when it is not there (its parent must be). */
bool state_dir_make(const char *dir, struct err *err) MUST_USE;

/*
 * For commands that are no controller, so that a mistyped name is told and not made a state of its
 * own: is the folder there, and either something of a state in it or nothing at all (which is how a
 * person says that the state is to be made here)? What else is in a state's folder does not matter.
 */
bool state_dir_check(const char *dir, struct err *err) MUST_USE;

/* Is there a DIR/NAME? */
bool state_dir_has(const char *dir, const char *name);

/* Writes "DIR/NAME"; false when that is longer than PATH_MAX. */
bool state_dir_path(const char *dir, const char *name, char path[PATH_MAX],
                    struct err *err) MUST_USE;

/*
 * The Ed25519 key in DIR/NAME (PKCS#8, PEM), made there with mode 0600 when there is none. Of two
 * processes that make it at once both get the same key. Refuses a file that group or others can
 * read. NULL with `err` naming the path; free the key with EVP_PKEY_free(), which wipes it.
 */
EVP_PKEY *state_dir_key(const char *dir, const char *name, struct err *err) MUST_USE;

#endif

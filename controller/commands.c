#include "controller/commands.h"

#include <event2/event.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/file.h"
#include "common/log.h"
#include "common/text.h"
#include "controller/ca.h"
#include "controller/compile/conflicts.h"
#include "controller/compile/route_problems.h"
#include "controller/source/manifests.h"
#include "controller/state_dir.h"
#include "controller/token.h"

#define ANCHORS_MAX_BYTES (1u << 20)

static int complain(const struct err *err)
{
    fprintf(stderr, "outrigger-controller: %s\n", err->text);
    return EXIT_FAILURE;
}

/* Only a controller of the same folder will know what was made. */
static void tell_made(const char *what, const char *state_dir)
{
    fprintf(stderr, "outrigger-controller: a new %s was made in %s\n", what, state_dir);
}

int command_token(const struct settings *settings, const char *namespace, const char *account)
{
    struct err err;
    struct token_claims claims = {0};
    if (!token_claims_set(&claims, slice_str(namespace), slice_str(account),
                          slice_str(settings->token_pod), &err))
        return complain(&err);
    claims.issued_at = clock_wall_sec();
    claims.expires_at = claims.issued_at + (int64_t)(settings->token_ttl_ms / 1000);
    if (!state_dir_check(settings->state_dir, &err))
        return complain(&err);
    bool is_old = state_dir_has(settings->state_dir, STATE_DIR_TOKEN_KEY);
    struct token_signer *signer = token_signer_open(settings->state_dir, &err);
    char *token = signer ? token_issue(signer, &claims, &err) : NULL;
    int status = EXIT_SUCCESS;
    if (token && !is_old)
        tell_made("key for tokens", settings->state_dir);
    if (token)
        printf("%s\n", token);
    else
        status = complain(&err);
    free(token);
    token_signer_close(signer);
    return status;
}

int command_anchors(const struct settings *settings)
{
    struct err err;
    const struct ca_options options = {.state_dir = settings->state_dir,
                                       .trust_domain = settings->trust_domain,
                                       .root_ttl_sec = settings->root_ttl_ms / 1000,
                                       .leaf_ttl_sec = 3600};
    if (!state_dir_check(settings->state_dir, &err))
        return complain(&err);
    bool is_old = state_dir_has(settings->state_dir, STATE_DIR_ROOT_KEY);
    /* Through the CA, so that a root which is no good is told and not printed. */
    struct ca *ca = ca_open(&options, &err);
    if (!ca)
        return complain(&err);
    if (!is_old)
        tell_made("root", settings->state_dir);
    char path[PATH_MAX];
    size_t len;
    char *pem = NULL;
    if (state_dir_path(settings->state_dir, STATE_DIR_ROOT_CERT, path, &err))
        pem = file_read(path, ANCHORS_MAX_BYTES, &len, NULL, &err);
    int status = EXIT_SUCCESS;
    if (pem)
        fwrite(pem, 1, len, stdout);
    else
        status = complain(&err);
    free(pem);
    ca_close(ca);
    return status;
}

static int print_problems(const struct problems *problems)
{
    const char **list = problems_list(problems);
    for (size_t i = 0; list && i < problems_count(problems); i++)
        puts(list[i]);
    free(list);
    return problems_count(problems) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* No problem, but whoever wrote them may think that they count. */
static void print_skipped(const struct manifests *manifests)
{
    struct skipped skipped = {0};
    manifests_skipped(manifests, &skipped);
    struct map_entry **kinds = text_sorted(&skipped.by_kind);
    for (size_t i = 0; kinds && i < skipped.by_kind.count; i++) {
        const struct skipped_kind *kind = kinds[i]->value;
        struct err line; /* makes one line of whatever the kind is called */
        err_set(&line, "%s:%u: %.*s is not read: %zu skipped", kind->file, kind->line,
                SLICE_ARG(kinds[i]->key), kind->n);
        complain(&line);
    }
    free(kinds);
    skipped_fini(&skipped);
}

int command_check(const char *folder)
{
    struct err err;
    log_set_level(LOG_OFF); /* the problems are printed below, without time and event name */
    struct event_base *base = event_base_new();
    struct store *store = store_new();
    struct problems problems;
    problems_init(&problems);
    struct manifests *manifests = NULL;
    if (!base || !store)
        err_set(&err, "out of memory");
    else
        manifests = manifests_start(base, folder, store, &problems, &err);
    struct conflicts *conflicts = manifests ? conflicts_new(store, &problems) : NULL;
    struct route_problems *routes = conflicts ? route_problems_new(store, &problems) : NULL;
    if (manifests && !routes)
        err_set(&err, "out of memory");
    if (routes)
        print_skipped(manifests);
    int status = routes ? print_problems(&problems) : complain(&err);
    route_problems_free(routes);
    conflicts_free(conflicts);
    manifests_stop(manifests);
    problems_fini(&problems);
    store_free(store);
    if (base)
        event_base_free(base);
    return status;
}

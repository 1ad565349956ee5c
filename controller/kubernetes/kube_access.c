#include "controller/kubernetes/kube_access.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base64.h"
#include "common/cidr.h"
#include "common/file.h"
#include "controller/kubernetes/kube_url.h"
#include "controller/objects/yaml_node.h"

#define FILE_MAX_BYTES  (1u << 20)
#define TOKEN_MAX_BYTES (64u << 10)

static bool fail_memory(struct err *err)
{
    return err_set(err, "out of memory");
}

/* ---- keys and certificates ------------------------------------------------------------------- */

static BIO *bio_of(struct slice pem)
{
    return BIO_new_mem_buf(pem.ptr, (int)pem.len);
}

static bool trust(struct kube_access *access, struct slice pem, const char *what, struct err *err)
{
    X509_STORE *store = SSL_CTX_get_cert_store(access->tls);
    BIO *bio = bio_of(pem);
    size_t n = 0;
    for (X509 *cert; bio && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)); n++) {
        X509_STORE_add_cert(store, cert);
        X509_free(cert);
    }
    BIO_free(bio);
    ERR_clear_error(); /* the end of the file is an error to the reader */
    return n > 0 || err_set(err, "%s: no PEM certificate in it", what);
}

static bool use_certificate(struct kube_access *access, struct slice pem, const char *what,
                            struct err *err)
{
    BIO *bio = bio_of(pem);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
    bool is_used = cert && SSL_CTX_use_certificate(access->tls, cert) == 1;
    X509_free(cert);
    while (is_used && (cert = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        if (SSL_CTX_add_extra_chain_cert(access->tls, cert) !=
            1) /* takes it over when it is good */
            X509_free(cert);
    BIO_free(bio);
    ERR_clear_error();
    return is_used || err_set(err, "%s: no PEM certificate that can be used", what);
}

static bool use_key(struct kube_access *access, struct slice pem, const char *what, struct err *err)
{
    BIO *bio = bio_of(pem);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    bool is_used = key && SSL_CTX_use_PrivateKey(access->tls, key) == 1;
    EVP_PKEY_free(key);
    BIO_free(bio);
    ERR_clear_error();
    return is_used || err_set(err, "%s: no PEM private key that fits the certificate", what);
}

static bool make_tls(struct kube_access *access, struct err *err)
{
    access->tls = SSL_CTX_new(TLS_method());
    if (!access->tls || SSL_CTX_set_min_proto_version(access->tls, TLS1_2_VERSION) != 1)
        return fail_memory(err);
    SSL_CTX_set_verify(access->tls, SSL_VERIFY_PEER, NULL);
    return true;
}

typedef bool take_pem(struct kube_access *access, struct slice pem, const char *what,
                      struct err *err);

static bool take_file(struct kube_access *access, const char *path, take_pem *take, struct err *err)
{
    size_t len;
    char *text = file_read(path, FILE_MAX_BYTES, &len, NULL, err);
    bool is_taken = text && take(access, slice_of(text, len), path, err);
    free(text);
    return is_taken;
}

/* ---- in a pod -------------------------------------------------------------------------------- */

bool kube_access_in_cluster(struct kube_access *access, const char *folder, const char *host,
                            const char *port, struct err *err)
{
    struct arena *arena = &access->arena;
    *access = (struct kube_access){0};
    if (!host || !port)
        return err_set(err, "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: is "
                            "this a pod? Otherwise say --kubeconfig=FILE");
    bool is_v6 = strchr(host, ':');
    access->target = arena_printf(arena, is_v6 ? "[%s]:%s" : "%s:%s", host, port);
    access->server_name = arena_text(arena, slice_str(host));
    access->prefix = "";
    access->token_file = arena_printf(arena, "%s/token", folder);
    const char *ca = arena_printf(arena, "%s/ca.crt", folder);
    if (!access->target || !access->server_name || !access->token_file || !ca)
        return fail_memory(err);
    return make_tls(access, err) && take_file(access, ca, trust, err);
}

/* ---- a kubeconfig ---------------------------------------------------------------------------- */

struct config {
    struct kube_access *access;
    const char *path, *folder;
    struct err *err;
};

static bool fail(const struct config *config, const struct yaml_node *at, const char *format, ...)
    PRINTF_LIKE(3, 4);
static bool fail(const struct config *config, const struct yaml_node *at, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return err_set(config->err, "%s:%u: %s", config->path, at ? at->line : 1, text);
}

/* NULL: absent or empty. */
static const char *text_at(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = yaml_node_get(map, key);
    return node && node->kind == YAML_KIND_TEXT && node->text.len ? node->text.ptr : NULL;
}

/* "clusters: [{name: NAME, cluster: {...}}]" */
static const struct yaml_node *find(const struct config *config, const struct yaml_node *root,
                                    const char *list, const char *name, const char *what)
{
    const struct yaml_node *items = yaml_node_get(root, list);
    for (const struct yaml_node *item = items ? items->child : NULL; item; item = item->next) {
        const char *own = text_at(item, "name");
        const struct yaml_node *found = yaml_node_get(item, what);
        if (own && found && strcmp(own, name) == 0)
            return found;
    }
    fail(config, items, "%s: there is none of the name \"%s\"", list, name);
    return NULL;
}

/* KEY-data in base64, or the file that KEY names. True also when there is neither. */
static bool take_either(const struct config *config, const struct yaml_node *map, const char *key,
                        take_pem *take, bool *is_there)
{
    struct arena *arena = &config->access->arena;
    const char *data_key = arena_printf(arena, "%s-data", key);
    const char *data = data_key ? text_at(map, data_key) : NULL;
    const char *file = text_at(map, key);
    *is_there = data || file;
    if (data) {
        size_t len = strlen(data);
        while (len > 0 && data[len - 1] == '=') /* padding, which the decoder does not take */
            len--;
        char *pem = arena_take(arena, base64_decoded_len(len) + 1);
        if (!pem)
            return fail_memory(config->err);
        if (!base64_decode(BASE64_STANDARD, slice_of(data, len), pem, &len))
            return fail(config, yaml_node_get(map, data_key), "%s: is not base64", data_key);
        return take(config->access, slice_of(pem, len), data_key, config->err);
    }
    const char *path = NULL;
    if (file)
        path = file[0] == '/' ? file : arena_printf(arena, "%s/%s", config->folder, file);
    return !file ||
           (path ? take_file(config->access, path, take, config->err) : fail_memory(config->err));
}

static bool refuse(const struct config *config, const struct yaml_node *map, const char *key,
                   const char *why)
{
    const struct yaml_node *node = yaml_node_get(map, key);
    bool is_off = !node || node->kind == YAML_KIND_NULL ||
                  (node->kind == YAML_KIND_TEXT &&
                   (node->text.len == 0 || slice_eq_str(node->text, "false")));
    return is_off || fail(config, node, "%s: %s", key, why);
}

static bool take_cluster(const struct config *config, const struct yaml_node *cluster)
{
    struct kube_access *access = config->access;
    const char *server = text_at(cluster, "server");
    const char *name = text_at(cluster, "tls-server-name");
    struct kube_url url;
    bool has_ca;
    if (!server)
        return fail(config, cluster, "server: is missing");
    struct err why;
    if (!kube_url_parse(slice_str(server), &access->arena, &url, &why))
        return fail(config, yaml_node_get(cluster, "server"), "server: %s", why.text);
    access->target = url.target;
    access->prefix = url.prefix;
    access->server_name = name ? arena_text(&access->arena, slice_str(name)) : url.host;
    if (!access->server_name)
        return fail_memory(config->err);
    if (!refuse(config, cluster, "insecure-skip-tls-verify",
                "who answers would not be known; give certificate-authority instead") ||
        !refuse(config, cluster, "proxy-url", "the API server is called directly only"))
        return false;
    if (!url.is_tls)
        return kube_url_is_loopback(&url) ||
               fail(config, yaml_node_get(cluster, "server"),
                    "server: plain http goes to a loopback address only: everybody on the way "
                    "could read and write");
    return make_tls(access, config->err) &&
           take_either(config, cluster, "certificate-authority", trust, &has_ca) &&
           (has_ca || SSL_CTX_set_default_verify_paths(access->tls) == 1 ||
            fail_memory(config->err));
}

static bool take_user(const struct config *config, const struct yaml_node *user)
{
    struct kube_access *access = config->access;
    const char *token = text_at(user, "token"), *file = text_at(user, "tokenFile");
    bool has_cert = false, has_key = false;
    if (!refuse(config, user, "exec",
                "plugins are not run; give token, tokenFile or a client "
                "certificate") ||
        !refuse(config, user, "auth-provider", "is no longer in Kubernetes either") ||
        !refuse(config, user, "username", "basic authentication is no longer in Kubernetes either"))
        return false;
    if (token)
        access->token = arena_text(&access->arena, slice_str(token));
    if (file)
        access->token_file = arena_printf(&access->arena, file[0] == '/' ? "%s%s" : "%s/%s",
                                          file[0] == '/' ? "" : config->folder, file);
    if (!access->tls) /* nobody asks for a certificate */
        return true;
    if (!take_either(config, user, "client-certificate", use_certificate, &has_cert) ||
        !take_either(config, user, "client-key", use_key, &has_key))
        return false;
    return has_cert == has_key ||
           fail(config, user, "client-certificate and client-key go together");
}

static bool take_context(const struct config *config, const struct yaml_node *root)
{
    const char *current = text_at(root, "current-context");
    if (!current)
        return fail(config, root, "current-context: is missing");
    const struct yaml_node *context = find(config, root, "contexts", current, "context");
    if (!context)
        return false;
    const char *cluster_name = text_at(context, "cluster"), *user_name = text_at(context, "user");
    if (!cluster_name)
        return fail(config, context, "cluster: is missing");
    const struct yaml_node *cluster = find(config, root, "clusters", cluster_name, "cluster");
    const struct yaml_node *user =
        cluster && user_name ? find(config, root, "users", user_name, "user") : NULL;
    return cluster && (user || !user_name) && take_cluster(config, cluster) &&
           (!user || take_user(config, user));
}

bool kube_access_parse(struct kube_access *access, struct slice text, const char *path,
                       const char *folder, struct err *err)
{
    struct arena tree = {0};
    struct yaml_node *root;
    const struct config config = {access, path, folder, err};
    *access = (struct kube_access){0};
    bool is_good = yaml_read(text, &tree, &root, err);
    if (!is_good) {
        struct err what = *err;
        err_set(err, "%s:%s", path, what.text);
    } else if (!root || root->kind != YAML_KIND_MAP) {
        is_good = err_set(err, "%s: is no kubeconfig", path);
    }
    is_good = is_good && take_context(&config, root);
    arena_fini(&tree);
    return is_good;
}

bool kube_access_read(struct kube_access *access, const char *path, struct err *err)
{
    size_t len;
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
    char *text = file_read(path, FILE_MAX_BYTES, &len, NULL, err);
    *access = (struct kube_access){0};
    bool is_good = text && (folder ? kube_access_parse(access, slice_of(text, len), path,
                                                       *folder ? folder : "/", err)
                                   : fail_memory(err));
    free(folder);
    free(text);
    return is_good;
}

void kube_access_fini(struct kube_access *access)
{
    SSL_CTX_free(access->tls);
    arena_fini(&access->arena);
    *access = (struct kube_access){0};
}

bool kube_access_authorize(const struct kube_access *access, struct buf *head, struct err *err)
{
    size_t len = 0;
    char *read = NULL;
    const char *token = access->token;
    if (access->token_file) {
        read = file_read(access->token_file, TOKEN_MAX_BYTES, &len, NULL, err);
        if (!read)
            return false;
        token = read;
    }
    size_t n = token ? strcspn(token, " \t\r\n") : 0;
    bool is_added = n == 0 || buf_printf(head, "Authorization: Bearer %.*s\r\n", (int)n, token);
    free(read);
    return is_added || fail_memory(err);
}

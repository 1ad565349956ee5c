#include "controller/state_dir.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/ed25519.h"
#include "common/file.h"

#define KEY_FILE_MAX_BYTES 4096
#define KEY_FILE_MODE      0600

bool state_dir_make(const char *dir, struct err *err)
{
    struct stat stat_of_dir;
    if (mkdir(dir, 0700) == 0)
        return true;
    if (errno != EEXIST)
        return err_set_errno(err, errno, "state directory %s", dir);
    if (stat(dir, &stat_of_dir) != 0)
        return err_set_errno(err, errno, "state directory %s", dir);
    return S_ISDIR(stat_of_dir.st_mode) || err_set(err, "state directory %s: not a directory", dir);
}

/* Also of a file that another process is about to put in place: NAME.XXXXXX. */
static bool is_name_of_state(const char *name)
{
    static const char *const names[] = {STATE_DIR_ROOT_KEY, STATE_DIR_ROOT_CERT,
                                        STATE_DIR_TOKEN_KEY};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strncmp(name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

bool state_dir_check(const char *dir, struct err *err)
{
    size_t n_others = 0;
    bool is_state = false;
    DIR *folder = opendir(dir);
    if (!folder && errno == ENOENT)
        return err_set(err,
                       "state directory %s: not there; expected the --state-dir of the controller "
                       "(for new keys make the folder first: mkdir -m 0700 %s)",
                       dir, dir);
    if (!folder)
        return err_set_errno(err, errno, "state directory %s", dir);
    for (struct dirent *entry; !is_state && (entry = readdir(folder));) {
        is_state = is_name_of_state(entry->d_name);
        n_others += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    }
    closedir(folder);
    return is_state || n_others == 0 ||
           err_set(err,
                   "state directory %s: holds files but no keys; expected the --state-dir of the "
                   "controller, or an empty folder for new keys",
                   dir);
}

bool state_dir_has(const char *dir, const char *name)
{
    char path[PATH_MAX];
    struct err ignored;
    return state_dir_path(dir, name, path, &ignored) && access(path, F_OK) == 0;
}

bool state_dir_path(const char *dir, const char *name, char path[PATH_MAX], struct err *err)
{
    int n = snprintf(path, PATH_MAX, "%s/%s", dir, name);
    return (n > 0 && n < PATH_MAX) || err_set(err, "state directory %.64s...: path too long", dir);
}

/* The library's own prompt would ask a terminal for the password of an encrypted key. */
static int no_password(char *buffer, int size, int is_writing, void *context)
{
    (void)buffer, (void)size, (void)is_writing, (void)context;
    return -1;
}

static EVP_PKEY *parse_key(const char *path, const char *pem, size_t len, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL) : NULL;
    BIO_free(bio);
    ERR_clear_error();
    if (!key) {
        err_set(err, "%s: no private key in PEM (PKCS#8, not encrypted)", path);
    } else if (EVP_PKEY_id(key) != EVP_PKEY_ED25519) {
        EVP_PKEY_free(key);
        key = NULL;
        err_set(err, "%s: not an Ed25519 key", path);
    }
    return key;
}

static EVP_PKEY *read_key(const char *path, struct err *err)
{
    struct stat stat_of_key;
    size_t len;
    EVP_PKEY *key = NULL;
    char *pem = file_read(path, KEY_FILE_MAX_BYTES, &len, &stat_of_key, err);
    if (!pem)
        return NULL;
    if (stat_of_key.st_mode & 077)
        err_set(err,
                "%s: mode %04o lets others than the owner at the key; expected 0600 (chmod 0600, "
                "and think whether the key is still a secret)",
                path, (unsigned)stat_of_key.st_mode & 07777);
    else
        key = parse_key(path, pem, len, err);
    OPENSSL_cleanse(pem, len);
    free(pem);
    return key;
}

/* The key as PEM; NULL when memory is short. BIO_free() wipes it. */
static BIO *format_key(const EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio && PEM_write_bio_PrivateKey(bio, (EVP_PKEY *)key, NULL, NULL, 0, NULL, NULL) == 1)
        return bio;
    BIO_free(bio);
    return NULL;
}

static bool make_key(const char *path, struct err *err)
{
    bool existed;
    const uint8_t *pem;
    size_t len;
    EVP_PKEY *key = ed25519_generate();
    BIO *bio = key ? format_key(key) : NULL;
    bool is_made = bio && BIO_mem_contents(bio, &pem, &len) == 1;
    if (!is_made)
        err_set(err, "%s: cannot make a key: out of memory", path);
    else
        is_made = file_create(path, slice_of(pem, len), KEY_FILE_MODE, &existed, err);
    BIO_free(bio);
    EVP_PKEY_free(key);
    return is_made;
}

EVP_PKEY *state_dir_key(const char *dir, const char *name, struct err *err)
{
    char path[PATH_MAX];
    if (!state_dir_path(dir, name, path, err))
        return NULL;
    /* Read back what was written, or what another process wrote first. */
    if (access(path, F_OK) != 0 && errno == ENOENT && !make_key(path, err))
        return NULL;
    return read_key(path, err);
}

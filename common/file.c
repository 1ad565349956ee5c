#include "common/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Reads until the end of the file or one byte beyond the limit; -1 with errno set. */
static ssize_t read_up_to(int fd, char *bytes, size_t size)
{
    size_t used = 0;
    while (used < size) {
        ssize_t got = read(fd, bytes + used, size - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        used += (size_t)got;
    }
    return (ssize_t)used;
}

static char *read_open_file(int fd, const char *path, size_t max_bytes, size_t *len,
                            struct stat *stat, struct err *err)
{
    if (fstat(fd, stat) != 0) {
        err_set_errno(err, errno, "%s", path);
        return NULL;
    }
    if (!S_ISREG(stat->st_mode)) {
        err_set(err, "%s: not a regular file", path);
        return NULL;
    }
    if ((uintmax_t)stat->st_size > max_bytes) {
        err_set(err, "%s: %jd bytes, at most %zu are read", path, (intmax_t)stat->st_size,
                max_bytes);
        return NULL;
    }
    /* The file may grow after fstat(); one byte of room tells whether it did. */
    size_t size = (size_t)stat->st_size + 1;
    char *bytes = malloc(size);
    ssize_t got = bytes ? read_up_to(fd, bytes, size) : -1;
    if (got < 0) {
        err_set_errno(err, bytes ? errno : ENOMEM, "%s", path);
    } else if ((size_t)got == size) {
        err_set(err, "%s: grew while it was read", path);
    } else {
        bytes[got] = '\0';
        *len = (size_t)got;
        return bytes;
    }
    free(bytes);
    return NULL;
}

char *file_read(const char *path, size_t max_bytes, size_t *len, struct stat *stat, struct err *err)
{
    struct stat unused;
    /* O_NONBLOCK: opening a FIFO by mistake must not hang. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        err_set_errno(err, errno, "%s", path);
        return NULL;
    }
    char *bytes = read_open_file(fd, path, max_bytes, len, stat ? stat : &unused, err);
    close(fd);
    return bytes;
}

bool file_write_all(int fd, struct slice bytes)
{
    for (size_t done = 0; done < bytes.len;) {
        ssize_t put = write(fd, bytes.ptr + done, bytes.len - done);
        if (put < 0 && errno != EINTR)
            return false;
        if (put > 0)
            done += (size_t)put;
    }
    return true;
}

/* Fills `temporary` (PATH_MAX bytes) with the path of a written, synced file beside `path`. */
static bool write_temporary(const char *path, struct slice bytes, mode_t mode, char *temporary,
                            struct err *err)
{
    int n = snprintf(temporary, PATH_MAX, "%s.XXXXXX", path);
    if (n < 0 || n >= PATH_MAX)
        return err_set_errno(err, ENAMETOOLONG, "%s", path);
    int fd = mkostemp(temporary, O_CLOEXEC);
    if (fd < 0)
        return err_set_errno(err, errno, "%s", path);
    bool is_written = fchmod(fd, mode) == 0 && file_write_all(fd, bytes) && fsync(fd) == 0;
    int cause = errno;
    if (close(fd) != 0 && is_written) {
        is_written = false;
        cause = errno;
    }
    if (!is_written) {
        unlink(temporary);
        return err_set_errno(err, cause, "%s", path);
    }
    return true;
}

/* A new name survives a power cut only once its folder is on the disk. */
static bool sync_folder_of(const char *path, struct err *err)
{
    char copy[PATH_MAX];
    int n = snprintf(copy, sizeof(copy), "%s", path);
    if (n < 0 || (size_t)n >= sizeof(copy))
        return err_set_errno(err, ENAMETOOLONG, "%s", path);
    const char *folder = dirname(copy);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* Some file systems do not sync folders and say EINVAL; they are no worse for our trying. */
    bool is_synced = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    int cause = errno;
    if (fd >= 0)
        close(fd);
    return is_synced || err_set_errno(err, cause, "%s", folder);
}

bool file_create(const char *path, struct slice bytes, mode_t mode, bool *existed, struct err *err)
{
    char temporary[PATH_MAX];
    *existed = false;
    if (!write_temporary(path, bytes, mode, temporary, err))
        return false;
    /* link() is the one call that puts a finished file in place and never over another. */
    int cause = link(temporary, path) == 0 ? 0 : errno;
    unlink(temporary);
    if (cause == EEXIST) {
        *existed = true;
        return true;
    }
    if (cause != 0)
        return err_set_errno(err, cause, "%s", path);
    return sync_folder_of(path, err);
}

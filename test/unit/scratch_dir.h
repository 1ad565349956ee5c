/* A folder of the test's own below TMPDIR, removed with its files afterwards. */
#ifndef OUTRIGGER_TEST_UNIT_SCRATCH_DIR_H
#define OUTRIGGER_TEST_UNIT_SCRATCH_DIR_H

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/file.h"

struct scratch_dir {
    char path[PATH_MAX / 2];
};

static inline void scratch_dir_init(struct scratch_dir *dir)
{
    const char *base = getenv("TMPDIR");
    snprintf(dir->path, sizeof(dir->path), "%s/outrigger-test.XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(dir->path)) {
        perror(dir->path);
        abort();
    }
}

static inline const char *scratch_dir_file(const struct scratch_dir *dir, const char *name,
                                           char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s", dir->path, name);
    return path;
}

/* In the place of what was there. */
static inline void scratch_file_write(const char *path, struct slice bytes, mode_t mode)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || fchmod(fd, mode) != 0 || !file_write_all(fd, bytes) || close(fd) != 0) {
        perror(path);
        abort();
    }
}

static inline void scratch_dir_fini(struct scratch_dir *dir)
{
    char path[PATH_MAX];
    DIR *open_dir = opendir(dir->path);
    for (struct dirent *entry; open_dir && (entry = readdir(open_dir));) {
        if (entry->d_name[0] != '.')
            unlink(scratch_dir_file(dir, entry->d_name, path));
    }
    if (open_dir)
        closedir(open_dir);
    rmdir(dir->path);
}

#endif

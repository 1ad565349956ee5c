#include "controller/source/walk.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/slice.h"

/* A folder that is being read, below the ones that lead to it. */
struct level {
    const struct level *up;
    dev_t device;
    ino_t inode;
    size_t depth;
    const char *path;
    const char *name; /* "" or "sub/folder/" */
};

/* One run of walk_folder(). */
struct run {
    const struct walk_limits *limits;
    bool (*enter)(void *context, const char *folder, const char *name, struct err *err);
    void *context;
    struct walk *walk;
    size_t n_folders;
};

static bool is_manifest(const char *name)
{
    struct slice text = slice_str(name);
    return slice_ends_with(text, SLICE_LITERAL(".yaml")) ||
           slice_ends_with(text, SLICE_LITERAL(".yml"));
}

static bool add_file(struct run *run, const char *name, struct err *err)
{
    struct walk *walk = run->walk;
    if (walk->n >= run->limits->files)
        return err_set(err, "more than %zu files", run->limits->files);
    if (walk->n == walk->size) {
        size_t size = walk->size ? walk->size * 2 : 16;
        char **list = reallocarray(walk->list, size, sizeof(char *));
        if (!list)
            return err_set(err, "out of memory");
        walk->list = list;
        walk->size = size;
    }
    walk->list[walk->n] = strdup(name);
    return walk->list[walk->n++] || err_set(err, "out of memory");
}

static bool read_level(struct run *run, const struct level *level, struct err *err);

static bool is_circle(const struct level *level, const struct stat *stat)
{
    for (; level; level = level->up)
        if (level->device == stat->st_dev && level->inode == stat->st_ino)
            return true;
    return false;
}

/* What is wrong below the top folder does not hide the rest of it. */
static void read_below(struct run *run, const struct level *up, const struct stat *stat,
                       const char *path, const char *name)
{
    char folder_name[PATH_MAX];
    struct err err = {0};
    int len = snprintf(folder_name, sizeof(folder_name), "%s/", name);
    struct level level = {up, stat->st_dev, stat->st_ino, up->depth + 1, path, folder_name};
    bool is_good = true;
    if (is_circle(up, stat))
        is_good = err_set(&err, "leads back to a folder that it is in");
    else if (level.depth > run->limits->depth || len < 0 || (size_t)len >= sizeof(folder_name))
        is_good = err_set(&err, "more than %zu folders in each other", run->limits->depth);
    else
        is_good = read_level(run, &level, &err);
    if (!is_good && run->walk->warning.text[0] == '\0') {
        run->walk->warning = err;
        err_prefix(&run->walk->warning, "%s", folder_name);
    }
}

static bool read_entry(struct run *run, const struct level *level, const char *entry,
                       struct err *err)
{
    char path[PATH_MAX], name[PATH_MAX];
    struct stat stat_buf;
    int path_len = snprintf(path, sizeof(path), "%s/%s", level->path, entry);
    int name_len = snprintf(name, sizeof(name), "%s%s", level->name, entry);
    if (path_len < 0 || (size_t)path_len >= sizeof(path) || name_len < 0 ||
        (size_t)name_len >= sizeof(name))
        return err_set(err, "a path is longer than %d bytes", PATH_MAX);
    bool is_there = stat(path, &stat_buf) == 0;
    if (is_there && S_ISDIR(stat_buf.st_mode)) {
        read_below(run, level, &stat_buf, path, name);
        return true;
    }
    /* A link to nowhere is listed too: whoever reads it will say so. */
    return !is_manifest(entry) || add_file(run, name, err);
}

static bool read_level(struct run *run, const struct level *level, struct err *err)
{
    if (++run->n_folders > run->limits->folders)
        return err_set(err, "more than %zu folders", run->limits->folders);
    if (!run->enter(run->context, level->path, level->name, err))
        return false;
    DIR *dir = opendir(level->path);
    if (!dir)
        return err_set_errno(err, errno, "%s", level->path);
    bool is_good = true;
    for (struct dirent *entry; is_good && (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            is_good = read_entry(run, level, entry->d_name, err);
    closedir(dir);
    return is_good;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool walk_folder(const char *top, const struct walk_limits *limits,
                 bool (*enter)(void *context, const char *folder, const char *name,
                               struct err *err),
                 void *context, struct walk *walk, struct err *err)
{
    struct run run = {limits, enter, context, walk, 0};
    struct stat stat_buf;
    if (stat(top, &stat_buf) != 0)
        return err_set_errno(err, errno, "%s", top);
    struct level level = {NULL, stat_buf.st_dev, stat_buf.st_ino, 0, top, ""};
    if (!read_level(&run, &level, err))
        return false;
    if (walk->n > 1)
        qsort(walk->list, walk->n, sizeof(char *), compare_names);
    return true;
}

void walk_fini(struct walk *walk)
{
    for (size_t i = 0; i < walk->n; i++)
        free(walk->list[i]);
    free(walk->list);
    *walk = (struct walk){0};
}

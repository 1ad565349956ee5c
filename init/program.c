#include "init/program.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/file.h"

#define OUTPUT_MAX_BYTES (4 << 20)
#define EXIT_MISSING     127 /* as a shell would say */

/*
 * Standard input, output and error are files in memory: nobody waits for anybody, so that a
 * program that writes before it has read all cannot block us.
 */
enum { IN, OUT, ERR, N_FILES };

/* NUL-terminated; NULL when memory is short. */
static char *read_all(int fd, size_t *len)
{
    struct stat stat;
    size_t size = fstat(fd, &stat) == 0 ? (size_t)stat.st_size : 0;
    if (size > OUTPUT_MAX_BYTES)
        size = OUTPUT_MAX_BYTES;
    char *text = malloc(size + 1);
    if (!text)
        return NULL;
    ssize_t n = pread(fd, text, size, 0);
    *len = n > 0 ? (size_t)n : 0;
    text[*len] = '\0';
    return text;
}

static void exec_child(const char *const *argv, const int files[N_FILES])
{
    for (int i = 0; i < N_FILES; i++)
        if (dup2(files[i], i) < 0) /* the copies are not close-on-exec */
            _exit(EXIT_MISSING - 1);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(errno == ENOENT || errno == EACCES ? EXIT_MISSING : EXIT_MISSING - 1);
}

static enum program_result wait_for(pid_t pid, const char *name, int error_fd, struct err *err)
{
    int status;
    size_t len = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR) {
            err_set_errno(err, errno, "%s", name);
            return PROGRAM_FAILED;
        }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return PROGRAM_OK;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_MISSING) {
        err_set(err, "%s: not found on the PATH", name);
        return PROGRAM_MISSING;
    }
    char *text = read_all(error_fd, &len);
    if (text)
        text[strcspn(text, "\n")] = '\0';
    err_set(err, "%s: %s", name, text && *text ? text : "failed and did not say why");
    free(text);
    return PROGRAM_FAILED;
}

enum program_result program_run(const char *const *argv, struct slice input, char **output,
                                size_t *output_len, struct err *err)
{
    int files[N_FILES] = {-1, -1, -1};
    enum program_result result = PROGRAM_FAILED;
    if (output)
        *output = NULL;
    for (int i = 0; i < N_FILES; i++) {
        files[i] = memfd_create("outrigger-init", MFD_CLOEXEC);
        if (files[i] < 0) {
            err_set_errno(err, errno, "%s: no file in memory", argv[0]);
            goto out;
        }
    }
    if (!file_write_all(files[IN], input) || lseek(files[IN], 0, SEEK_SET) != 0) {
        err_set_errno(err, errno, "%s: its input", argv[0]);
        goto out;
    }
    pid_t pid = fork();
    if (pid == 0)
        exec_child(argv, files);
    if (pid < 0) {
        err_set_errno(err, errno, "%s: not started", argv[0]);
        goto out;
    }
    result = wait_for(pid, argv[0], files[ERR], err);
    if (output && result == PROGRAM_OK && !(*output = read_all(files[OUT], output_len))) {
        err_set(err, "%s: out of memory for its output", argv[0]);
        result = PROGRAM_FAILED;
    }
out:
    for (int i = 0; i < N_FILES; i++)
        if (files[i] >= 0)
            close(files[i]);
    return result;
}

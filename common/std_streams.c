#include "common/std_streams.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void std_streams_open(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF)
            continue;
        /* The lowest free number is this one. For reading only: whoever writes to it is told. */
        if (open("/dev/null", O_RDONLY) != fd)
            abort();
    }
}

bool std_streams_flush(struct err *err)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    return err_set_errno(err, errno, "standard output was not taken");
}

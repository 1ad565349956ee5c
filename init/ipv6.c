#include "init/ipv6.h"

#include <stdio.h>

/* The first byte of a file, or EOF. */
static int first_byte(const char *path)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return EOF;
    int byte = fgetc(file);
    fclose(file);
    return byte;
}

bool ipv6_is_on(void)
{
    return first_byte("/proc/sys/net/ipv6/conf/all/disable_ipv6") == '0' ||
           first_byte("/proc/net/if_inet6") != EOF;
}

#include "proxy/commands.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/options.h"

#define EXIT_USAGE      2
#define TIME_MAX_MS     (24ull * 3600 * 1000)
#define AGAIN_MS        100
#define READY_ANSWER    "HTTP/1.1 200 "
#define ASK_TIMEOUT_SEC 2

struct command {
    const char *name, *arguments;
    int n_arguments;
    int (*run)(char **arguments);
};

static int complain(const char *name, const struct err *err, int status)
{
    fprintf(stderr, "outrigger-proxy %s: %s\n", name, err->text);
    return status;
}

static void sleep_ms(uint64_t ms)
{
    struct timespec left = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    while (nanosleep(&left, &left) < 0)
        ;
}

/* ---- pause -------------------------------------------------------------------------------------
 */

static int run_pause(char **arguments)
{
    uint64_t ms;
    struct err err;
    if (!option_parse_duration(slice_str(arguments[0]), 0, TIME_MAX_MS, &ms, &err))
        return complain("pause", &err, EXIT_USAGE);
    sleep_ms(ms);
    return 0;
}

/* ---- await-ready -------------------------------------------------------------------------------
 */

/* Of loopback, which the admin port listens on whatever else it does. */
static bool is_ready(uint16_t port)
{
    static const char request[] = "GET /readyz HTTP/1.0\r\n\r\n";
    const struct timeval timeout = {.tv_sec = ASK_TIMEOUT_SEC};
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char answer[sizeof(READY_ANSWER)] = "";
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    bool is_answered =
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
        send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request) &&
        recv(fd, answer, strlen(READY_ANSWER), MSG_WAITALL) == (ssize_t)strlen(READY_ANSWER);
    close(fd);
    /* The minor version is the server's business. */
    return is_answered && memcmp(answer + strlen("HTTP/1.1"), " 200 ", 5) == 0;
}

static int run_await_ready(char **arguments)
{
    uint64_t port, ms;
    struct err err;
    if (!option_parse_uint(slice_str(arguments[0]), 1, UINT16_MAX, &port, &err) ||
        !option_parse_duration(slice_str(arguments[1]), 0, TIME_MAX_MS, &ms, &err))
        return complain("await-ready", &err, EXIT_USAGE);
    uint64_t end_ns = clock_now_ns() + ms * NS_PER_MS;
    while (!is_ready((uint16_t)port)) {
        if (clock_now_ns() >= end_ns) {
            err_set(&err, "the proxy is not ready after %s", arguments[1]);
            return complain("await-ready", &err, 1);
        }
        sleep_ms(AGAIN_MS);
    }
    return 0;
}

/* ---- the words ---------------------------------------------------------------------------------
 */

static const struct command commands[] = {
    {"await-ready", "PORT TIME", 2, run_await_ready},
    {"pause", "TIME", 1, run_pause},
};

const struct command *command_find(const char *word)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].name, word) == 0)
            return &commands[i];
    return NULL;
}

int command_run(const struct command *command, int argc, char **argv)
{
    struct err err;
    if (argc == command->n_arguments + 1)
        return command->run(argv + 1);
    err_set(&err, "expected %s", command->arguments);
    return complain(command->name, &err, EXIT_USAGE);
}

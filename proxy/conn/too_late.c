/*
 * The proof that a request came too late to be read. A file of its own: <linux/tcp.h>, which knows
 * tcpi_bytes_acked, cannot be included together with the <netinet/tcp.h> of glibc.
 */
#include "proxy/conn/conn.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

/* Linux says EPIPE when RST came behind FIN (tcp_reset() in TCP_CLOSE_WAIT), else ECONNRESET. A
 * write that failed has taken the error with it. */
static int conn_error(const struct conn *conn)
{
    int error = 0;
    socklen_t size = sizeof(error);
    if (conn->is_broken)
        return conn->broken_by;
    return getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : 0;
}

bool conn_was_too_late(const struct conn *conn, uint64_t n_bytes)
{
    struct tcp_info info;
    socklen_t size = sizeof(info);
    if (conn->tls || conn->fd < 0 || conn_error(conn) != EPIPE ||
        getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        return false;
    /* Linux 4.1; the SYN counts as one. One byte is no request, if it should ever not count. */
    return size >= offsetof(struct tcp_info, tcpi_bytes_acked) + sizeof(info.tcpi_bytes_acked) &&
           info.tcpi_bytes_acked <= n_bytes + 1;
}

#include "common/admin_conn.h"

#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <unistd.h>

#include "common/socket_bio.h"

bool admin_conn_io_open(struct admin_conn *conn)
{
    const struct admin_conns *conns = conn->conns;
    if (!conns->start_tls)
        return true;
    BIO *bio = socket_bio_new(&conn->fd);
    conn->ssl = bio ? conns->start_tls(conns->tls_context) : NULL;
    if (!conn->ssl) {
        BIO_free(bio);
        return false;
    }
    SSL_set_bio(conn->ssl, bio, bio); /* takes it over */
    SSL_set_accept_state(conn->ssl);
    SSL_set_mode(conn->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return true;
}

void admin_conn_io_close(struct admin_conn *conn)
{
    if (conn->ssl && !SSL_in_init(conn->ssl))
        (void)SSL_shutdown(conn->ssl);
    ERR_clear_error();
    SSL_free(conn->ssl);
    conn->ssl = NULL;
    close(conn->fd);
}

/* As recv(2) and send(2) would tell it. */
static ssize_t tls_result(struct admin_conn *conn, int result, int wanted)
{
    if (result > 0)
        return result;
    int error = SSL_get_error(conn->ssl, result);
    ERR_clear_error();
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    /* To read, or be shaken hands with, and have no room for what that makes us write: a peer that
     * does not listen. */
    errno = error == wanted ? EAGAIN : ECONNABORTED;
    return -1;
}

ssize_t admin_conn_recv(struct admin_conn *conn, void *bytes, size_t size)
{
    if (!conn->ssl)
        return recv(conn->fd, bytes, size, 0);
    ERR_clear_error();
    return tls_result(conn, SSL_read(conn->ssl, bytes, (int)size), SSL_ERROR_WANT_READ);
}

ssize_t admin_conn_send(struct admin_conn *conn, struct slice bytes)
{
    if (!conn->ssl)
        return send(conn->fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
    ERR_clear_error();
    int len = bytes.len > INT_MAX ? INT_MAX : (int)bytes.len;
    return tls_result(conn, SSL_write(conn->ssl, bytes.ptr, len), SSL_ERROR_WANT_WRITE);
}

bool admin_conn_send_end(struct admin_conn *conn)
{
    if (conn->ssl)
        (void)SSL_shutdown(conn->ssl);
    ERR_clear_error();
    return shutdown(conn->fd, SHUT_WR) == 0;
}

void admin_conn_wake(struct admin_conn *conn)
{
    if (conn->ssl && SSL_pending(conn->ssl) > 0)
        event_active(&conn->readable, EV_READ, 0);
}

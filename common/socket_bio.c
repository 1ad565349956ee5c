#include "common/socket_bio.h"

#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

static int bio_fd(BIO *bio)
{
    return *(const int *)BIO_get_data(bio);
}

static int bio_write(BIO *bio, const char *bytes, int len)
{
    BIO_clear_retry_flags(bio);
    ssize_t n = send(bio_fd(bio), bytes, (size_t)len, MSG_NOSIGNAL);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_write(bio);
    return (int)n;
}

static int bio_read(BIO *bio, char *bytes, int size)
{
    BIO_clear_retry_flags(bio);
    ssize_t n = recv(bio_fd(bio), bytes, (size_t)size, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        BIO_set_retry_read(bio);
    return (int)n;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_methods; /* the library's table; written once */

static void bio_methods_make(void)
{
    BIO_METHOD *methods = BIO_meth_new(BIO_TYPE_SOCKET, "outrigger socket");
    if (methods && BIO_meth_set_write(methods, bio_write) && BIO_meth_set_read(methods, bio_read) &&
        BIO_meth_set_ctrl(methods, bio_ctrl))
        bio_methods = methods;
    else if (methods)
        BIO_meth_free(methods);
}

BIO *socket_bio_new(const int *fd)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, bio_methods_make);
    BIO *bio = bio_methods ? BIO_new(bio_methods) : NULL;
    if (!bio)
        return NULL;
    BIO_set_data(bio, (void *)fd); /* it is read only */
    BIO_set_init(bio, 1);
    return bio;
}

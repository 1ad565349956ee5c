#include "common/x509_time.h"

/* ASN1_TIME_to_posix() is not in Debian's BoringSSL; a difference from the epoch is in both. */
bool x509_time_sec(const ASN1_TIME *time, int64_t *sec)
{
    int days, seconds;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    bool is_valid = epoch && ASN1_TIME_diff(&days, &seconds, epoch, time);
    ASN1_TIME_free(epoch);
    if (is_valid)
        *sec = (int64_t)days * 86400 + seconds;
    return is_valid;
}

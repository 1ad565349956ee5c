/*
 * The names of HTTP's status codes (RFC 9110 15, and the IANA registry).
 */
#ifndef OUTRIGGER_COMMON_HTTP_STATUS_TEXT_H
#define OUTRIGGER_COMMON_HTTP_STATUS_TEXT_H

/* "OK" for 200; "" for what has none. */
const char *http_status_text(int status);

#endif

/*
 * The target of a request (RFC 9112 3.2): origin-form, absolute-form, authority-form,
 * asterisk-form. Pure. For h1_parse.c.
 */
#ifndef OUTRIGGER_COMMON_HTTP_H1_TARGET_H
#define OUTRIGGER_COMMON_HTTP_H1_TARGET_H

#include "common/http/head.h"

/*
 * Fills scheme, authority and path of `head`, whose method is set, with parts of the `len` bytes at
 * `text`, which may be changed. What the form does not say stays empty. False: it is no target, or
 * none that goes with this method.
 */
bool h1_target_parse(struct head *head, char *text, size_t len) MUST_USE;

#endif

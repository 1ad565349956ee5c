/*
 * A page of ours as plain text, for those who ask for it with curl. Reads only the HTML that our
 * own pages are made of: headings, paragraphs, tables, links, the five entities and &#NN;. Pure.
 */
#ifndef OUTRIGGER_COMMON_HTML_TEXT_H
#define OUTRIGGER_COMMON_HTML_TEXT_H

#include "common/buf.h"

/*
 * Appends what `html` says: tables with their columns one below the other, an empty line before a
 * heading; <style> and <title> are left out. False when `out` cannot grow; it is cut off then.
 */
bool html_text(struct buf *out, struct slice html) MUST_USE;

#endif

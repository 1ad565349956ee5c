/*
 * The few forms that the page for people is made of. All text is escaped here. When memory runs out
 * `is_whole` becomes false and the rest does nothing, so that only the end has to ask. Pure.
 */
#ifndef OUTRIGGER_PROXY_ADMIN_HTML_H
#define OUTRIGGER_PROXY_ADMIN_HTML_H

#include "common/buf.h"

struct html {
    struct buf text;
    bool is_whole;
};

void html_init(struct html *html, size_t max_bytes);
void html_fini(struct html *html);

void html_raw(struct html *html, const char *markup); /* not escaped */
void html_title(struct html *html, const char *name, bool is_good, const char *state);
void html_heading(struct html *html, const char *text, const char *link); /* link may be NULL */

/* `columns` are the heads, "a|b|c"; NULL: none. */
void html_table(struct html *html, const char *columns);
void html_table_end(struct html *html);

/* A row of a name and its value. The value is cut at 1 KiB. */
void html_row(struct html *html, const char *name, const char *format, ...) PRINTF_LIKE(3, 4);
void html_link_row(struct html *html, const char *path, const char *note, const char *text);

/* A row of any cells. */
void html_cells_start(struct html *html);
void html_cell(struct html *html, const char *format, ...) PRINTF_LIKE(2, 3);
void html_cells_end(struct html *html);

#endif

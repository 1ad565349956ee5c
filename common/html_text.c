#include "common/html_text.h"

#include <strings.h>

#define COLUMNS          16 /* that are aligned; more follow with two spaces between */
#define COLUMN_MAX_WIDTH 48 /* a wider cell moves the rest of its row */
#define CELL_END         '\x1f'

struct reader {
    struct buf *out;
    struct buf table; /* rows of the table that is being read: cells end with CELL_END */
    bool is_in_table;
    bool has_cell; /* the row that is being read has an open cell */
    bool is_whole;
};

static bool starts_with(struct slice text, const char *prefix)
{
    return text.len >= strlen(prefix) && strncasecmp(text.ptr, prefix, strlen(prefix)) == 0;
}

static void put(struct reader *reader, const char *text, size_t len)
{
    struct buf *to = reader->is_in_table ? &reader->table : reader->out;
    reader->is_whole = reader->is_whole && buf_append(to, text, len);
}

static void put_str(struct reader *reader, const char *text)
{
    put(reader, text, strlen(text));
}

/* ---- tables ---- */

static void measure(struct slice rows, size_t widths[COLUMNS])
{
    size_t column = 0, width = 0;
    for (size_t i = 0; i < rows.len; i++) {
        if (rows.ptr[i] != CELL_END && rows.ptr[i] != '\n') {
            width += ((unsigned char)rows.ptr[i] & 0xc0) != 0x80; /* characters of UTF-8 */
            continue;
        }
        if (rows.ptr[i] == CELL_END && column < COLUMNS && width <= COLUMN_MAX_WIDTH &&
            width > widths[column])
            widths[column] = width;
        column = rows.ptr[i] == '\n' ? 0 : column + 1;
        width = 0;
    }
}

static void put_rows(struct reader *reader, struct slice rows, const size_t widths[COLUMNS])
{
    size_t column = 0, width = 0;
    for (size_t i = 0; i < rows.len; i++) {
        if (rows.ptr[i] != CELL_END) {
            put(reader, &rows.ptr[i], 1);
            width += ((unsigned char)rows.ptr[i] & 0xc0) != 0x80;
            if (rows.ptr[i] == '\n')
                column = width = 0;
            continue;
        }
        if (i + 1 < rows.len && rows.ptr[i + 1] != '\n') { /* no spaces at the end of a line */
            size_t want = column < COLUMNS ? widths[column] : 0;
            for (put(reader, "  ", 2); width < want; width++)
                put(reader, " ", 1);
        }
        column++;
        width = 0;
    }
}

static void table_end(struct reader *reader)
{
    size_t widths[COLUMNS] = {0};
    struct slice rows = buf_slice(&reader->table);
    if (!reader->is_in_table)
        return;
    reader->is_in_table = false;
    measure(rows, widths);
    put_rows(reader, rows, widths);
    buf_consume(&reader->table, rows.len);
}

/* ---- tags, entities ---- */

static void cell_end(struct reader *reader)
{
    if (reader->has_cell)
        put(reader, &(char){CELL_END}, 1);
    reader->has_cell = false;
}

/* `name` is what stands between < and >. */
static void on_tag(struct reader *reader, struct slice name)
{
    if (starts_with(name, "td") || starts_with(name, "th")) {
        cell_end(reader); /* <td> and <th> need no end of their own */
        reader->has_cell = true;
    } else if (starts_with(name, "/tr")) {
        cell_end(reader);
        put_str(reader, "\n");
    } else if (starts_with(name, "table")) {
        reader->is_in_table = true;
    } else if (starts_with(name, "/table")) {
        table_end(reader);
    } else if (starts_with(name, "h2") || starts_with(name, "/h1") || starts_with(name, "/h2") ||
               starts_with(name, "/p")) {
        put_str(reader, "\n");
    }
}

/* How many bytes of `rest`, which begins with &, it was. */
static size_t on_entity(struct reader *reader, struct slice rest)
{
    static const struct {
        const char *name, *text;
    } entities[] = {{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}};
    for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++) {
        if (!starts_with(rest, entities[i].name))
            continue;
        put_str(reader, entities[i].text);
        return strlen(entities[i].name);
    }
    unsigned code = 0;
    size_t n = 2;
    if (starts_with(rest, "&#"))
        while (n < rest.len && n < 5 && rest.ptr[n] >= '0' && rest.ptr[n] <= '9')
            code = code * 10 + (unsigned)(rest.ptr[n++] - '0');
    if (code < ' ' || code > '~' || n == rest.len || rest.ptr[n] != ';') {
        put(reader, "&", 1);
        return 1;
    }
    put(reader, &(char){(char)code}, 1);
    return n + 1;
}

/* What follows the tag at the start of `html`: behind the end of the element where that is not for
 * people. */
static struct slice after_tag(struct reader *reader, struct slice html)
{
    static const char *const hidden[][2] = {{"<style", "</style>"}, {"<title", "</title>"}};
    const char *end = memchr(html.ptr, '>', html.len);
    size_t len = end ? (size_t)(end - html.ptr) + 1 : html.len;
    for (size_t i = 0; i < sizeof(hidden) / sizeof(hidden[0]); i++) {
        const char *close = starts_with(html, hidden[i][0])
                                ? memmem(html.ptr, html.len, hidden[i][1], strlen(hidden[i][1]))
                                : NULL;
        if (close)
            len = (size_t)(close - html.ptr) + strlen(hidden[i][1]);
    }
    on_tag(reader, slice_sub(html, 1, len - 1));
    return slice_sub(html, len, html.len);
}

bool html_text(struct buf *out, struct slice html)
{
    struct reader reader = {.out = out, .is_whole = true};
    buf_init(&reader.table, html.len + 1);
    while (html.len > 0 && reader.is_whole) {
        size_t n = 1; /* lines end where tags say so, and a terminal obeys no control characters */
        if (*html.ptr == '<') {
            html = after_tag(&reader, html);
            continue;
        }
        if (*html.ptr == '&')
            n = on_entity(&reader, html);
        else if ((unsigned char)*html.ptr >= ' ' && *html.ptr != 0x7f)
            put(&reader, html.ptr, 1);
        html = slice_sub(html, n, html.len);
    }
    table_end(&reader);
    buf_fini(&reader.table);
    return reader.is_whole;
}

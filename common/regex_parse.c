/*
 * From text to program, in one pass: each part appends its code behind that of the parts before it,
 * and an operator that follows puts a SPLIT in front of what it is about.
 */
#include "common/regex_code.h"

#include <ctype.h>
#include <stdlib.h>

struct parse {
    struct regex *regex;
    struct slice text;
    size_t at;
    unsigned depth;
    bool ignores_case;
    struct err *err;
};

static const struct class_name {
    const char *name;
    int (*has)(int byte);
} class_names[] = {
    {"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
    {"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
    {"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
};

static bool fail(struct parse *parse, size_t at, const char *what)
{
    return err_set(parse->err, "regular expression \"%.*s\", byte %zu: %s",
                   SLICE_ARG(slice_sub(parse->text, 0, 200)), at + 1, what);
}

static bool is_left(const struct parse *parse)
{
    return parse->at < parse->text.len;
}

static char peek(const struct parse *parse)
{
    return is_left(parse) ? parse->text.ptr[parse->at] : '\0';
}

static bool take(struct parse *parse, const char *text)
{
    struct slice rest = slice_sub(parse->text, parse->at, parse->text.len);
    if (!slice_starts_with(rest, slice_str(text)))
        return false;
    parse->at += strlen(text);
    return true;
}

/* A step in writing the program, at the end or about what was written from somewhere on. */
static bool written(struct parse *parse, bool is_ok)
{
    return is_ok || fail(parse, parse->at, parse->regex->why);
}

static bool code_append(struct parse *parse, struct regex_inst inst)
{
    return written(parse, regex_code_append(parse->regex, inst));
}

static void class_add(struct regex_class *class, uint8_t byte)
{
    class->bits[byte >> 6] |= 1ull << (byte & 63);
}

static void class_invert(struct regex_class *class)
{
    for (size_t i = 0; i < 4; i++)
        class->bits[i] = ~class->bits[i];
}

static void class_add_case(struct regex_class *class)
{
    for (int byte = 'a'; byte <= 'z'; byte++) {
        uint8_t small = (uint8_t)byte, large = (uint8_t)toupper(byte);
        if (regex_class_has(class, small) || regex_class_has(class, large)) {
            class_add(class, small);
            class_add(class, large);
        }
    }
}

static bool append_class(struct parse *parse, const struct regex_class *class)
{
    struct regex *regex = parse->regex;
    if (regex->n_classes == regex->classes_room) {
        size_t room = regex->classes_room * 2 + 4;
        struct regex_class *classes = reallocarray(regex->classes, room, sizeof(*classes));
        if (!classes)
            return fail(parse, parse->at, "out of memory");
        regex->classes = classes;
        regex->classes_room = room;
    }
    regex->classes[regex->n_classes] = *class;
    uint16_t index = (uint16_t)regex->n_classes++; /* at most one a byte of the expression */
    return code_append(parse, (struct regex_inst){.op = REGEX_CLASS, .class = index});
}

static bool append_byte(struct parse *parse, uint8_t byte)
{
    if (!parse->ignores_case || !isalpha(byte))
        return code_append(parse, (struct regex_inst){.op = REGEX_BYTE, .byte = byte});
    struct regex_class class = {0};
    class_add(&class, byte);
    class_add_case(&class);
    return append_class(parse, &class);
}

/* \d and its like, after the backslash. False when it is none of them. */
static bool class_of_letter(char letter, struct regex_class *class)
{
    for (int byte = 0; byte < 256; byte++) {
        bool is_in;
        switch (letter) {
        case 'd':
        case 'D':
            is_in = byte < 128 && isdigit(byte);
            break;
        case 'w':
        case 'W':
            is_in = byte < 128 && (isalnum(byte) || byte == '_');
            break;
        case 's':
        case 'S':
            is_in = byte == ' ' || (byte >= '\t' && byte <= '\r' && byte != '\v');
            break;
        default:
            return false;
        }
        if (is_in)
            class_add(class, (uint8_t)byte);
    }
    if (isupper((unsigned char)letter))
        class_invert(class);
    return true;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    int small = tolower((unsigned char)digit);
    return small >= 'a' && small <= 'f' ? small - 'a' + 10 : -1;
}

/* What stands behind a backslash and means one byte. */
static bool read_escaped_byte(struct parse *parse, uint8_t *byte)
{
    static const char letters[] = "aftnrv";
    static const uint8_t meanings[] = {7, 12, 9, 10, 13, 11};
    size_t begin = parse->at - 1;
    if (!is_left(parse))
        return fail(parse, begin, "nothing after the backslash");
    char letter = parse->text.ptr[parse->at++];
    const char *known = memchr(letters, letter, sizeof(letters) - 1);
    if (known) {
        *byte = meanings[known - letters];
        return true;
    }
    if (letter == 'x') {
        struct slice digits = slice_sub(parse->text, parse->at, 2);
        int high = digits.len == 2 ? hex_value(digits.ptr[0]) : -1;
        int low = digits.len == 2 ? hex_value(digits.ptr[1]) : -1;
        if (high < 0 || low < 0)
            return fail(parse, begin, "\\x is not followed by two hexadecimal digits");
        parse->at += 2;
        *byte = (uint8_t)(high * 16 + low);
        return true;
    }
    if (isdigit((unsigned char)letter))
        return fail(parse, begin,
                    "back references are not taken: they cannot be matched in linear time");
    if (!ispunct((unsigned char)letter))
        return fail(parse, begin, "an escape that is not known");
    *byte = (uint8_t)letter;
    return true;
}

static bool read_class_name(struct parse *parse, struct regex_class *class)
{
    size_t begin = parse->at;
    bool is_inverted;
    struct regex_class named = {0};
    parse->at += 2;
    is_inverted = take(parse, "^");
    for (size_t i = 0; i < sizeof(class_names) / sizeof(class_names[0]); i++) {
        size_t before = parse->at;
        if (!take(parse, class_names[i].name) || !take(parse, ":]")) {
            parse->at = before;
            continue;
        }
        for (int byte = 0; byte < 128; byte++)
            if (class_names[i].has(byte))
                class_add(&named, (uint8_t)byte);
        if (is_inverted)
            class_invert(&named);
        for (size_t word = 0; word < 4; word++)
            class->bits[word] |= named.bits[word];
        return true;
    }
    return fail(parse, begin, "a class name that is not known, as [:alpha:] is");
}

/* One end of a range; `is_class` when it was a class of its own, which has been added. */
static bool read_class_item(struct parse *parse, struct regex_class *class, uint8_t *byte,
                            bool *is_class)
{
    struct regex_class letter = {0};
    *is_class = false;
    if (!take(parse, "\\")) {
        *byte = (uint8_t)parse->text.ptr[parse->at++];
        return true;
    }
    *is_class = is_left(parse) && class_of_letter(peek(parse), &letter);
    if (!*is_class)
        return read_escaped_byte(parse, byte);
    parse->at++;
    for (size_t word = 0; word < 4; word++)
        class->bits[word] |= letter.bits[word];
    return true;
}

static bool read_range(struct parse *parse, struct regex_class *class)
{
    size_t begin = parse->at;
    uint8_t first, last;
    bool is_class;
    if (take(parse, "[:")) {
        parse->at = begin;
        return read_class_name(parse, class);
    }
    if (!read_class_item(parse, class, &first, &is_class) || is_class)
        return is_class;
    last = first;
    struct slice rest = slice_sub(parse->text, parse->at, 2);
    if (rest.len == 2 && rest.ptr[0] == '-' && rest.ptr[1] != ']') {
        parse->at++;
        if (!read_class_item(parse, class, &last, &is_class))
            return false;
        if (is_class || last < first)
            return fail(parse, begin, "a range that ends before it begins");
    }
    for (unsigned byte = first; byte <= last; byte++)
        class_add(class, (uint8_t)byte);
    return true;
}

/* After the `[`. */
static bool parse_class(struct parse *parse)
{
    size_t begin = parse->at - 1;
    struct regex_class class = {0};
    bool is_inverted = take(parse, "^");
    bool is_first = true; /* a `]` here is a byte like others */
    while (is_left(parse) && (is_first || peek(parse) != ']')) {
        if (!read_range(parse, &class))
            return false;
        is_first = false;
    }
    if (!take(parse, "]"))
        return fail(parse, begin, "`[` without `]`");
    if (parse->ignores_case)
        class_add_case(&class);
    if (is_inverted)
        class_invert(&class);
    return append_class(parse, &class);
}

static bool parse_escape(struct parse *parse)
{
    struct regex_class class = {0};
    uint8_t byte;
    char letter = peek(parse);
    if (is_left(parse) && class_of_letter(letter, &class)) {
        parse->at++;
        return append_class(parse, &class);
    }
    return read_escaped_byte(parse, &byte) && append_byte(parse, byte);
}

static bool parse_alternatives(struct parse *parse);

/* After the `(`. */
static bool parse_group(struct parse *parse)
{
    size_t begin = parse->at - 1;
    if (take(parse, "?") && !take(parse, ":"))
        return fail(parse, begin, "of (? only (?: is taken here, and (?i) at the beginning");
    if (++parse->depth > REGEX_DEPTH_MAX)
        return fail(parse, begin, "too many groups in each other");
    if (!parse_alternatives(parse))
        return false;
    parse->depth--;
    return take(parse, ")") || fail(parse, begin, "`(` without `)`");
}

static bool parse_atom(struct parse *parse)
{
    size_t begin = parse->at;
    struct regex_class any = {.bits = {~(1ull << '\n'), ~0ull, ~0ull, ~0ull}};
    char byte = parse->text.ptr[parse->at++];
    switch (byte) {
    case '.':
        return append_class(parse, &any);
    case '[':
        return parse_class(parse);
    case '\\':
        return parse_escape(parse);
    case '(':
        return parse_group(parse);
    case '^':
        return code_append(parse, (struct regex_inst){.op = REGEX_BEGIN});
    case '$':
        return code_append(parse, (struct regex_inst){.op = REGEX_END});
    case '*':
    case '+':
    case '?':
        return fail(parse, begin, "nothing to repeat");
    default:
        return append_byte(parse, (uint8_t)byte);
    }
}

/* -1: none. More than the program can have is as good as any other. */
static int read_number(struct parse *parse)
{
    int value = -1;
    for (; is_left(parse) && isdigit((unsigned char)peek(parse)); parse->at++)
        if (value <= REGEX_STATES_MAX)
            value = (value < 0 ? 0 : value) * 10 + (peek(parse) - '0');
    return value;
}

/* {m}, {m,} or {m,n}. Anything else that begins with `{` is a byte like others, as in RE2. */
static bool read_counts(struct parse *parse, int *m, int *n)
{
    size_t begin = parse->at;
    bool is_counts = take(parse, "{") && (*m = read_number(parse)) >= 0;
    if (is_counts && take(parse, "}")) {
        *n = *m;
        return true;
    }
    if (is_counts && take(parse, ",")) {
        *n = read_number(parse);
        if (take(parse, "}"))
            return true;
    }
    parse->at = begin;
    return false;
}

/* What may follow an atom. */
static bool parse_repetition(struct parse *parse, size_t begin)
{
    size_t at = parse->at;
    int m = 0, n = 0;
    bool is_ok, is_counts = false;
    if (take(parse, "*"))
        is_ok = written(parse, regex_code_star(parse->regex, begin));
    else if (take(parse, "+"))
        is_ok = written(parse, regex_code_plus(parse->regex, begin));
    else if (take(parse, "?"))
        is_ok = written(parse, regex_code_optional(parse->regex, begin));
    else if ((is_counts = read_counts(parse, &m, &n)))
        is_ok = (n >= 0 && n < m)
                    ? fail(parse, at, "a range of repetitions that ends before it begins")
                    : written(parse, regex_code_repeat(parse->regex, begin, m, n));
    else
        return true;
    if (!is_ok)
        return false;
    take(parse, "?"); /* as few as can be: the same for a whole match */
    at = parse->at;
    if (peek(parse) == '*' || peek(parse) == '+' || peek(parse) == '?' ||
        read_counts(parse, &m, &n))
        return fail(parse, at, "a repetition of a repetition; put it in a group");
    return true;
}

static bool parse_sequence(struct parse *parse)
{
    while (is_left(parse) && peek(parse) != '|' && peek(parse) != ')') {
        size_t begin = parse->regex->n;
        if (!parse_atom(parse) || !parse_repetition(parse, begin))
            return false;
    }
    return true;
}

/*
 * Each alternative but the last gets a SPLIT in front and a jump to the end behind it. Until the
 * end is known, the jumps are a chain: `x` leads to the one before, 0 in the first.
 */
static bool parse_alternatives(struct parse *parse)
{
    struct regex *regex = parse->regex;
    size_t begin = regex->n, jump = 0; /* 0: none yet; a SPLIT stands before the first */
    if (!parse_sequence(parse))
        return false;
    while (take(parse, "|")) {
        if (!written(parse, regex_code_optional(regex, begin)))
            return false;
        regex->code[begin].y++; /* past the jump */
        int16_t back = jump ? (int16_t)((ptrdiff_t)jump - (ptrdiff_t)regex->n) : 0;
        jump = regex->n;
        if (!code_append(parse, (struct regex_inst){.op = REGEX_JUMP, .x = back}))
            return false;
        begin = regex->n;
        if (!parse_sequence(parse))
            return false;
    }
    while (jump) {
        int16_t back = regex->code[jump].x;
        regex->code[jump].x = (int16_t)(regex->n - jump);
        jump = back ? (size_t)((ptrdiff_t)jump + back) : 0;
    }
    return true;
}

bool regex_parse(struct regex *regex, struct slice expression, struct err *err)
{
    struct parse parse = {.regex = regex, .text = expression, .err = err};
    if (expression.len > REGEX_TEXT_MAX)
        return err_set(err, "regular expression: %zu bytes are too many (at most %d)",
                       expression.len, REGEX_TEXT_MAX);
    parse.ignores_case = take(&parse, "(?i)");
    if (!parse_alternatives(&parse))
        return false;
    if (is_left(&parse))
        return fail(&parse, parse.at, "`)` without `(`");
    return code_append(&parse, (struct regex_inst){.op = REGEX_MATCH});
}

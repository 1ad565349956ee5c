#include "proxy/codec/stream.h"

const char *stream_cut_word(enum stream_cut cut)
{
    static const char *const words[] = {
#define X(suffix, word, code) [STREAM_CUT_##suffix] = word,
        STREAM_CUTS(X)
#undef X
    };
    return words[cut];
}

uint32_t stream_cut_h2_code(enum stream_cut cut)
{
    static const uint32_t codes[] = {
#define X(suffix, word, code) [STREAM_CUT_##suffix] = code,
        STREAM_CUTS(X)
#undef X
    };
    return codes[cut];
}

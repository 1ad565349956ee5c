#include "common/time_json.h"

#include "common/text.h"

json_t *time_json(int64_t wall_sec)
{
    char text[TEXT_TIME_BYTES];
    return wall_sec ? json_string(text_time(wall_sec, text)) : json_null();
}

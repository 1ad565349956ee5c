"""Protocol Buffers by hand: what is needed to read and write messages by their field numbers."""


def varint(value):
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def length_delimited(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def _take_varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not data[at - 1] & 0x80:
            return value, at


def fields(data):
    """{number: [values]} of a message that holds varints and length-delimited fields."""
    found, at = {}, 0
    while at < len(data):
        key, at = _take_varint(data, at)
        value, at = _take_varint(data, at)
        if key & 7 == 2:
            value, at = data[at:at + value], at + value
        else:
            assert key & 7 == 0, f"wire type {key & 7}"
        found.setdefault(key >> 3, []).append(value)
    return found


def text(data):
    return data.decode("ascii")

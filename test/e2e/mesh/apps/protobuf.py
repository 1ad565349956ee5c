"""Protobuf by its numbers, without a schema: so that a number that is wrong in the project's is seen."""
import struct


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """[(number, value)] of a message: int, bytes, or 8 and 4 bytes as int."""
    at, found = 0, []
    while at < len(data):
        tag, at = varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = varint(data, at)
        elif kind == 1:
            value, at = struct.unpack_from("<Q", data, at)[0], at + 8
        elif kind == 5:
            value, at = struct.unpack_from("<I", data, at)[0], at + 4
        elif kind == 2:
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
            assert len(value) == length, "cut short"
        else:
            raise ValueError(f"wire type {kind}")
        found.append((number, value))
    return found


def every(data, number):
    return [value for found, value in fields(data) if found == number]


def one(data, number, otherwise=b""):
    return (every(data, number) or [otherwise])[-1]


def encoded(*numbered):
    """A message of (number, int or str or bytes)."""
    out = b""
    for number, value in numbered:
        if isinstance(value, int):
            out += _varint(number << 3) + _varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            out += _varint(number << 3 | 2) + _varint(len(data)) + data
    return out


def _varint(value):
    out = b""
    while value > 0x7f:
        out += bytes([value & 0x7f | 0x80])
        value >>= 7
    return out + bytes([value])

"""A recorder of every byte on a link, and what can be read out of it: TCP streams, TLS records."""
import ipaddress
import os
import select
import socket
import struct
import threading

_ETH_P_ALL, _SO_RCVBUFFORCE, _SOL_PACKET, _PACKET_STATISTICS = 0x0003, 33, 263, 6


class Stream:
    """One direction of one TCP connection, put together by sequence numbers."""

    def __init__(self, source, destination):
        self.source, self.destination = source, destination  # (address, port)
        self.has_syn = self.has_fin = self.has_rst = False
        self._first = None
        self._parts = {}

    def _add(self, seq, flags, payload):
        self.has_fin |= bool(flags & 1)
        self.has_rst |= bool(flags & 4)
        if flags & 2:
            self.has_syn, self._first = True, (seq + 1) & 0xffffffff
        elif self._first is None:
            self._first = seq
        if payload:
            at = (seq - self._first) & 0xffffffff
            if len(payload) > len(self._parts.get(at, b"")):
                self._parts[at] = payload

    @property
    def data(self):
        out = bytearray()
        for at, part in sorted(self._parts.items()):
            if at > len(out):
                break  # a hole: what comes later cannot be placed
            out[at:at + len(part)] = part
        return bytes(out)

    def __repr__(self):
        return f"{self.source[0]}:{self.source[1]} -> {self.destination[0]}:{self.destination[1]}"


class Recorder:
    """Records a link from now until stop(). As a context manager it stops at the end of the block."""

    def __init__(self, namespace, interface):
        self.interface = interface
        self.frames = []
        with namespace.entered():
            self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
            try:
                self._sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 << 20)
            except PermissionError:  # a user namespace's root may only ask for what all may have
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 20)
            self._sock.bind((interface, 0))
        self._sock.setblocking(False)
        self._wake_read, self._wake_write = os.pipe()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"record {interface}", daemon=True)
        self._thread.start()

    def _take(self):
        while True:
            try:
                frame = self._sock.recv(1 << 17)
            except BlockingIOError:
                return
            with self._lock:
                self.frames.append(frame)

    def _run(self):
        while True:
            ready, _, _ = select.select([self._sock, self._wake_read], [], [])
            self._take()
            if self._wake_read in ready:
                return

    def stop(self):
        """Stops; fails when the kernel had to drop a frame, as then nothing can be claimed."""
        if self._sock is None:
            return
        os.write(self._wake_write, b"x")
        self._thread.join()
        packed = self._sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        self._sock.close()
        self._sock = None
        os.close(self._wake_read)
        os.close(self._wake_write)
        dropped = struct.unpack("II", packed)[1]
        assert dropped == 0, f"the recorder of {self.interface} lost {dropped} frames"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def streams(self):
        """All TCP streams, oldest first. A SYN on the same addresses begins a new one."""
        with self._lock:
            frames = list(self.frames)
        current, found = {}, []
        for frame in frames:
            segment = _tcp(frame)
            if segment is None:
                continue
            source, destination, seq, flags, payload = segment
            stream = current.get((source, destination))
            if stream is None or (flags & 2 and stream._parts):
                stream = current[source, destination] = Stream(source, destination)
                found.append(stream)
            stream._add(seq, flags, payload)
        return found

    def contains(self, needle):
        """Do the bytes stand in any frame or any stream?"""
        with self._lock:
            frames = list(self.frames)
        return any(needle in frame for frame in frames) or \
            any(needle in stream.data for stream in self.streams())


def _tcp(frame):
    kind = struct.unpack_from("!H", frame, 12)[0]
    if kind == 0x0800 and frame[23] == 6:
        header, start = frame[14:34], 14 + (frame[14] & 15) * 4
        length = struct.unpack_from("!H", frame, 16)[0]
        source, destination = header[12:16], header[16:20]
        end = 14 + length if length else len(frame)
    elif kind == 0x86dd and frame[20] == 6:
        start, length = 54, struct.unpack_from("!H", frame, 18)[0]
        source, destination = frame[22:38], frame[38:54]
        end = 54 + length if length else len(frame)
    else:
        return None
    from_port, to_port, seq = struct.unpack_from("!HHI", frame, start)
    data = start + (frame[start + 12] >> 4) * 4
    return ((str(ipaddress.ip_address(source)), from_port),
            (str(ipaddress.ip_address(destination)), to_port),
            seq, frame[start + 13], frame[data:end])


def tls_records(data):
    """[(content type, body)] of a stream of whole TLS records; raises ValueError for what is none."""
    records, at = [], 0
    while at + 5 <= len(data):
        kind, major, _, length = struct.unpack_from("!BBBH", data, at)
        if kind not in (20, 21, 22, 23) or major != 3 or length > 16384 + 256:
            raise ValueError(f"not TLS at byte {at}: {data[at:at + 16]!r}")
        if at + 5 + length > len(data):
            break
        records.append((kind, data[at + 5:at + 5 + length]))
        at += 5 + length
    return records


def tls_version(server_data):
    """The version that a server's first bytes chose: 0x0304 is TLS 1.3 (RFC 8446, 4.2.1)."""
    records = tls_records(server_data)
    if not records or records[0][0] != 22 or records[0][1][0] != 2:
        raise ValueError(f"no ServerHello: {server_data[:32]!r}")
    hello = records[0][1][4:]
    at = 35 + hello[34]  # version, random, session id
    at += 3              # cipher suite, compression
    end = at + 2 + struct.unpack_from("!H", hello, at)[0]
    at += 2
    while at < end:
        kind, length = struct.unpack_from("!HH", hello, at)
        if kind == 43:
            return struct.unpack_from("!H", hello, at + 4)[0]
        at += 4 + length
    return struct.unpack_from("!H", hello, 0)[0]

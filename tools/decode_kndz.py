#!/usr/bin/env python3
"""tools/decode_kndz.py FILE.kndz [OUT.npz]: decodes a .kndz file as docs/kndz.md describes it, without Kindling.
Prints each tensor's name, shape and the CRC-32 of its elements as float32. Slow: some minutes for a million weights."""
import struct, sys, zlib
import numpy as np
RATES = [(655360 + (10 * n + 16) // 2) // (10 * n + 16) for n in range(512)]
PER_SCALE = [(4 << 16) // max((7 if i & 1 else 5) << (i + 6) // 2 >> 2, 40) for i in range(32)]

class RangeDecoder:
    def __init__(self, data, bits):
        self.data, self.next, self.bits = data + bytes(8), 8, bits  # bits: context -> [probability, count]
        self.code, self.range = int.from_bytes(self.data[:8], "big"), 2**64 - 1
    def narrow(self, bound):
        first = self.code < bound
        self.code, self.range = (self.code, bound) if first else (self.code - bound, self.range - bound)
        if self.range < 1 << 32:
            four = int.from_bytes(self.data[self.next:self.next + 4].ljust(4, b"\0"), "big")
            self.code, self.range, self.next = self.code << 32 | four, self.range << 32, self.next + 4
        return int(first)
    def bit(self, *context):
        state = self.bits.setdefault(context, [1 << 21, 0])
        bit = self.narrow((self.range >> 15) * (state[0] >> 7 | 1))
        state[:] = state[0] + ((4194303 * bit - state[0]) * RATES[state[1]] >> 16), min(state[1] + 1, 500)
        return bit
    def raw(self, count):
        return sum(self.narrow(self.range >> 1) << i for i in reversed(range(count)))
    def tree(self, count, *context):
        node = 1
        for _ in range(count): node = 2 * node + self.bit(*context, node)
        return node - (1 << count)

class BitReader:
    def __init__(self, data):
        self.text, self.next = "".join(map(str, np.unpackbits(np.frombuffer(data, np.uint8)))), 0
    def raw(self, count):
        self.next += count
        return int(self.text[self.next - count:self.next] or "0", 2)
    def huffman(self, symbols):  # a code: bits -> symbol
        table, code, length = {}, 0, 0
        for n, symbol in sorted((n, s) for s, n in enumerate([self.raw(4) for _ in range(symbols)]) if n):
            code, length = code << n - length, n
            table[format(code, f"0{n}b")] = symbol
            code += 1
        return table
    def symbol(self, table):
        code = next(code for n in range(1, 16) if (code := self.text[self.next:self.next + n]) in table)
        self.next += len(code)
        return table[code]
def floats(words, dtype):
    words = np.array(words, np.uint16 if dtype == 1 else np.uint32)
    return words.view(np.float16) if dtype == 1 else (words << np.uint32(16 * (dtype == 2))).view(np.float32)
def codebook(d, dtype, is_range):
    bits, word, words = 16 if dtype else 32, 0, []
    for _ in range(d.raw(16)):
        n = d.tree(6, "digits") if is_range else d.raw(6)
        word += 1 << n - 1 | d.raw(n - 1) if n else 0
        words.append(word - (1 << bits - 1) if word >> bits - 1 else word ^ (1 << bits) - 1)
    return floats(words, dtype), sum(w >> bits - 1 for w in words)
def number(d, scale, direction, signs, low_bits):
    sure, raw = min(abs(direction), 9), min(low_bits, 2)
    if not d.bit("zero", scale, sure): return 0
    positive = d.bit("sign", signs, direction)
    surprise = positive != (direction > 0)
    order = next(n for n in range(20) if n == 19 or not d.bit("order", scale, surprise, sure, n))
    high = 2 + d.bit("top", scale, order) if order else 1
    for _ in range(order - 1): high = 2 * high + (d.bit("rest", positive, order, high) if order < 8 else d.raw(1))
    low = d.tree(low_bits - raw, "low", positive, min(high, 16)) << raw | d.raw(raw)
    magnitude = (high - 1 << low_bits) + low + 1
    return magnitude if positive else -magnitude
def wrapped(x, bits):
    return (x + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)
def predict(weights, inputs):
    return wrapped(sum(w * x for w, x in zip(weights, inputs)), 32) >> 12
def adapt(weights, inputs, error, log_rate, power):
    step = max(-32767, min(32767, error << log_rate >> (4 * power + 16384).bit_length()))
    weights[:] = [wrapped(w + (step * x + 32768 >> 16), 16) for w, x in zip(weights, inputs)]
def moved(mean, value, count):
    return mean + ((value - mean) * RATES[count] >> 16)
def range_numbers(d, rows, columns, taps, width, low_bits):
    above, mean, size = ([0] * (columns * taps) for _ in range(3))
    slots, power, result = max(taps, 2), 1 << 16, []
    weights, size_weights = [[0] * 8 for _ in range(slots)], [[1 << 12] * 2 + [0] * 6 for _ in range(slots)]
    slot_mean = row_mean = [1 << 16] * slots
    for row, at in np.ndindex(rows, columns * taps):
        slot, (y, x) = at % slots, divmod(at % taps, width)
        if at == 0:
            slot_mean = [moved(m, r, max(min(row - 1, 128), 0)) for m, r in zip(slot_mean, row_mean)]
            row_mean = slot_mean[:]
        size[at] = size[at] if row else row_mean[slot]
        near = [above[at - up * width - left] if up <= y and 0 <= x - left < width else 0
                for up, left in ((0, 1), (1, 0), (0, 2), (2, 0), (1, 1), (1, -1))]
        inputs, sizes = [above[at], mean[at] >> 9] + near, [row_mean[slot] >> 9, size[at] >> 9] + [*map(abs, near)]
        expected, expected_size = predict(weights[slot], inputs), predict(size_weights[slot], sizes)
        v = max(expected_size, 0) + 13
        scale = min(2 * (v.bit_length() - 1) + (v >> v.bit_length() - 2 & 1) - 6, 31)
        direction = min(abs(expected) * PER_SCALE[scale] + (1 << 15) >> 16, 12) * (-1 if expected < 0 else 1)
        signs = 3 * ((near[0] > 0) - (near[0] < 0)) + (near[1] > 0) - (near[1] < 0)
        result.append(number(d, scale, direction, signs, low_bits))
        q = above[at] = 128 * max(-127, min(127, result[-1]))
        adapt(weights[slot], inputs, 2 * q - expected, 26, power)
        if taps > 1: adapt(size_weights[slot], sizes, 2 * abs(q) - expected_size, 24, power)
        power += 4 * q * q - power >> 7
        row_mean[slot] = moved(row_mean[slot], 512 * abs(q), min(at // slots + 2, 128))
        size[at], mean[at] = moved(size[at], 512 * abs(q), min(row + 2, 128)), moved(mean[at], 512 * q, min(row + 1, 8))
    return result
def huffman_numbers(d, low, high, count, width):
    codes, at, result = d.huffman(high - low + 1), -1, [0] * count
    entries, gaps = (d.raw(32), d.huffman(1 << width)) if width else (count, {"": 0})
    for _ in range(entries):
        at += 1 + (d.symbol(gaps) if width else 0)
        result[at] = d.symbol(codes) + low
    return result
def tensor(data, is_range, bits, method, dtype, last, parameter, shape, step):
    d = RangeDecoder(data, bits) if is_range else BitReader(data if method else b"")
    if method == 0:
        leading, rest = (9, 23) if dtype == 0 else (6, 10) if dtype == 1 else (9, 7)
        return floats(np.frombuffer(data, f"<u{leading + rest >> 3}") if not is_range else [
            0 if not (high := d.tree(leading, "leading")) and d.bit("zero") else high << rest | d.raw(rest)
            for _ in range(int(np.prod(shape)))], dtype).reshape(shape)
    values, negative = codebook(d, dtype, is_range) if method == 1 else ([], 0)
    rows, *kernel = shape if len(shape) > 1 else [1, *(shape or [1])]
    columns = kernel.pop(-1 if last else 0)
    q = range_numbers(d, rows, columns, int(np.prod(kernel)), (kernel or [1])[-1], parameter) if is_range else (
        huffman_numbers(d, *((-negative, len(values) - negative) if method == 1 else (-d.raw(20), d.raw(20))),
                        int(np.prod(shape)), parameter))
    q = np.array(q, np.int64).reshape([rows, columns] + kernel)
    q = (np.moveaxis(q, 1, -1) if last else q).reshape(shape)
    return np.float32(step) * q.astype(np.float32) if method == 2 else np.r_[values, np.float32(0)][
        np.where(q == 0, -1, q + negative - (q > 0))]
def section(data, start, at):
    end = at + 8 + struct.unpack_from("<I", data, at)[0]
    assert zlib.crc32(data[start:end]) == struct.unpack_from("<I", data, end)[0], "a checksum is wrong"
    return zlib.decompress(data[at + 8:end]) if end > at + 8 else b"", end + 4

data = open(sys.argv[1], "rb").read()
assert data[:5] == b"KNDZ\1", "not a .kndz file of version 1"
table, at = section(data, 0, 6)
at, row, bits, tensors = section(data, at, at)[1], 4, {}, {}
for _ in range(struct.unpack_from("<I", table)[0]):
    begin, row = row + 4, row + 4 + struct.unpack_from("<I", table, row)[0]
    method, dtype, last, parameter, rank = struct.unpack_from("<5B", table, row)
    *shape, size, step = struct.unpack_from(f"<{rank}IIf", table, row + 5)
    bits = {context: [probability, min(count, 16)] for context, (probability, count) in bits.items()}
    assert zlib.crc32(data[at:at + size]) == struct.unpack_from("<I", data, at + size)[0], "a checksum is wrong"
    x = np.asarray(tensor(data[at:at + size], data[5], bits, method, dtype, last, parameter, shape, step), np.float32)
    tensors[name := table[begin:row].decode()] = x
    print(f"{name} {list(x.shape)} {zlib.crc32(np.ascontiguousarray(x).tobytes()):08x}", flush=True)
    row, at = row + 13 + 4 * rank, at + size + 4
np.savez(sys.argv[2], **tensors) if len(sys.argv) > 2 else None

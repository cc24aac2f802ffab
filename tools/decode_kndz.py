#!/usr/bin/env python3
"""tools/decode_kndz.py FILE.kndz [OUT.npz]: decodes a .kndz file as docs/kndz.md describes it, without Kindling.
Prints each tensor's name, shape and the CRC-32 of its elements as float32. Slow: some minutes for a million weights."""
import struct, sys, zlib
import numpy as np
RATES = [(655360 + (10 * n + 16) // 2) // (10 * n + 16) for n in range(512)]
PER_SCALE = [(4 << 16) // max((7 if i & 1 else 5) << (i + 6) // 2 >> 2, 40) for i in range(32)]

class RangeDecoder:
    def __init__(self, data, bits):
        self.data, self.next, self.bits = data + bytes(4), 4, bits  # bits: context -> [probability, count]
        self.code, self.range = int.from_bytes(self.data[:4], "big"), 0xFFFFFFFF
    def narrow(self, bound):
        first = self.code < bound
        self.code, self.range = (self.code, bound) if first else (self.code - bound, self.range - bound)
        while self.range < 1 << 24:
            byte = self.data[self.next] if self.next < len(self.data) else 0
            self.code, self.range, self.next = self.code << 8 | byte, self.range << 8, self.next + 1
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
        for _ in range(count):
            node = 2 * node + self.bit(*context, node)
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
    sure = min(abs(direction), 9)
    if not d.bit("zero", scale, sure):
        return 0
    positive = d.bit("sign", signs, direction)
    surprise = positive != (direction > 0)
    order = next(n for n in range(20) if n == 19 or not d.bit("order", scale, surprise, sure, n))
    high = 2 + d.bit("top", scale, order) if order else 1
    for _ in range(order - 1):
        high = 2 * high + (d.bit("rest", positive, order, high) if order < 8 else d.raw(1))
    magnitude = (high - 1 << low_bits) + d.tree(low_bits, "low", positive, min(high, 16)) + 1
    return magnitude if positive else -magnitude
def predict(weights, inputs):
    return max(-2**18, min(2**18, sum(w * x for w, x in zip(weights, inputs)) >> 16))
def adapt(weights, inputs, error, log_rate, more):
    step = error * 2 ** (log_rate + 16) >> (more + sum(x * x for x in inputs)).bit_length()
    weights[:] = [(w + (step * x >> 16) + 2**31) % 2**32 - 2**31 for w, x in zip(weights, inputs)]
def move(means, at, value, count):
    means[at] += ((value << 16) - means[at]) * RATES[count] >> 16

def range_numbers(d, rows, columns, taps, width, low_bits):
    above, mean, size = ([0] * (columns * taps) for _ in range(3))
    weights, size_weights = [[0] * 8 for _ in range(taps)], [[1 << 15] * 2 + [0] * 4 for _ in range(taps)]
    tap_mean, row_mean, power, result = [1 << 16] * taps, [0] * taps, 1 << 16, []
    for row, column, tap in np.ndindex(rows, columns, taps):
        at, y, x = column * taps + tap, tap // width, tap % width
        row_mean[tap], size[at] = row_mean[tap] if column else tap_mean[tap], size[at] if row else tap_mean[tap]
        near = [256 * above[at - up * width - left] if up <= y and 0 <= x - left < width else 0
                for up, left in ((0, 1), (1, 0), (0, 2), (2, 0), (1, 1), (1, -1))]
        inputs = [256 * above[at], mean[at] >> 8] + near
        sizes = [row_mean[tap] >> 8, size[at] >> 8] + [abs(q) for q in near[:4]]
        expected, expected_size = predict(weights[tap], inputs), predict(size_weights[tap], sizes)
        v = max(expected_size, 0) + 13
        scale = min(2 * (v.bit_length() - 1) + (v >> v.bit_length() - 2 & 1) - 6, 31)
        direction = min(abs(expected) * PER_SCALE[scale] + (1 << 15) >> 16, 12) * (-1 if expected < 0 else 1)
        signs = 3 * ((near[0] > 0) - (near[0] < 0)) + (near[1] > 0) - (near[1] < 0)
        result.append(number(d, scale, direction, signs, low_bits))
        q = above[at] = max(-1023, min(1023, result[-1]))
        adapt(weights[tap], inputs, 256 * q - expected, 14, 8 * power + (1 << 16))
        adapt(size_weights[tap], sizes, 256 * abs(q) - expected_size, 10, 6554)
        power += (q * q << 16) - power >> 7
        move(tap_mean, tap, abs(q), min(row * columns + column, 500))
        move(row_mean, tap, abs(q), min(column + 2, 128))
        move(size, at, abs(q), min(row + 2, 128))
        move(mean, at, q, min(row + 1, 8))
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
        size, leading = 2 if dtype else 4, 6 if dtype == 1 else 9
        return floats(np.frombuffer(data, f"<u{size}") if not is_range else [
            d.tree(leading, "leading") << 8 * size - leading | d.raw(8 * size - leading)
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

#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small reader of pckpt images, written from docs/FORMAT.md alone to show that it suffices.

    pkread.py list IMAGE                    all records with all fields
    pkread.py extents IMAGE                 where content is
    pkread.py extract IMAGE OBJ ADDR LEN    that content, to stdout; zeros where there is none
    pkread.py verify IMAGE                  check all sums (needs the xxHash library) and references

IMAGE is a store or one checkpoint in it. Names of types and fields come from docs/FORMAT.md.
Every command checks the sums of what it reads, if it can.
"""

import ctypes
import os
import re
import struct
import sys


def need(condition, what):
    if not condition:
        raise ValueError(what)


try:
    XXH3 = ctypes.CDLL("libxxhash.so.0").XXH3_64bits
    XXH3.restype, XXH3.argtypes = ctypes.c_uint64, (ctypes.c_char_p, ctypes.c_size_t)
except OSError:
    XXH3 = None


def check_sum(data, want, what):
    need(XXH3 is None or XXH3(data, len(data)) == want, f"{what}: the sum does not match")


def take(fmt, data, at, what):
    need(0 <= at <= len(data) - struct.calcsize("<" + fmt), f"{what}: cut short")
    return struct.unpack_from("<" + fmt, data, at)


# The store and the commit file
def find_checkpoint(path):
    if os.path.exists(f"{path}/commit"):
        return path
    numbers = [n for n in os.listdir(path) if re.fullmatch(r"\d{6,}", n)
               and os.path.exists(f"{path}/{n}/commit")]
    need(numbers, f"{path}: no complete checkpoint")
    return f"{path}/{max(numbers, key=int)}"


def read_commit(path):
    """Returns {name: (size, sum)}, in the order of the lines."""
    with open(f"{path}/commit", "rb") as f:
        text = f.read()
    lines = text.decode("ascii").split("\n")
    last = re.fullmatch(r"sum xxh3 ([0-9a-f]{16})", lines[-2] if len(lines) > 2 else "")
    need(lines[0] == "pckpt-commit 1" and last and lines[-1] == "", "commit: format")
    check_sum(text[:text.rindex(b"sum xxh3")], int(last[1], 16), "commit")
    files = {}
    for line in lines[1:-2]:
        m = re.fullmatch(r"([\w-][\w.-]{0,30}) (0|[1-9]\d*) ([0-9a-f]{16})", line, re.ASCII)
        need(m and m[1] != "commit" and m[1] not in files, f"commit: {line!r}")
        files[m[1]] = (int(m[2]), int(m[3], 16))
    return files


def is_pages(name):
    return name.startswith("pages-") and name.endswith(".lz4")


def read_file(path, name, size, want):
    with open(f"{path}/{name}", "rb") as f:
        data = f.read()
    need(len(data) == size, f"{name}: has another size")
    if not is_pages(name):
        check_sum(data, want, name)
    return data


# core.pk
def parse_fields(data, what, depth=0):
    """Returns [(tag, kind, value)]; the value of a list is a list of such lists."""
    fields, at, last = [], 0, 0
    need(depth <= 8, f"{what}: lists too deep")
    while at < len(data):
        tag, kind, reserved, size = take("HBBI", data, at, what)
        where, end = f"{what}: field {tag}", at + 8 + size + -size % 8
        need(end <= len(data), f"{where}: cut short")
        need(tag > last and reserved == 0 and not any(data[at + 8 + size:end]), f"{where}: header")
        fields.append((tag, kind, parse_value(kind, data[at + 8:at + 8 + size], where, depth)))
        at, last = end, tag
    return fields


def parse_value(kind, body, what, depth):
    need(kind != 1 or len(body) == 8, f"{what}: length of an integer")
    need(kind != 2 or 0 not in body, f"{what}: NUL in text")
    if kind != 4:
        return take("Q", body, 0, what)[0] if kind == 1 else body
    count, reserved = take("II", body, 0, what)
    need(reserved == 0 and count <= len(body) // 8, f"{what}: list header")
    elements, at = [], 8
    for i in range(count):
        size, reserved = take("II", body, at, what)
        need(reserved == 0 and size % 8 == 0 and at + 8 + size <= len(body), f"{what}: element {i}")
        elements.append(parse_fields(body[at + 8:at + 8 + size], f"{what}[{i}]", depth + 1))
        at += 8 + size
    need(at == len(body), f"{what}: bytes after the last element")
    return elements


def parse_records(data):
    """Returns [(type, flags, number, owner, fields)]."""
    need(data[:8] == b"\x89PCKPT\r\n", "core.pk: signature")
    major, _, incompat, _, arch, count, reserved, want = take("HHIIIIIQ", data, 8, "core.pk")
    check_sum(data[:32], want, "core.pk: header")
    need((major, incompat, arch, reserved) == (1, 0, 62, 0), "core.pk: version, features or CPU")
    records, at, last, known = [], 40, 0, {0}
    for i in range(count):
        what = f"core.pk: record {i + 1} at byte {at}"
        want, size, rtype, reserved, flags, number, owner = take("QQHHIII", data, at, what)
        end = at + 32 + size
        need(size % 8 == 0 and end <= len(data), f"{what}: cut short")
        check_sum(data[at + 8:end], want, what)
        need(reserved == 0 and flags & ~1 == 0, f"{what}: reserved bits")
        need(last < number < 0xffffffff and owner in known, f"{what}: number or owner")
        records.append((rtype, flags, number, owner, parse_fields(data[at + 32:end], what)))
        known.add(number)
        at, last = end, number
    need(at == len(data), "core.pk: bytes after the last record")
    return records


def read_names():
    """The tables at the end of FORMAT.md: {type number or name: (name, {tag: (field, kind)})}."""
    doc = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../docs/FORMAT.md")
    names, tags, text = {}, {}, ""
    if os.path.exists(doc):
        with open(doc, encoding="utf-8") as f:
            text = f.read().partition("<!-- types: begin -->\n")[2]
    for line in text.splitlines():
        heading = re.match(r"#+ (?:(\d+) )?`?(\w[\w-]*)`?$", line)
        row = re.match(r"\| *(\d+) *\| *`?(\w+)`? *\| *`?([\w -]+?)`? *\|", line)
        if heading:
            tags = {}
            names[int(heading[1]) if heading[1] else heading[2]] = (heading[2], tags)
        elif row:
            tags[int(row[1])] = (row[2], row[3])
    return names


def show_fields(fields, tags, names, indent):
    for tag, kind, value in fields:
        name, wide = tags.get(tag, (f"field {tag}", "i64" if kind == 1 else ""))
        if kind == 1 and wide.startswith("i") and value >> 63:
            value -= 1 << 64
        elif kind == 2:
            value = '"%s"' % value.decode("utf-8", "backslashreplace")
        print(f"{indent}{name} =", f"{len(value)} elements" if kind == 4 else
              value if kind < 3 else value.hex())
        for i, element in enumerate(value if kind == 4 else []):
            print(f"{indent}  [{i}]")
            sub = names.get(wide.removeprefix("list of "), ("", {}))[1]
            show_fields(element, sub, names, indent + "    ")


# Page files
def raw_bytes(as_is, block, raw):
    """What parse_group gives for one block. Decompresses it if it is an LZ4 block."""
    out, at = bytearray(block if as_is else b""), 0

    def length(n):
        nonlocal at
        more = n == 15
        while more:
            n, more, at = n + block[at], block[at] == 255, at + 1
        return n

    while not as_is:
        token, at = block[at], at + 1
        literals = length(token >> 4)
        out += block[at:at + literals]
        at += literals
        if at >= len(block):
            break
        distance, at = block[at] | block[at + 1] << 8, at + 2
        match = length(token & 15) + 4
        need(0 < distance <= len(out) and len(out) + match <= raw, "a block does not decompress")
        out += (out[-distance:] * (match // distance + 1))[:match]
    need(len(out) == raw, "a block has another size")
    return out


def parse_footer(data, committed, name):
    """Returns [(offset, frame size, index size, raw bytes, sum of the index)]."""
    raw, size, count, major, _, sign, want = take("QQIHH8sQ", data, len(data) - 40, name)
    need(sign == b"pckpages" and size == len(data) and major == 1, f"{name}: trailer")
    start = len(data) - 48 - 32 * count
    need(take("II", data, start, name) == (0x184d2a58, 40 + 32 * count), f"{name}: footer")
    check_sum(data[start + 8:-8], want, f"{name}: footer")
    need(want == committed, f"{name}: not the file that was committed")
    groups, at = [take("QIIQQ", data, start + 8 + 32 * i, name) for i in range(count)], 0
    for i, group in enumerate(groups):
        need(group[0] == at, f"{name}: group {i} is elsewhere")
        at += group[1] + group[2]
    need(at == start and sum(g[3] for g in groups) == raw, f"{name}: totals")
    return groups


def parse_group(data, i, group, what):
    """Returns ([(stored as it is?, stored bytes, raw size)], [extent])."""
    at, frame_size, index_size, raw, committed = group
    frame, index = data[at:at + frame_size], data[at + frame_size:at + frame_size + index_size]
    magic, size, want, number, n_blocks, n_ext, reserved = take("IIQIIII", index, 0, what)
    need((magic, size, want) == (0x184d2a57, len(index) - 8, committed), f"{what}: index")
    check_sum(index[16:], want, f"{what}: index")
    need(number == i and reserved == 0 and n_blocks <= 1024 and n_ext <= 16384
         and len(index) == 32 + 16 * n_blocks + 32 * n_ext, f"{what}: index contradicts itself")
    need(frame[:7] == bytes.fromhex("04224d186050fb"), f"{what}: LZ4 header")
    blocks, pos = [], 7
    for b in range(n_blocks):
        word, size, want = take("IIQ", index, 32 + 16 * b, what)
        as_is, n = word >> 31, word & 0x7fffffff
        stored = frame[pos + 4:pos + 4 + n]
        need(take("I", frame, pos, what)[0] == word and len(stored) == n > 0
             and 0 < size <= 262144 and (not as_is or size == n), f"{what}: block {b}")
        check_sum(stored, want, f"{what}: block {b}")
        blocks.append((as_is, stored, size))
        pos += 4 + n
    need(frame[pos:] == bytes(4) and sum(b[2] for b in blocks) == raw <= 4194304, f"{what}: frame")
    extents = [take("IIQQII", index, 32 + 16 * n_blocks + 32 * e, what) for e in range(n_ext)]
    for obj, flags, addr, size, block, off in extents:
        inside = block == off == 0 if flags else block < n_blocks and off + size <= blocks[block][2]
        need(obj and size and addr + size <= 1 << 64 and flags < 2 and inside, f"{what}: extent")
    return blocks, extents


# Commands
class Image:
    def __init__(self, path):
        self.path = find_checkpoint(path)
        self.files = read_commit(self.path)
        need("core.pk" in self.files, "no core.pk")
        self.records = parse_records(read_file(self.path, "core.pk", *self.files["core.pk"]))

    def groups(self):
        """Yields (what, blocks, extents), in the order in which they count."""
        for name, (size, want) in self.files.items():
            data = read_file(self.path, name, size, want)
            for i, group in enumerate(parse_footer(data, want, name) if is_pages(name) else []):
                yield f"{name}: group {i}", *parse_group(data, i, group, f"{name}: group {i}")


def cmd_list(image):
    names = read_names()
    for rtype, flags, number, owner, fields in image.records:
        name, tags = names.get(rtype, (f"type {rtype}", {}))
        print(f"{number} {name} owner {owner}" + ("" if flags else " optional"))
        show_fields(fields, tags, names, "  ")


def cmd_extents(image):
    for what, _, extents in image.groups():
        for obj, flags, addr, size, block, off in extents:
            print(f"{obj} {addr:#x} {size:#x}", "zero" if flags else f"{what}: {block} {off}")


def cmd_extract(image, *args):
    obj, addr, size = (int(arg, 0) for arg in args)
    out = bytearray(size)
    for _, blocks, extents in image.groups():
        for eobj, flags, eaddr, esize, block, off in extents:
            a, b = max(addr, eaddr), min(addr + size, eaddr + esize)
            if eobj == obj and a < b:
                out[a - addr:b - addr] = bytes(b - a) if flags else \
                    raw_bytes(*blocks[block])[off + a - eaddr:off + b - eaddr]
    sys.stdout.buffer.write(out)


def cmd_verify(image):
    need(XXH3, "the xxHash library is not there, so sums cannot be checked")
    numbers = {record[2] for record in image.records}
    for what, blocks, extents in image.groups():
        need(all(e[0] in numbers for e in extents), f"{what}: extent of an unknown object")
        for block in blocks:
            raw_bytes(*block)
    print("ok")


if __name__ == "__main__":
    verb, args = (sys.argv + [""])[1], sys.argv[2:]
    command = globals().get("cmd_" + verb)
    if not command or len(args) != (4 if verb == "extract" else 1):
        sys.exit(__doc__)
    try:
        command(Image(args[0]), *args[1:])
    except (ValueError, OSError, IndexError) as e:
        sys.exit(f"pkread: {e}")

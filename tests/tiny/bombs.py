"""Hostile inputs for stage 1, made at run time, through the real program: time and memory stay bounded, every document is accounted for under the reason expected.

    bombs.py [PATTERN]      only the cases whose names hold it

Each case is a folder with the bomb and one good document. What is asserted: the exit code; that documents in = kept + dropped + failed; that the reason was counted; that
the peak of the resident set is below BASE + PER_BYTE x the longest item (threads: one). The limit on time is a guard against hanging. Texts are made in two sizes, and the
larger one may take no more than twice its share of the time: what is quadratic takes four times that.
"""
import gzip
import io
import json
import lzma
import os
import resource
import shutil
import struct
import subprocess
import sys
import tarfile
import time
import zipfile
import zlib

MIB = 1 << 20
BASE_MIB = 320          # tables of ICU and CLD2, batches, zstd's window of 128 MiB
PER_BYTE = 48           # of the longest item: docs/limits.md
ITEM_MIB = 64           # corpus.item_bytes_max, as it stands
GUARD_SECONDS = 900
GOOD = b"The mill stands by the river, and its wheel turns day and night, grinding what the farmers bring to it.\n" * 3
SETS = [f"corpus.{name}.enabled=true" for name in ("repetition", "gopher", "c4", "fineweb", "dclm", "code")] + [
    "corpus.markdown=true", "corpus.pii={email: true, ip: true, phone: true, iban: true, card: true}"]

# --- containers ---------------------------------------------------------------------------------------------------------------------


def zeros(count):
    return io.BytesIO(bytes(MIB) * (count // MIB))


def gzip_of(chunks, level=9):
    out, packer = io.BytesIO(), zlib.compressobj(level, zlib.DEFLATED, 31)
    for chunk in chunks:
        out.write(packer.compress(chunk))
    out.write(packer.flush())
    return out.getvalue()


def zeros_gzip():
    return gzip_of(bytes(MIB) for _ in range(1024))


def zstd_zeros(bytes_out, window_log=17, byte=b"\0"):
    """Blocks of one repeated byte: 4 bytes for each 128 KiB."""
    blocks = [struct.pack("<I", 1 << 1 | (1 << 17) << 3)[:3] + byte] * (bytes_out >> 17)
    last = struct.pack("<I", 1 | 1 << 1 | 1 << 3)[:3] + byte
    return b"\x28\xb5\x2f\xfd" + bytes([0, (window_log - 10) << 3]) + b"".join(blocks) + last


def zip_of(entries, method=zipfile.ZIP_DEFLATED):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in entries:
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


def nested_zip(levels, width):
    data = zip_of([("0.txt", bytes(16 * MIB))])
    for level in range(levels):
        data = zip_of([(f"{level}-{i}.zip", data) for i in range(width)])
    return data


def many_zip(count):
    """A directory of so many entries, all of one stored file of a byte: overlapping, as zip quines and bombs are."""
    local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 0, 0, 0, zlib.crc32(b"a"), 1, 1, 1, 0) + b"aa"
    central = struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, 0, 0, 0, zlib.crc32(b"a"), 1, 1, 1, 0, 0, 0, 0, 0, 0) + b"a"
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 0xFFFF, 0xFFFF, len(central) * count & 0xFFFFFFFF, len(local), 0)
    return local + central * count + end


def zip_quine():
    """A file that is its own content would be opened for ever: a stored zip in whose entry the archive itself begins again."""
    head = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 0, 0, 0, 0, 0x7FFFFFFF, 0x7FFFFFFF, 5, 0) + b"a.zip"
    return head * 20000


def xz_dictionary(code):
    """xz whose header asks for a dictionary of up to 4 GiB."""
    data = bytearray(lzma.compress(GOOD * 1000, lzma.FORMAT_XZ, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 4096}]))
    size = (data[12] + 1) * 4
    at = data.index(b"\x21\x01", 12, 12 + size) + 2
    data[at] = code
    data[12 + size - 4:12 + size] = struct.pack("<I", zlib.crc32(bytes(data[12:12 + size - 4])))
    return bytes(data)


def lzma_dictionary():
    data = bytearray(lzma.compress(GOOD * 1000, lzma.FORMAT_ALONE))
    data[1:5] = struct.pack("<I", 0xFFFFFFFF)
    return bytes(data)


def tar_of(names, data=b""):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def tar_of_nothing(count):
    one = tar_of(["a"])[:512]
    return gzip_of((one * 1024 for _ in range(count // 1024)), 1)


def tar_sparse():
    """A sparse file said to be of 8 TiB, with a byte in it."""
    size = b"%d" % (1 << 43)
    pax = b""
    for key, value in ((b"GNU.sparse.major", b"0"), (b"GNU.sparse.minor", b"1"), (b"GNU.sparse.size", size), (b"GNU.sparse.numblocks", b"1"), (b"GNU.sparse.map", size + b",0")):
        record = b" " + key + b"=" + value + b"\n"
        length = len(record) + len(str(len(record) + 2))
        pax += str(length).encode() + record
    info = tarfile.TarInfo("pax")
    info.type, info.size = b"x", len(pax)
    return info.tobuf() + pax + bytes(-len(pax) % 512) + tar_of(["hole.txt"])


# --- crawls -------------------------------------------------------------------------------------------------------------------------


def record(body, length=None, kind=b"response", headers=b""):
    length = str(len(body)).encode() if length is None else length
    return (b"WARC/1.0\r\nWARC-Type: " + kind + b"\r\nWARC-Target-URI: http://a/b\r\nContent-Type: application/http; msgtype=response\r\n" + headers +
            b"Content-Length: " + length + b"\r\n\r\n" + body + b"\r\n\r\n")


def page(head, body):
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n" + head + b"\r\n" + body


def lies(*lengths):
    good = record(page(b"", b"<p>" + GOOD))
    return b"".join(good + record(page(b"", b"<p>lie"), length) for length in lengths) + good


# --- texts --------------------------------------------------------------------------------------------------------------------------


def cycle(unit, size):
    return (unit * (size // len(unit) + 1))[:size // len(unit) * len(unit)]


def numbered(form, size):
    """Ever new words."""
    out, total, i = [], 0, 0
    while total < size:
        chunk = "".join(form % (k * 2654435761 % (1 << 32)) for k in range(i, i + 10000))
        out.append(chunk)
        total += len(chunk)
        i += 10000
    return "".join(out).encode()[:size]


def few_words(size):
    """Words of one letter in no order: every pair is there again and again, no row of six is."""
    state, out = 1, bytearray(size)
    noise = b""
    import random
    dice = random.Random(5)
    noise = bytes(dice.choices(b"abcdefghijklmnopqrstuvwxyz", k=size // 2))
    out[0::2], out[1::2] = noise[:len(out[0::2])], b" " * len(out[1::2])
    return bytes(out)


TEXTS = {
    "one-word": lambda n: b"a" * n,
    "no-blanks": lambda n: numbered("%08x", n),
    "one-letter-words": lambda n: cycle(b"a ", n),
    "brackets": lambda n: b"(" * n,
    "brackets-closed": lambda n: b")" * n,
    "dots": lambda n: b"." * n,
    "dots-in-words": lambda n: cycle(b"a.", n),
    "hyphens": lambda n: cycle(b"a-", n),
    "quotes": lambda n: cycle(b"'s", n),
    "ever-new-words": lambda n: numbered("%08x ", n),
    "few-words": few_words,
    "short-lines": lambda n: cycle(b"a\n", n),
    "ever-new-lines": lambda n: numbered("%06x\n", n),
    "paragraphs": lambda n: numbered("%08x\n\n", n),
    "marks": lambda n: cycle("\u0301".encode(), n),
    "marks-out-of-order": lambda n: b"a" + cycle("\u0301\u0323".encode(), n),
    "jamo": lambda n: cycle("\u1112\u1161\u11ab".encode(), n),
    "mojibake": lambda n: cycle("caf\u00c3\u00a9 it\u00e2\u20ac\u2122s ".encode(), n),
    "mojibake-of-mojibake": lambda n: cycle("\u00c3\u0192\u00c2\u00a9".encode(), n),
    "mojibake-like": lambda n: cycle("\u00c3\u00a9\u00c3".encode(), n),
    "mails": lambda n: cycle(b"a@", n),
    "mails-of-one": lambda n: b"a." * (n // 2) + b"@b.de",
    "digits": lambda n: cycle(b"4012888888881881", n),
    "digit-groups": lambda n: cycle(b"4012 8888 ", n),
    "phones": lambda n: cycle(b"+4", n),
    "colons": lambda n: cycle(b"2a00::", n),
    "points": lambda n: cycle(b"8.", n),
    "chinese": lambda n: cycle("\u6c34\u8eca".encode(), n),
    "thai": lambda n: cycle("\u0e44\u0e17\u0e22".encode(), n),
    "ellipses": lambda n: cycle("\u2026".encode(), n),
    "controls": lambda n: cycle(b"a\x01\x02", n),
    "returns": lambda n: cycle(b"\r", n) + b"a",
    "nel": lambda n: cycle("\u2028 \t".encode(), n) + b"a",
    "latin": lambda n: cycle(b"\xe4\xf6 ", n),
    "clitics": lambda n: cycle("n\u2019t".encode(), n),
    "lorem": lambda n: cycle(b"lorem ipsu ", n),
}

MANUALS = {
    "manual-strings": lambda n: b".TH A 1\n.SH NAME\n" + cycle(b"\\*(lq\\fB", n),
    "manual-macros": lambda n: b".TH A 1\n.SH NAME\n" + cycle(b".de xx\n.xx\n..\n.xx\n", n),
    "manual-tables": lambda n: b".TH A 1\n.SH NAME\n" + cycle(b".TS\nl l.\n", n),
}


def nest(opening, closing=b""):
    return lambda n: b"<html><body>" + opening * 100000 + b"<p>" + GOOD + closing * 100000


PAGES = {f"nested-{tag}": nest(f"<{tag}>".encode(), f"</{tag}>".encode())
         for tag in ("div", "table", "b", "a", "blockquote", "li", "ul", "font", "pre", "p", "svg", "select", "button", "template", "h1", "dl", "tr")}
PAGES |= {
    "nested-tables-open": nest(b"<table><tr><td>"),
    "open-a": lambda n: cycle(b"<a href=x>b", n),
    "open-font": lambda n: cycle(b"<font>b", n),
    "attributes": lambda n: b"<div " + numbered("a%08x=1 ", n) + b">b",
    "attribute": lambda n: b"<div title='" + b"a" * n + b"'>b",
    "class": lambda n: b"<div class='" + cycle(b"nav a ", n) + b"'>b",
    "entities": lambda n: cycle(b"&am", n),
    "numbers": lambda n: b"&#" + b"9" * n,
    "comments": lambda n: cycle(b"<!--", n),
    "less-than": lambda n: b"<" * n,
    "end-tags": lambda n: cycle(b"</b>", n),
    "scripts": lambda n: cycle(b"<script>", n),
    "titles": lambda n: cycle(b"<title>a", n),
    "metas": lambda n: cycle(b"<meta name=a content=b>", n),
    "cells": lambda n: b"<table>" + cycle(b"<td>a", n),
    "lists": lambda n: cycle(b"<li>a", n),
    "breaks": lambda n: cycle(b"<br>a", n),
    "paragraph-tags": lambda n: cycle(b"<p>a, b", n),
}


def line(text):
    return b'{"text":"' + text + b'"}\n'


def lines_of(unit, count):
    return lambda: (unit * 100000 for _ in range(count // 100000))


# --- running ------------------------------------------------------------------------------------------------------------------------


class Run:
    """A command, forked from a small shell: a process begins with the peak of what it was forked from, and this one holds the bomb."""

    def __init__(self, command):
        start = time.monotonic()
        self.timed_out = False
        with open("run.log", "wb") as log:
            process = subprocess.Popen(["sh", "-c", '"$@"; exit $?', "sh", *command], stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (GUARD_SECONDS, GUARD_SECONDS)))
            _, status, usage = os.wait4(process.pid, 0)
        process.returncode = 0
        self.code = os.waitstatus_to_exitcode(status)
        self.mib, self.seconds, self.cpu = usage.ru_maxrss / 1024, time.monotonic() - start, usage.ru_utime + usage.ru_stime


def account(folder):
    with open(f"{folder}/manifest.json") as file:
        accounting = json.load(file)["accounting"]
    reasons = {name: tally["documents"] for kind in ("dropped", "failed") for name, tally in accounting[kind].items()}
    return accounting["in"]["documents"], accounting["kept"]["documents"], reasons


failures = 0


def complain(name, what):
    global failures
    failures += 1
    print(f"FAIL {name}: {what}", flush=True)


def write(path, data):
    with open(path, "wb") as file:
        if isinstance(data, bytes):
            file.write(data)
        else:
            for chunk in data():
                file.write(chunk)


def build(name, file, data, expected, item_mib=0.0, options=()):
    """One case: the folder, the build, what must be so."""
    shutil.rmtree("case", ignore_errors=True)
    shutil.rmtree("out", ignore_errors=True)
    os.makedirs("case")
    write("case/good.txt", GOOD)
    write(f"case/{file}", data)
    sets = [word for setting in (*SETS, *options) for word in ("--set", setting)]
    run = Run(["quern-corpus", "build", "-q", "-j", "1", "case", "-o", "out", *sets])
    bound = BASE_MIB + PER_BYTE * item_mib
    if run.code != 0:
        with open("run.log", errors="replace") as log:
            complain(name, f"exit {run.code}: {log.read()[-300:]}")
        return run
    total, kept, reasons = account("out")
    with open("out/provenance.json") as provenance:
        run.mib = json.load(provenance)["memory_peak_bytes"] / MIB
    if total != kept + sum(reasons.values()):
        complain(name, f"{total} documents in, {kept} kept, {reasons}")
    if expected and not any(reason in reasons for reason in expected.split("|")):
        complain(name, f"'{expected}' was not counted: kept {kept}, {reasons}")
    if run.mib > bound:
        complain(name, f"{run.mib:.0f} MiB at its peak, over {bound:.0f}")
    told = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items(), key=lambda item: -item[1])[:3])
    print(f"{name:24} {os.path.getsize('case/' + file) / 1e6:8.1f} MB in {run.mib:7.0f} MiB {run.seconds:7.1f} s  kept {kept:,}; {told}", flush=True)
    return run


def both_sizes(name, file, make, expected, small_mib, large_mib):
    small = build(name + "/s", file, make(small_mib * MIB), expected, small_mib)
    large = build(name, file, make(large_mib * MIB), expected, large_mib)
    if large.cpu > 2 * small.cpu * large_mib / small_mib + 1:
        complain(name, f"{small.cpu:.1f} s for {small_mib} MiB, {large.cpu:.1f} s for {large_mib} MiB: not linear")


def containers():
    bomb = zeros_gzip()  # a second
    yield "zeros.gz", "a.txt.gz", lambda: (bomb), "empty", ITEM_MIB
    yield "zeros.gz.gz", "a.txt.gz.gz", lambda: (gzip_of([bomb])), "empty", ITEM_MIB
    yield "zeros.gz.gz.gz", "a.txt.gz.gz.gz", lambda: (gzip_of([gzip_of([bomb])])), "empty", ITEM_MIB
    yield "letters.gz", "a.txt.gz", lambda: (gzip_of(b"a" * MIB for _ in range(1024))), "too-large", ITEM_MIB
    yield "letters.zst", "a.txt.zst", lambda: (zstd_zeros(1 << 30, byte=b"a")), "too-large|archive-bomb", ITEM_MIB
    yield "lines.zst", "a.jsonl.zst", lambda: (zstd_zeros(1 << 30, byte=b"\n")), "archive-bomb", ITEM_MIB
    yield "zstd-window", "a.txt.zst", lambda: (zstd_zeros(1 << 30, 31)), "archive-damaged|archive-truncated", 0
    yield "zeros.warc.zst", "a.warc.zst", lambda: (zstd_zeros(1 << 30)), None, ITEM_MIB
    yield "nested-zip", "a.zip", lambda: (nested_zip(3, 10)), "archive-bomb", ITEM_MIB
    yield "deep-zip", "a.zip", lambda: (nested_zip(20, 1)), "too-deep", ITEM_MIB
    yield "zip-directory", "a.zip", lambda: (many_zip(1 << 20)), None, ITEM_MIB
    yield "zip-quine", "a.zip", lambda: (zip_quine()), None, ITEM_MIB
    yield "xz-dictionary", "a.txt.xz", lambda: (xz_dictionary(40)), None, 0
    yield "lzma-dictionary", "a.txt.lzma", lambda: (lzma_dictionary()), None, 0
    yield "tar-entries", "a.tar.gz", lambda: (tar_of_nothing(1 << 20)), "empty", 0
    yield "tar-sparse", "a.tar", lambda: (tar_sparse()), None, ITEM_MIB
    yield "names", "a.tar", lambda: (tar_of(["../../etc/passwd", "/etc/shadow", "a/" * 40 + "b", "-rf", "a\nb"], GOOD)), None, 0
    yield "gzip-members", "a.txt.gz", lambda: (gzip.compress(b"") * 10000), None, 0
    yield "warc-members", "a.warc.gz", lambda: (gzip.compress(b"") * 10000 + gzip.compress(record(page(b"", b"<p>" + GOOD)))), None, 0
    yield "lengths.warc", "a.warc", lambda: (lies(b"9223372036854775808", b"-1", b"1e30", b"18446744073709551616", b"99999999999999", b"0", b"")), None, ITEM_MIB
    yield "chunks.warc", "a.warc", lambda: (b"".join(record(page(b"Transfer-Encoding: chunked\r\n", size + b"\r\n<p>" + GOOD)) for size in
                                           (b"ffffffffffffffff", b"7fffffffffffffff", b"-1", b"1e30", b"0", b"fffff", b"0" * 100000))), None, ITEM_MIB
    body = gzip_of([GOOD] + [bytes(MIB)] * 1024)
    yield "body-gzip.warc", "a.warc", lambda: (record(page(b"Content-Encoding: gzip\r\n", body))), "archive-bomb|too-large", ITEM_MIB
    yield "body-zstd.warc", "a.warc", lambda: (record(page(b"Content-Encoding: zstd\r\n", zstd_zeros(1 << 30, byte=b"a")))), "archive-bomb|too-large|http-coding", ITEM_MIB
    yield "body-twice.warc", "a.warc", lambda: (record(page(b"Content-Encoding: gzip, gzip, gzip\r\n", gzip_of([gzip_of([body])])))), "archive-bomb|too-large|http-coding", ITEM_MIB
    yield "header.warc", "a.warc", lambda: (record(page(b"X: " + b"a" * (8 * MIB) + b"\r\n", b"<p>" + GOOD)) + lies(b"1")), None, ITEM_MIB
    yield "headers.warc", "a.warc", lambda: (b"WARC/1.0\r\n" + b"a: b\r\n" * (4 * MIB)), None, ITEM_MIB


def lines():
    yield "line-of-1-GB", "a.jsonl", lambda: ((lambda: [b'{"text":"'] + [b"a" * MIB] * 1024 + [b'"}\n' + line(GOOD[:-2].replace(b"\n", b" "))])), "too-large", ITEM_MIB
    yield "lines-open", "a.jsonl", lambda: (line(b"x") + b'{"a":' * 10000000 + b"\n"), "json", ITEM_MIB
    yield "line-nested", "a.jsonl", lambda: (line(b"x") + b'{"text":"a","b":' + b"[" * 10000 + b"]" * 10000 + b"}\n"), "json", 0
    yield "line-keys", "a.jsonl", lambda: (line(b"x") + b"{" + b"".join(b'"k%d":1,' % i for i in range(1000000)) + b'"text":"a"}\n'), "gopher.words|repetition.top-2", 16
    yield "line-same-keys", "a.jsonl", lambda: (line(b"x") + b"{" + b'"k":1,' * 1000000 + b'"text":"a"}\n'), "json", 16
    yield "line-number", "a.jsonl", lambda: (line(b"x") + b'{"text":' + b"9" * 50 * MIB + b"}\n"), "json|no-text", ITEM_MIB
    yield "line-escapes", "a.jsonl", lambda: (line(b"x") + line(b"\\u0041 " * (7 * MIB))), None, ITEM_MIB
    yield "empty-documents", "a.jsonl", lambda: (lines_of(b'{"text":""}\n', 10000000)), "empty", 0
    yield "blank-lines", "a.jsonl", lambda: ((lambda: [line(b"x")] + [b"\n" * 100000] * 100)), None, 0
    yield "one-letter-documents", "a.jsonl", lambda: (lines_of(b'{"text":"a"}\n', 2000000)), "gopher.words|repetition.top-2", 0


def main():
    pattern = sys.argv[1] if len(sys.argv) > 1 else ""
    small, large = (int(size) for size in os.environ.get("QUERN_BOMBS_MIB", "8 32").split())
    for cases in (containers, lines):
        for name, file, make, expected, item in cases():
            if pattern in name:
                build(name, file, make(), expected, item)
    for group, ending in ((TEXTS, "txt"), (MANUALS, "1"), (PAGES, "html")):
        for name, make in group.items():
            if pattern in name:
                both_sizes(name, f"a.{ending}", make, None, small, large)
    if pattern in "largest":
        for name in ("brackets", "few-words", "ever-new-words", "mojibake"):
            build(f"largest-{name}", "a.txt", TEXTS[name](ITEM_MIB * MIB - 16), None, ITEM_MIB)
    print(f"{failures} failures")
    return failures > 0


sys.exit(main())

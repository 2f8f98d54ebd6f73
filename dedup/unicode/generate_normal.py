#!/usr/bin/env python3
"""Makes dedup/normal_tables.c: what each code point becomes in normalised text (see normal_letters.h).

    python3 -m pip install unicodedata2==16.0.0
    python3 dedup/unicode/generate_normal.py > dedup/normal_tables.c

The Unicode version is fixed, so that signatures do not depend on who runs this. A change of the table raises the output version of
dedup's first step (dedup_step.h).
"""
import unicodedata2 as u

VERSION = "16.0.0"
assert u.unidata_version == VERSION, f"this needs unicodedata2=={VERSION}, not {u.unidata_version}"

# Marks that are dropped: accents, and the vowel points that Arabic and Hebrew texts have or do not have. Vowel signs of other
# scripts tell words apart and stay.
DROPPED = [(0x0300, 0x036F), (0x0483, 0x0487), (0x0591, 0x05BD), (0x05BF, 0x05BF), (0x05C1, 0x05C2), (0x05C4, 0x05C5),
           (0x0610, 0x061A), (0x0640, 0x0640), (0x064B, 0x065F), (0x0670, 0x0670), (0x1AB0, 0x1ACE), (0x1DC0, 0x1DFF),
           (0x20D0, 0x20F0), (0xFE20, 0xFE2F)]
# Scripts that are written without spaces: each character is a word. (Hangul and Tibetan have separators.)
SINGLE = [(0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1950, 0x19DF), (0x1A20, 0x1AAF), (0x3005, 0x3007),
          (0x3021, 0x3029), (0x3031, 0x3035), (0x3041, 0x312F), (0x31A0, 0x31BF), (0x31F0, 0x31FF), (0x3400, 0x4DBF),
          (0x4E00, 0x9FFF), (0xA000, 0xA48C), (0xA9E0, 0xA9FF), (0xAA60, 0xAADF), (0xF900, 0xFAFF), (0xFF66, 0xFF9D),
          (0x1B000, 0x1B16F), (0x20000, 0x3FFFD)]
# In no script but their own: invisible characters that do not part words.
INVISIBLE = {0x00AD, 0x200C, 0x200D, 0x2060, 0xFEFF}


def among(code, ranges):
    return any(first <= code <= last for first, last in ranges)


def folded(code):
    """The first character of the lower-case form, of its canonical (for wide and half-wide forms: compatible) base."""
    char = chr(code)
    if 0xFF01 <= code <= 0xFFEF:
        char = u.normalize("NFKC", char)[0]
    char = char.lower()[0]
    base = u.normalize("NFD", char)
    if len(base) > 1 and all(among(ord(mark), DROPPED) for mark in base[1:]):
        char = base[0]
    return ord(char)


def entry(code):
    category = u.category(chr(code))
    if among(code, DROPPED) or code in INVISIBLE or 0xFE00 <= code <= 0xFE0F:
        return ("NOTHING", 0)
    if category == "Nd":
        return ("LETTER", ord("0"))
    if category[0] in "LMN":
        return ("SINGLE" if among(code, SINGLE) else "LETTER", folded(code))
    return None


def run(table, first, shape):
    """The last code point up to which `shape` describes the table from `first` on."""
    code = first
    while code in table and table[code] == shape(code):
        code += 1
    return code - 1


def main():
    table = {code: e for code in range(0x110000) if not 0xD800 <= code <= 0xDFFF and (e := entry(code))}
    rows, code = [], 0
    while code < 0x110000:
        if code not in table:
            code += 1
            continue
        kind, target = table[code]
        shift = target - code
        shapes = {"SHIFT": lambda c: (kind, c + shift), "TO": lambda c: (kind, target),
                  "PAIRS": lambda c: (kind, c + ((c - code + 1) & 1))}
        if kind == "NOTHING":
            shapes = {"TO": shapes["TO"]}
        name, last = max(((n, run(table, code, s)) for n, s in shapes.items()), key=lambda pair: pair[1])
        value = {"SHIFT": shift, "TO": target, "PAIRS": 0}[name]
        rows.append(f"{{0x{code:04x}, 0x{last:04x}, {kind}, {name}, {value}}},")
        code = last + 1
    print(f"/* Made by dedup/unicode/generate_normal.py from Unicode {VERSION}; do not edit. Code points without a row are gaps. */")
    print('#include "dedup/normal_letters.h"\n')
    print("enum { LETTER = NORMAL_LETTER, SINGLE = NORMAL_SINGLE, NOTHING = NORMAL_NOTHING };")
    print("enum { SHIFT = NORMAL_SHIFT, TO = NORMAL_TO, PAIRS = NORMAL_PAIRS };\n")
    print("const struct normal_range normal_ranges[] = {")
    for i in range(0, len(rows), 4):
        print("    " + " ".join(rows[i:i + 4]))
    print("};\n")
    print("const size_t normal_range_count = sizeof(normal_ranges) / sizeof(normal_ranges[0]);")


main()

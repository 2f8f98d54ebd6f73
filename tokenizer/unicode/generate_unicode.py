"""Makes unicode_tables.c: the character classes that pretokenizer patterns name, for every code point of Unicode 16.0.

Run by hand, never by the build:  pip install unicodedata2==16.0.0 && python3 generate_unicode.py > unicode_tables.c
The version is fixed because ids depend on it: Hugging Face tokenizers 0.23 matches \\p{..} as of Unicode 16.0.
"""
import sys
import unicodedata2

VERSION = "16.0.0"
BLOCK = 128
# White_Space of PropList.txt (what \\s means); the standard promises that it hardly ever changes.
WHITE_SPACE = {*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}
# The bits of unicode_classes.h.
LETTER, MARK, NUMBER, PUNCTUATION, SYMBOL, SPACE, UPPER, LOWER = (1 << bit for bit in range(8))
MAJOR = {"L": LETTER, "M": MARK, "N": NUMBER, "P": PUNCTUATION, "S": SYMBOL, "Z": 0, "C": 0}


def classes(code):
    category = unicodedata2.category(chr(code))
    value = MAJOR[category[0]]
    if code in WHITE_SPACE:
        value |= SPACE
    if category in ("Lu", "Lt", "Lm", "Lo") or category[0] == "M":
        value |= UPPER
    if category in ("Ll", "Lm", "Lo") or category[0] == "M":
        value |= LOWER
    return value


def rows(values, width=32):
    for start in range(0, len(values), width):
        yield "    " + " ".join(f"{value}," for value in values[start:start + width])


def main():
    if unicodedata2.unidata_version != VERSION:
        sys.exit(f"unicodedata2 knows Unicode {unicodedata2.unidata_version}, not {VERSION}; pip install unicodedata2=={VERSION}")
    flat = [classes(code) for code in range(0x110000)]
    blocks, index = {}, []
    for start in range(0, len(flat), BLOCK):
        index.append(blocks.setdefault(tuple(flat[start:start + BLOCK]), len(blocks)))
    assert len(blocks) <= 256
    print("/* Character classes of Unicode %s, made by generate_unicode.py: do not edit. %d bytes. */"
          % (VERSION, len(index) + BLOCK * len(blocks)))
    print('#include "tokenizer/unicode/unicode_classes.h"\n')
    print("// clang-format off")
    print("const uint8_t unicode_block_of[UNICODE_CODE_POINTS / UNICODE_BLOCK] = {")
    print("\n".join(rows(index)))
    print("};\n")
    print("const uint8_t unicode_blocks[][UNICODE_BLOCK] = {")
    for block in blocks:
        print("    {")
        print("\n".join(rows(block)))
        print("    },")
    print("};")
    print("// clang-format on")


main()

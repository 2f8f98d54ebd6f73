"""Makes unicode_tables.c: the general category of every code point of Unicode 16.0.

Run by hand, never by the build:  pip install unicodedata2==16.0.0 && python3 generate_unicode.py > unicode_tables.c
The version is fixed because ids depend on it: Hugging Face tokenizers 0.23 matches \\p{..} as of Unicode 16.0.
"""
import sys
import unicodedata2

VERSION = "16.0.0"
BLOCK = 64
# The order of enum unicode_category. "CcSpace" are the controls that are white space.
CATEGORIES = ["Cn", "Cc", "Cf", "Cs", "Co", "CcSpace", "Zs", "Zl", "Zp", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No",
              "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So"]
# White_Space of PropList.txt (what \\s means): these, and all of Z.
CONTROL_SPACE = {*range(0x09, 0x0E), 0x85}
CJK = 32  # UNICODE_CJK: DeepSeek-V3's second pattern


def entry(code):
    category = "CcSpace" if code in CONTROL_SPACE else unicodedata2.category(chr(code))
    return CATEGORIES.index(category) | (CJK if 0x4E00 <= code <= 0x9FA5 or 0x3040 <= code <= 0x30FF else 0)


def rows(values, width=32):
    for start in range(0, len(values), width):
        yield "    " + " ".join(f"{value}," for value in values[start:start + width])


def main():
    if unicodedata2.unidata_version != VERSION:
        sys.exit(f"unicodedata2 knows Unicode {unicodedata2.unidata_version}, not {VERSION}; pip install unicodedata2=={VERSION}")
    flat = [entry(code) for code in range(0x110000)]
    blocks, index = {}, []
    for start in range(0, len(flat), BLOCK):
        index.append(blocks.setdefault(tuple(flat[start:start + BLOCK]), len(blocks)))
    print("/* Categories of Unicode %s, made by generate_unicode.py: do not edit. %d bytes. */"
          % (VERSION, 2 * len(index) + (BLOCK + 24) * len(blocks)))
    print('#include "tokenizer/unicode/unicode_classes.h"\n')
    print("// clang-format off")
    print("const uint16_t unicode_block_of[UNICODE_CODE_POINTS / UNICODE_BLOCK] = {")
    print("\n".join(rows(index)))
    print("};\n")
    print("const uint8_t unicode_blocks[][UNICODE_BLOCK] = {")
    for block in blocks:
        print("    {")
        print("\n".join(rows(block)))
        print("    },")
    print("};\n")
    print("const struct unicode_words unicode_block_words[] = {")
    for block in blocks:
        sets = [sum(1 << i for i, value in enumerate(block) if CATEGORIES[value % CJK] in names) for names in (("Lu", "Ll", "Lt"), ("Lm", "Lo"), ("Mn", "Mc", "Me"))]
        print("    {" + ", ".join(f"0x{bits:016X}" for bits in sets) + "},")
    print("};")
    print("// clang-format on")


main()

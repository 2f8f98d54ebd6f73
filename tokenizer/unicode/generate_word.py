"""Makes word_tables.c: the ranges of the characters that \\w matches, as of Unicode 16.0.

Run by hand, never by the build:  pip install unicodedata2==16.0.0 && python3 generate_word.py > word_tables.c
\\w is Alphabetic, marks, decimal digits, connectors and joiners (UTS #18, annex C; what Rust's regex does, which decides for Hugging Face's tokenizers whether an
added token stands alone). Alphabetic is L, Nl and Other_Alphabetic, of which only the enclosed letters are not marks.
"""
import sys
import unicodedata2

VERSION = "16.0.0"
ENCLOSED = {*range(0x24B6, 0x24EA), *range(0x1F130, 0x1F14A), *range(0x1F150, 0x1F16A), *range(0x1F170, 0x1F18A)}
JOINERS = {0x200C, 0x200D}


def is_word(code):
    category = unicodedata2.category(chr(code))
    return category[0] in "LM" or category in ("Nd", "Nl", "Pc") or code in ENCLOSED or code in JOINERS


def main():
    if unicodedata2.unidata_version != VERSION:
        sys.exit(f"unicodedata2 knows Unicode {unicodedata2.unidata_version}, not {VERSION}; pip install unicodedata2=={VERSION}")
    ranges = []
    for code in filter(is_word, range(0x110000)):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    print(f"/* The word characters of Unicode {VERSION}, made by generate_word.py: do not edit. {8 * len(ranges)} bytes. */")
    print('#include "tokenizer/unicode/unicode_word.h"\n')
    print("// clang-format off")
    print("static const uint32_t words[][2] = { /* first, last */")
    for start in range(0, len(ranges), 8):
        print("    " + " ".join(f"{{0x{first:X}, 0x{last:X}}}," for first, last in ranges[start:start + 8]))
    print("};")
    print("// clang-format on\n")
    print("""bool unicode_is_word(uint32_t code)
{
    size_t low = 0, high = sizeof(words) / sizeof(words[0]);
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (code > words[middle][1])
            low = middle + 1;
        else
            high = middle;
    }
    return low < sizeof(words) / sizeof(words[0]) && code >= words[low][0];
}""")


main()

"""Makes unicode_scripts.c: the script of every code point of Unicode 16.0, and the lower case of those that have one.

Run by hand, never by the build:  pip install fonttools==4.56.0 && python3 generate_scripts.py > unicode_scripts.c
Scripts are those of Scripts-16.0.0.txt, which that version of fonttools carries. Lower case is Python's own (a character's is fixed for good once it is
assigned; those assigned after Python's version of Unicode keep themselves). Nothing that encodes depends on either: they are for audits and reports.
"""
import sys
from fontTools.unicodedata import Scripts

VERSION = "Scripts-16.0.0.txt"
FIRST = ["Zzzz", "Zyyy", "Zinh"]  # Unknown, Common, Inherited: the enum of unicode_scripts.h


def lower_ranges():
    """(first, last, step, delta): code points first, first + step, ..., last become theirs + delta."""
    pairs = [(code, ord(chr(code).lower())) for code in range(0x110000) if len(chr(code).lower()) == 1 and ord(chr(code).lower()) != code]
    ranges = []
    for code, lower in pairs:
        delta = lower - code
        if ranges:
            first, last, step, known = ranges[-1]
            gap = code - last
            if known == delta and gap <= 2 and (first == last or gap == step):
                ranges[-1] = (first, code, gap, delta)
                continue
        ranges.append((code, code, 1, delta))
    return ranges


def main():
    with open(Scripts.__file__) as file:
        if VERSION not in file.read(4096):
            sys.exit("this fonttools has not the scripts of Unicode 16.0; pip install fonttools==4.56.0")
    used = sorted(set(Scripts.VALUES) - set(FIRST), key=lambda short: Scripts.NAMES[short])
    number = {short: i for i, short in enumerate(FIRST + used)}
    assert len(number) <= 256
    print("/* Scripts of Unicode 16.0.0 and lower case, made by generate_scripts.py: do not edit. */")
    print('#include "tokenizer/unicode/unicode_scripts.h"\n')
    print("// clang-format off")
    print("const char *const unicode_script_names[UNICODE_SCRIPTS] = {")
    for short in number:
        print('    "%s",' % Scripts.NAMES[short].replace("_", " "))
    print("};\n")
    starts = [f"0x{number[short] << 24 | start:08X}," for start, short in zip(Scripts.RANGES, Scripts.VALUES)]
    print("const uint32_t unicode_script_starts[UNICODE_SCRIPT_RANGES] = {")
    for i in range(0, len(starts), 10):
        print("    " + " ".join(starts[i:i + 10]))
    print("};\n")
    ranges = ["{0x%04X, 0x%04X, %d, %d}," % row for row in lower_ranges()]
    print("const struct unicode_lower_range unicode_lower_ranges[UNICODE_LOWER_RANGES] = {")
    for i in range(0, len(ranges), 5):
        print("    " + " ".join(ranges[i:i + 5]))
    print("};")
    print("// clang-format on")
    print("scripts %d, ranges %d, lower ranges %d" % (len(number), len(starts), len(ranges)), file=sys.stderr)


main()

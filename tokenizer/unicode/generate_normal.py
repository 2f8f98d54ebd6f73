"""Makes normal_form_tables.c: what normalization (UAX #15) needs to know of every code point, as of Unicode 9.0.

Run by hand, never by the build:  pip install unicodedata2==16.0.0 && python3 generate_normal.py > normal_form_tables.c
The version is that of the normalizers of Hugging Face tokenizers 0.23.3 (found by asking it for all code points; its patterns are of Unicode 16.0, its
normal forms are not). What a character decomposes to never changes once it is assigned, so the data of 16.0 without the characters that came
after 9.0 is the data of 9.0.
"""
import sys
import unicodedata2

DATA_VERSION = "16.0.0"
BLOCK = 128
# Characters with a combining class or a decomposition that came after 9.0 (DerivedAge.txt): to 9.0 they are starters that stay as they are.
LATER = """7FD 897-89F 8CA-8D3 9FE C3C D3B-D3C EBA 1715 1ABF-1ACE 1DF6-1DFA 32FF A7F2-A7F4 A82C AB69 105C9 105E4 10781-10785 10787-107B0
107B2-107BA 10D24-10D27 10D69-10D6D 10EAB-10EAC 10EFD-10EFF 10F46-10F50 10F82-10F85 11070 1133B 11383 11385 1138E 11391 113C5 113C7-113C8
113CE-113D0 1145E 11839-1183A 11938 1193D-1193E 11943 119E0 11A34 11A47 11A99 11D42 11D44-11D45 11D97 11F41-11F42 16121-16128 1612F
16D68-16D6A 16FF0-16FF1 1CCD6-1CCF9 1E030-1E06D 1E08F 1E130-1E136 1E2AE 1E2EC-1E2EF 1E4EC-1E4EF 1E5EE-1E5EF 1F16C 1FBF0-1FBF9"""
# The bits of unicode_normal.h.
NOT_C, NOT_D, NOT_KC, NOT_KD, JOINS, INSIDE, INSIDE_K, HANGUL = (1 << bit for bit in range(8))
SYLLABLES = range(0xAC00, 0xAC00 + 11172)
VOWELS, TAILS = range(0x1161, 0x1176), range(0x11A8, 0x11C3)


def later():
    for part in LATER.split():
        first, _, last = part.partition("-")
        yield from range(int(first, 16), int(last or first, 16) + 1)


UNKNOWN = set(later())


def combining(code):
    return 0 if code in UNKNOWN else unicodedata2.combining(chr(code))


def decomposed(form, code):
    return [code] if code in UNKNOWN else [ord(c) for c in unicodedata2.normalize(form, chr(code))]


def composites():
    """first -> [(second, whole)], for the pairs that NFC puts together. Hangul is done by arithmetic."""
    pairs = {}
    for code in range(0x110000):
        parts = unicodedata2.decomposition(chr(code)).split()
        if code not in UNKNOWN and len(parts) == 2 and parts[0][0] != "<" and unicodedata2.normalize("NFC", chr(code)) == chr(code):
            pairs.setdefault(int(parts[0], 16), []).append((int(parts[1], 16), code))
    return pairs


def rows(values, width):
    for start in range(0, len(values), width):
        yield "    " + " ".join(f"{value}," for value in values[start:start + width])


def table(declaration, values, width=32):
    print(f"{declaration} = {{")
    print("\n".join(rows(values, width)))
    print("};\n")


def main():
    if unicodedata2.unidata_version != DATA_VERSION:
        sys.exit(f"unicodedata2 knows Unicode {unicodedata2.unidata_version}, not {DATA_VERSION}; pip install unicodedata2=={DATA_VERSION}")
    pairs = composites()
    seconds = {second for entries in pairs.values() for second, _ in entries} | {*VOWELS, *TAILS}
    pool, pool_at, composite_pool = [0], {}, []

    def pooled(codes):
        at = pool_at.setdefault(tuple(codes), len(pool))
        if at == len(pool):
            pool.extend(codes)
        return at

    def record(code):
        if code in SYLLABLES:
            return (0, 0, 0, 0, 0, 0, 0, NOT_D | NOT_KD | HANGUL)
        canonical, compatible = decomposed("NFD", code), decomposed("NFKD", code)
        flags = (NOT_D if canonical != [code] else 0) | (NOT_KD if compatible != [code] else 0) | (JOINS if code in seconds else 0)
        for form, flag in (("NFC", NOT_C), ("NFKC", NOT_KC)):
            if code not in UNKNOWN and unicodedata2.normalize(form, chr(code)) != chr(code):
                flags |= flag
        for flag, first in ((INSIDE, canonical[0]), (INSIDE_K, compatible[0])):
            if combining(first) or first in seconds:
                flags |= flag
        entries = sorted(pairs.get(code, []))
        if not flags and not entries and not combining(code):
            return None
        compose_at = len(composite_pool) if entries else 0
        composite_pool.extend(entries)
        return (pooled(canonical) if flags & NOT_D else 0, len(canonical) if flags & NOT_D else 0, pooled(compatible) if flags & NOT_KD else 0,
                len(compatible) if flags & NOT_KD else 0, compose_at, len(entries), combining(code), flags)

    records, index_of, flat = [(0,) * 8], {(0,) * 8: 0}, []
    for code in range(0x30000):
        entry = record(code) or records[0]
        if entry not in index_of:
            index_of[entry] = len(records)
            records.append(entry)
        flat.append(index_of[entry])
    assert all(record(code) is None for code in range(0x30000, 0x110000))
    blocks, block_of = {}, []
    for start in range(0, len(flat), BLOCK):
        block_of.append(blocks.setdefault(tuple(flat[start:start + BLOCK]), len(blocks)))
    assert len(blocks) <= 256 and len(pool) < 65536 and len(records) < 65536
    size = len(block_of) + 2 * BLOCK * len(blocks) + 12 * len(records) + 4 * len(pool) + 8 * len(composite_pool)
    print(f"/* Normal forms of Unicode 9.0, made by generate_normal.py: do not edit. {size} bytes. */")
    print('#include "tokenizer/unicode/unicode_normal.h"\n')
    print("// clang-format off")
    table("const uint8_t unicode_normal_block_of[UNICODE_NORMAL_CODES / UNICODE_NORMAL_BLOCK]", block_of)
    print("const uint16_t unicode_normal_blocks[][UNICODE_NORMAL_BLOCK] = {")
    for block in blocks:
        print("    {")
        print("\n".join(rows(block, 32)))
        print("    },")
    print("};\n")
    table("const struct unicode_normal unicode_normals[]", ["{" + ", ".join(map(str, entry)) + "}" for entry in records], 6)
    table("const uint32_t unicode_normal_codes[]", [f"0x{code:X}" for code in pool], 16)
    table("const struct unicode_composite unicode_composites[]", [f"{{0x{second:X}, 0x{whole:X}}}" for second, whole in composite_pool], 8)
    print("// clang-format on")


main()

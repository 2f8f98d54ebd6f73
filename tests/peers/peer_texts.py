"""Random texts to compare tokenizers on, each by one of several generators; all of Unicode, assigned or not. The same seed gives the same texts, as long as Python's Unicode is the same: some
generators draw from the characters that it knows.

  peer_texts.py SEED COUNT     prints some
"""
import random, sys, unicodedata

# What the patterns name, their borders, and what differs between the versions of Unicode.
AWKWARD = (" \n\r\t\x00\x0b\x0c\x7f\x85\xa0\xad'\"$_~-09aZ\xaa\xb2\xbd\xe9\u0130\u0131\u017f\u0300\u0301\u0345\u0661\u0e01\u0e31\u1680\u180e\u1e9e\u2003\u200b"
           "\u200d\u2028\u2029\u2044\u2162\u212a\u3000\u3005\u3007\u3040\u3042\u3099\u309b\u309f\u30a0\u30a2\u30fb\u30fc\u30ff\u3100\u4dff\u4e00\u6587\u9fa5\u9fa6"
           "\uac00\ufb01\ufe0f\uff0c\uff21\ufffd\ufffe\U00010940\U00010d40\U00010d4a\U0001f1e6\U0001f3fd\U0001f600\U00020000\U000e0001\U0010ffff")
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'T", "'RE", "'Ve", "'M", "'Ll", "'D", "'\u017f", "'", "''", "\u2019s", "n't", "I", "we",
                "they", "DON", "Don", "dOn", "a", " ", "  ", "\n", " '", "'s'", "'lll", "'rE\u0301", "12", "\u017f", "\u212a", "HTTPServer", "\u01c5", "\u02b0"]
RUNS = [" ", "\n", "\r\n", "\t", "0", "7", "a", "A", ".", "-", "=", "\u00e9", "e\u0301", "\u4e00", "\u3042", "\u0e01", "\uac00", "\ufffd", "\U0001f600", "\u0300", "\u200b", " \n",
        "ab", "\u00a0", "\u3000", "\x00"]
WORDS = ("the mill grinds slowly, but it grinds; Stones turn \u2014 and 1,024 sacks (of 50 kg) came in 1999. M\u00fchle m\u00fchsam gr\u00fc\u00dft na\u00efve caf\u00e9s \u0432\u043e\u0434\u0430 \u043c\u0435\u043b\u044c\u043d\u0438\u0446\u0430 "
         "\u7a93\u306e\u5916\u3002\u77f3\u81fc\u304c\u56de\u308b \u77f3\u78e8\u8f6c\u52a8\u5f97\u5f88\u6162 \u0e42\u0e23\u0e07\u0e2a\u0e35 \ub9f7\ub3cc\uc774 \ub3cc\uc544\uac00\ub2e4 \u0637\u0627\u062d\u0648\u0646\u0629 \u0915\u093e\u092e \u03bc\u03cd\u03bb\u03bf\u03c2 if (x[i] != '\\n') { return \"a\\tb\"; } https://a.b/c?d=e&f=%20 "
         "#define MAX_LEN 0x7fff\n\tfor i in range(10):\n        print(f'{i:>3}')\n\r\n<div class=\"x\">&nbsp;</div>").split(" ")


def code_point(dice):
    """Any scalar value."""
    code = dice.randrange(0x110000 - 0x800)
    return chr(code if code < 0xD800 else code + 0x800)


def by_category():
    """All assigned characters of each general category but the private and the surrogates."""
    found = {}
    for code in range(0x110000):
        category = unicodedata.category(chr(code))
        if category not in ("Cn", "Cs", "Co"):
            found.setdefault(category, []).append(chr(code))
    return list(found.values())


def ascii_text(dice, length):
    return "".join(dice.choices(ASCII, k=length))


def uniform(dice, length):
    return "".join(code_point(dice) for _ in range(length))


def categories(dice, length):
    return "".join(dice.choice(dice.choice(CATEGORIES)) for _ in range(length))


def window(dice):
    """96 characters next to each other: of those assigned without the large sets of ideographs and syllables, or of any below U+20000, or of all assigned."""
    kind = dice.random()
    if kind < 0.3:
        start = dice.randrange(0x20000 // 16 - 6) * 16
        return "".join(map(chr, range(start, start + 96))) if not 0xD780 < start < 0xE000 else "\ue000\uf8ff"
    letters = SMALL if kind < 0.8 else ASSIGNED
    start = dice.randrange(len(letters) - 96)
    return letters[start:start + 96]


def one_script(dice, length):
    """A window among spaces, digits and punctuation."""
    return "".join(dice.choices(window(dice) + " " * 16 + ".,!1\n'", k=length))


def mixed_scripts(dice, length):
    """Short runs of one script after another."""
    out = []
    while sum(map(len, out)) < length:
        out.append("".join(dice.choices(window(dice), k=dice.randrange(1, 9))))
        out.append(dice.choice(("", " ", "", "\n", "1", "\u3042", "\u4e00")))
    return "".join(out)


def awkward(dice, length):
    return "".join(dice.choices(AWKWARD, k=length))


def contractions(dice, length):
    return "".join(dice.choices(CONTRACTIONS, k=length // 3 + 1))


def runs(dice, length):
    return "".join(dice.choice(RUNS) * dice.choice((1, 2, 3, 4, 7, 16, 17, 31, 32, 33, 64, 100, 257)) for _ in range(dice.randrange(1, 6)))


def real(dice, length):
    return " ".join(dice.choices(WORDS, k=length // 5 + 1))


def mutated(dice, length):
    """Real words with letters dropped, doubled, swapped, in other case, or replaced by anything."""
    text = list(real(dice, length))
    for _ in range(dice.randrange(1, 8) if text else 0):
        at = dice.randrange(len(text))
        kind = dice.randrange(6)
        if kind == 0:
            text[at] = ""
        elif kind == 1:
            text[at] *= dice.randrange(2, 6)
        elif kind == 2:
            text[at] = text[at].swapcase()
        elif kind == 3:
            text[at] = code_point(dice)
        elif kind == 4:
            text[at] += dice.choice(AWKWARD)
        else:
            text.insert(at, dice.choice(WORDS))
    return "".join(text)


def marks(dice, length):
    """Letters with marks in any order, jamo, composed and compatibility characters: what normalisation changes."""
    return "".join(dice.choice(dice.choice(NORMAL)) for _ in range(length))


def broken(dice, length):
    """Bytes of real and of any characters, damaged, with replacement characters for what is no UTF-8."""
    return damaged_bytes(dice, length).decode("utf-8", "replace")


def damaged_bytes(dice, length):
    raw = bytearray((mutated if dice.random() < 0.5 else mixed_scripts)(dice, length).encode())
    for _ in range(dice.randrange(1, 10)):
        if not raw:
            break
        at, kind = dice.randrange(len(raw)), dice.randrange(4)
        if kind == 0:
            del raw[at]
        elif kind == 1:
            raw[at] = dice.randrange(256)
        elif kind == 2:
            raw[at:at] = dice.choice(BROKEN)
        else:
            del raw[at:at + dice.randrange(1, 4)]
    return bytes(raw)


ASCII = "".join(map(chr, range(32, 127))) + " " * 20 + "\n\t"
CATEGORIES = by_category()
ASSIGNED = "".join(sorted("".join("".join(chars) for chars in CATEGORIES)))
LARGE = ("CJK UNIFIED", "HANGUL SYLLABLE", "TANGUT", "KHITAN", "NUSHU", "EGYPTIAN", "ANATOLIAN", "CUNEIFORM", "BAMUM", "YI SYLLABLE", "VARIATION SELECTOR", "MATHEMATICAL")
SMALL = "".join(c for c in ASSIGNED if not unicodedata.name(c, "").startswith(LARGE))
NORMAL = ["aeiouAOUcn\u0915\u3042\u30ab\u03b1", "".join(c for c in ASSIGNED if unicodedata.combining(c)), "".join(chr(c) for c in range(0x1100, 0x1200)), "\uac00\uac01\ud7a3\u11a8 ",
          "".join(c for c in ASSIGNED if unicodedata.decomposition(c) and c < "\uac00"), "\u0300\u0301\u0323\u0327\u3099\u0f71\u0f72"]
BROKEN = [b"\x80", b"\xbf\xbf", b"\xc0\x80", b"\xc3", b"\xe0\x80", b"\xe2\x82", b"\xed\xa0\x80", b"\xef\xbf", b"\xf0\x9f", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80", b"\xf5", b"\xff\xfe", b"\xfc\x80\x80\x80\x80\x80"]
GENERATORS = (ascii_text, uniform, categories, one_script, mixed_scripts, awkward, contractions, runs, real, mutated, marks, broken)


def random_texts(seed, count, special=()):
    """`count` texts; about one in 16 has texts of `special` in it, whole or cut short."""
    dice = random.Random(seed)
    out = []
    for i in range(count):
        # Most are short, a few long.
        length = dice.choice((1, 2, 3, 5, 8, 12, 20, 30, 40, 60)) if i % 50 else dice.randrange(200, 600)
        text = GENERATORS[i % len(GENERATORS)](dice, length)
        if special and dice.random() < 1 / 16:
            for _ in range(dice.randrange(1, 4)):
                at, name = dice.randrange(len(text) + 1), dice.choice(special)
                name = name if dice.random() < 0.8 else name[dice.randrange(2):dice.randrange(len(name) + 1)]
                text = text[:at] + dice.choice(("", " ", "", "\n", "e", "  ")) + name + dice.choice(("", " ", "", "\u0301", "x")) + text[at:]
        out.append(text)
    return out


def random_bytes(seed, count):
    """`count` byte strings, not empty: damaged text, and noise."""
    dice = random.Random(seed)
    made = (damaged_bytes(dice, dice.randrange(1, 60)) if dice.random() < 0.9 else dice.randbytes(dice.randrange(1, 100)) for _ in range(count))
    return [raw or b"\xff" for raw in made]


if __name__ == "__main__":
    for line in random_texts(int(sys.argv[1]), int(sys.argv[2])):
        print(ascii(line))

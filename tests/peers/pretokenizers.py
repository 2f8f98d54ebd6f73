"""The built-in pretokenizers against Hugging Face tokenizers and tiktoken, piece by piece. Exit 1 where anything differs.

  pretokenizers.py PIECES_OF [COUNT]     compare on COUNT random texts (20,000) with build/tests/pieces_of, by every way to cut that this processor has
  pretokenizers.py --write               make tests/tokenizer/golden/pretokenizers.jsonl anew, by Hugging Face

The patterns are read from tokenizer/pretokenize/pretokenize.c. tiktoken says nothing of pieces: it is given a vocabulary whose tokens are ours, and gives them back as they are only where it cuts the same.
"""
import json, os, random, re, struct, subprocess, sys

import tiktoken
from tokenizers import Regex
from tokenizers.pre_tokenizers import Sequence, Split

from peer_texts import random_texts

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(HERE, "..", "..", "tokenizer", "pretokenize", "pretokenize.c")
GOLDEN = os.path.join(HERE, "..", "tokenizer", "golden", "pretokenizers.jsonl")
# As tiktoken_ext/openai_public.py has them.
TIKTOKEN = {
    "gpt2": r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
    "cl100k": r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    "o200k": "|".join([r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                       r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                       r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"]),
}
GOLDEN_TEXTS = [
    "It's the miller's; we'll see, they'VE said 'twas I'D 'S'ſ 'lll don't's", "HTTPServer camelCase ǅungla ʰX ÀÉßà naïve e\u0301tude E\u0301A", "x=1234567;  y = 12 345 6789\t0",
    "a  b \n c\r\n\r\n  d\t\n ", "end. \n\n  \nnext/\n/x //\n!", "  ", "\n \n", "!!\u0301a !\u0301a \u0301a", "石磨转动得很慢。“慢”，是的！ABC中文Def", "窓の外。石臼ガ回る・・ー々〇", "โรงสี ๑๒๓ หมุน",
    "맷돌이 돌아간다 가나다", "мельница Мелет МЕЛЬ", "½²Ⅷ٣१२३४", "\u3000全角　空白\u00a0nb\u200b\u00ad", "\x02\x01 a\x7fb", "😀😀 👨‍👩‍👧 ok", "''s '' ' s's's", "_a __b $x .y -1 +2", "\U00010D4A\U00010940\uFFFD\U0010FFFF",
]


def patterns():
    """The rules in the C source: {name: [pattern, ...]}."""
    text = open(SOURCE, encoding="utf-8").read()
    found = {}
    for name, body in re.findall(r"pretokenize_rule (\w+)_rules\[\] = \{\n(.*?)\n\};", text, re.S):
        found[name.replace("deepseek", "deepseek-v3")] = [
            b"".join(json_bytes(part) for part in re.findall(r'"((?:[^"\\]|\\.)*)"', rule)).decode() for rule in re.findall(r"REGEX\((.*?)\),\n?", body + ",\n", re.S)]
    return found


def json_bytes(part):
    return part.encode().decode("unicode_escape").encode("latin-1")


def reference(rules):
    splitter = Sequence([Split(Regex(rule), "isolated") for rule in rules])
    return lambda text: [len(piece.encode()) for piece, _ in splitter.pre_tokenize_str(text)] if text else []


def ours(program, name, texts, way):
    data = b"".join(struct.pack("=I", len(text)) + text for text in texts)
    out = subprocess.run([program, name], input=data, capture_output=True, check=True, env={**os.environ, "QUERN_PRETOKENIZE": way}).stdout
    numbers = struct.unpack(f"={len(out) // 4}I", out)
    at, pieces = 0, []
    for _ in texts:
        pieces.append(list(numbers[at + 1:at + 1 + numbers[at]]))
        at += 1 + numbers[at]
    return pieces


def split(text, sizes):
    at, pieces = 0, []
    for size in sizes:
        pieces.append(text[at:at + size])
        at += size
    return pieces


def compare_tiktoken(name, texts, pieces):
    cut = [split(text.encode(), sizes) for text, sizes in zip(texts, pieces)]
    ranks = {bytes([byte]): byte for byte in range(256)}
    for text in cut:
        for piece in text:
            ranks.setdefault(piece, len(ranks))
    encoding = tiktoken.Encoding(name, pat_str=TIKTOKEN[name], mergeable_ranks=ranks, special_tokens={})
    bad = [text for text, wanted in zip(texts, cut) if [encoding.decode_single_token_bytes(i) for i in encoding.encode_ordinary(text)] != wanted]
    return bad


def report(what, count, bad):
    print(f"{what}: {count} texts, {len(bad)} differ" + (f", the first {bad[0]!r}" if bad else ""))
    return len(bad)


def main():
    rules = patterns()
    assert len(rules) == 6, rules.keys()
    if sys.argv[1] == "--write":
        with open(GOLDEN, "w", encoding="utf-8") as out:
            dice = random.Random(4)
            for text in GOLDEN_TEXTS + ["".join(dice.choice(" \n'aAé!1s中\u0301/\t") for _ in range(dice.randrange(90))) for _ in range(60)]:
                row = {"text": text, **{name: reference(rules[name])(text) for name in rules}}
                out.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n")
        return
    texts = GOLDEN_TEXTS + [text for text in random_texts(int(os.environ.get("SEED", "1")), int(sys.argv[2]) if len(sys.argv) > 2 else 20000)]
    texts = [text if isinstance(text, str) else text.decode("utf-8", "replace") for text in texts]
    encoded, differ = [text.encode() for text in texts], 0
    for name in rules:
        wanted = list(map(reference(rules[name]), texts))
        for way in ("fastest", "plain"):
            got = ours(sys.argv[1], name, encoded, way)
            differ += report(f"{name}, {way}, Hugging Face", len(texts), [text for text, a, b in zip(texts, wanted, got) if a != b])
        if name in TIKTOKEN:
            differ += report(f"{name}, tiktoken", len(texts), compare_tiktoken(name, texts, got))
    sys.exit(differ > 0)


main()

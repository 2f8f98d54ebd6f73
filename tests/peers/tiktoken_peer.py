"""tiktoken against quern: ranks that no training made, and vocabularies exported to .tiktoken with the one pattern that stands for a sequence of them.

    tiktoken_peer.py [FILES [SEED]]
"""
import base64
import json
import os
import random
import subprocess
import sys
import tempfile

import tiktoken

GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LETTERS = [b"a", b"b", b"c", b" ", b"\xc3", b"\xa9", b"a", b"b"]
AWKWARD = [*map(chr, range(0x20, 0x7F)), *"\n\r\t\u00ad\u200b\u3040\u3097\u3098\u309b\u30a0\u30fb\u4e00\u9fa5\u9fa6\u00bd\u0663\u0301\u3005\u00e9\u3000\u2028'\u4e2d\u3042\u30a2\ud55c\u0e01\u0e49"]


def random_ranks(r):
    """All bytes in random order, and tokens of a few letters: many have parts of a higher rank, or none at all."""
    tokens = [bytes([b]) for b in range(256)]
    for _ in range(r.randrange(60)):
        tokens.append(b"".join(r.choice(LETTERS if r.random() < 0.6 else tokens) for _ in range(r.randrange(2, 5)))[:40])
    tokens = list(dict.fromkeys(tokens))
    if r.random() < 0.7:
        r.shuffle(tokens)
    return {token: rank for rank, token in enumerate(tokens)}


def encode(path, texts):
    with open(path + ".texts.jsonl", "w") as out:
        out.writelines(json.dumps({"text": text}) + "\n" for text in texts)
    lines = subprocess.run(["quern-tokenizer", "encode", "-q", "-j", "1", "-t", path, "--special", "parse", path + ".texts.jsonl"], stdout=subprocess.PIPE, check=True)
    return [[int(number) for number in line.split()] for line in lines.stdout.decode().split("\n")[:-1]]


def compare(path, encoding, texts):
    for text, ids in zip(texts, encode(path, texts), strict=True):
        wanted = encoding.encode(text, allowed_special="all")
        if ids != wanted:
            print(f"{path}\ntext   {text!a}\nwanted {wanted}\ngot    {ids}")
            return False
    return True


def random_files(folder, files, seed):
    for number in range(seed, seed + files):
        r = random.Random(number)
        ranks = random_ranks(r)
        special = {"<s>": len(ranks) + r.randrange(5), "<|end|>": len(ranks) + 5}
        path = f"{folder}/{number}.tiktoken"
        with open(path, "wb") as out:
            for token, rank in ranks.items():
                out.write(base64.b64encode(token) + b" %d\n" % rank)
        with open(path + ".json", "w") as out:
            json.dump({"pretokenizer": "gpt2", "special_tokens": special}, out)
        texts = ["".join(r.choice(["a", "b", "c", " ", "\u00e9", "<s>", "ab", "1"]) for _ in range(r.randrange(30))) for _ in range(60)]
        if not compare(path, tiktoken.Encoding("random", pat_str=GPT2, mergeable_ranks=ranks, special_tokens=special), texts):
            return False
    print(f"tiktoken: {60 * files} texts on {files} random files are equal")
    return True


def exported(folder, tokenizer):
    path = f"{folder}/exported.tiktoken"
    subprocess.run(["quern-tokenizer", "export", "-q", "-t", tokenizer, "--format", "tiktoken", "-o", path], check=True)
    with open(path, "rb") as file:
        ranks = {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in file)}
    with open(path + ".json") as file:
        companion = json.load(file)
    encoding = tiktoken.Encoding("exported", pat_str=companion["pat_str"], mergeable_ranks=ranks, special_tokens=companion["special_tokens"])
    r = random.Random(9)
    texts = ["".join(r.choice(AWKWARD) for _ in range(r.randrange(40))) for _ in range(5000)]
    print(f"tiktoken: {len(texts)} texts with {os.path.basename(tokenizer)} exported")
    return compare(path, encoding, texts)


def main():
    files, seed = int(sys.argv[1]) if len(sys.argv) > 1 else 200, int(sys.argv[2]) if len(sys.argv) > 2 else 1
    golden = os.path.join(os.environ.get("QUERN_SOURCE", "."), "tests/tokenizer/golden/tokenizer.json")
    with tempfile.TemporaryDirectory() as folder:
        return not (random_files(folder, files, seed) and exported(folder, golden))


sys.exit(main())

"""Random tokenizer.json files against Hugging Face's library: normalizers, pretokenizers, ignore_merges, and added tokens with all flags, on random texts.

    pipelines_hf.py [FILES [SEED]]     stops at the first file that differs, and keeps it
"""
import json
import random
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer

VISIBLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
CHARACTER = {b: chr(b) for b in VISIBLE} | {b: chr(0x100 + i) for i, b in enumerate(b for b in range(256) if b not in VISIBLE)}
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
DEEPSEEK = [r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
            "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]
BITS = ["a", "b", "c", "ab", " ", " ", "  ", "\n", "\t", "\u00a0", "\u3000", "0", "17", "\u0663", "\u00bd", "_", "-", "<", ">", "<s>", "e\u0301", "\u00e9", "\u0301", "\u0323",
        "\ufb01", "\uff21", "\uac00\u11a8", "\u4e2d\u6587", "\u3042", "\u0e01\u0e49", "'s", "!", "\U0001f600", "\u200d", "x"]


def spelled(text):
    return "".join(CHARACTER[b] for b in text.encode())


def random_text(r, most):
    return "".join(r.choice(BITS) for _ in range(r.randrange(most)))


def random_split(r):
    pattern = r.choice([{"String": r.choice([" ", "a", "ab", "-", "\u4e2d"])}, {"Regex": r.choice([r"\s+", r"\p{N}{1,2}", r"[a-c]+|\s", r"\p{L}+", GPT2, r"(?i:X)|\n"])}])
    behavior = r.choice(["Isolated", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"])
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": r.random() < 0.3}


def random_pretokenizer(r):
    if r.random() < 0.2:
        splits = [{"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False} for pattern in DEEPSEEK]
        return {"type": "Sequence", "pretokenizers": [*splits, {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]}
    if r.random() < 0.3:
        return {"type": "ByteLevel", "add_prefix_space": r.random() < 0.5, "trim_offsets": True, "use_regex": r.random() < 0.7}
    digits = {"type": "Digits", "individual_digits": r.random() < 0.5}
    rules = [random_split(r) if r.random() < 0.7 else digits for _ in range(r.randrange(4))]
    return {"type": "Sequence", "pretokenizers": rules + [{"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": r.random() < 0.3}]}


def random_normalizer(r):
    forms = [{"type": form} for form in ("NFC", "NFD", "NFKC", "NFKD")]
    return r.choice([None, None, *forms, {"type": "Sequence", "normalizers": r.choices(forms, k=2)}])


def random_model(r):
    """Merges that follow from random pairs, in random order half the time; and tokens that no merge gives."""
    tokens = [CHARACTER[b] for b in range(256)]
    parts = [spelled(c) for c in "abc e17<>\n" + "\u0301\u00e9\u4e2d"]
    parts = [c for part in parts for c in part]
    merges = []
    for _ in range(r.randrange(40)):
        left, right = r.choice(parts), r.choice(parts)
        if [left, right] not in merges:
            merges.append([left, right])
            parts.append(left + right)
            tokens.append(left + right)
    if r.random() < 0.5:
        r.shuffle(merges)
    tokens += [spelled(random_text(r, 3) + "a") for _ in range(r.randrange(6))]
    vocab = {token: i for i, token in enumerate(dict.fromkeys(tokens))}
    return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
            "byte_fallback": False, "ignore_merges": r.random() < 0.4, "vocab": vocab, "merges": merges}


def random_added(r, model):
    added, following = [], len(model["vocab"])
    for text in dict.fromkeys(random_text(r, 4) + r.choice(["<s>", "a", "x", " ", ">"]) for _ in range(r.randrange(8))):
        number = model["vocab"].get(text)
        if number is None:
            number, following = following, following + 1
        flags = {flag: r.random() < 0.3 for flag in ("single_word", "lstrip", "rstrip", "normalized", "special")}
        added.append({"id": number, "content": text, **flags})
    return added


def random_file(r):
    model = random_model(r)
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": random_added(r, model), "normalizer": random_normalizer(r),
            "pre_tokenizer": random_pretokenizer(r), "post_processor": None,
            "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}, "model": model}


def quern(folder, texts):
    with open(f"{folder}/texts.jsonl", "w") as out:
        out.writelines(json.dumps({"text": text}) + "\n" for text in texts)
    done = subprocess.run(["quern-tokenizer", "encode", "-q", "-j", "1", "--special", "parse", "-t", f"{folder}/tokenizer.json", f"{folder}/texts.jsonl"],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode:
        return done.stderr.strip()
    return [[int(number) for number in line.split()] for line in done.stdout.split("\n")[:-1]]


def main():
    files, seed = int(sys.argv[1]) if len(sys.argv) > 1 else 300, int(sys.argv[2]) if len(sys.argv) > 2 else 1
    count, refused = 0, {}
    for number in range(seed, seed + files):
        r = random.Random(number)
        made = random_file(r)
        texts = [random_text(r, 25) for _ in range(60)]
        folder = tempfile.mkdtemp()
        with open(f"{folder}/tokenizer.json", "w") as out:
            json.dump(made, out)
        reference = Tokenizer.from_str(json.dumps(made))
        got = quern(folder, texts)
        if isinstance(got, str):
            refused.setdefault(got.split(":", 3)[-1][:100], []).append(number)
            continue
        for text, ids in zip(texts, got, strict=True):
            try:
                wanted = reference.encode(text, add_special_tokens=False).ids
            except BaseException as failure:  # it panics where an lstrip token lies inside what an rstrip before it took
                if "bad split" not in str(failure):
                    raise
                continue
            if ids != wanted:
                print(f"seed {number}, {folder}/tokenizer.json\ntext   {text!a}\nwanted {wanted}\ngot    {ids}")
                return 1
        count += 1
        subprocess.run(["rm", "-r", folder], check=True)
    print(f"{count} files and {60 * count} texts are equal, {files - count} files refused")
    for reason, seeds in refused.items():
        print(f"    {len(seeds)} {reason} (seed {seeds[0]})")
    return 0


sys.exit(main())

"""Normal forms against Hugging Face's normalizers: every code point, and random strings of what composes, reorders and decomposes.

    normalization_hf.py                  through quern-tokenizer: with a vocabulary of the 256 bytes alone, decode(encode(text)) is the normal form
    normalization_hf.py --golden FILE    writes the sample that tests/tokenizer/test_normalization.c compares with
"""
import json
import random
import subprocess
import sys
import tempfile
import unicodedata

from tokenizers import normalizers

FORMS = ("NFC", "NFD", "NFKC", "NFKD")
PARTS = [0x41, 0x61, 0x65, 0xE9, 0xEA, 0x1A1, 0x1E69, 0x212B, 0x3B1, 0x1F71, 0x915, 0x928, 0x93C, 0x9BE, 0x9C7, 0x9D7, 0xBC6, 0xBBE, 0xDD9, 0xDCF, 0xDCA,
         0x1100, 0x1112, 0x1161, 0x1175, 0x11A7, 0x11A8, 0x11C2, 0xAC00, 0xAC01, 0xD788, 0xD7A3, 0x3042, 0x304B, 0x30AB, 0x3099, 0x309A, 0xFB1D, 0xFDFA,
         0x1D15E, 0x1D165, 0x2F800, 0xFF21, 0xFF76, 0xFF9E, 0xE01, 0xE33, 0xE38, 0xE48, 0x200D, 0xFFFD]
MARKS = [code for code in range(0x20000) if unicodedata.combining(chr(code))]
CHANGED = [code for code in range(0x30000) if unicodedata.decomposition(chr(code))]


def scalar(code):
    return " " if 0xD800 <= code < 0xE000 else chr(code)


def random_text(r, longest):
    pools = (PARTS, PARTS, MARKS, MARKS, CHANGED, range(0x20, 0x7F), range(0x4E00, 0x9FFF), range(0x110000))
    text = "".join(scalar(r.choice(r.choice(pools))) for _ in range(r.randrange(1, longest)))
    return text + scalar(r.choice(MARKS)) * 40 + scalar(r.choice(MARKS)) if r.random() < 0.02 else text


def golden(path):
    r = random.Random(4)
    texts = [random_text(r, 12) for _ in range(300)] + [scalar(code) for code in r.sample(CHANGED, 60)]
    with open(path, "w") as out:
        for text in texts:
            columns = [text] + [getattr(normalizers, form)().normalize_str(text) for form in FORMS]
            out.write(";".join(" ".join(f"{ord(c):04X}" for c in column) for column in columns) + "\n")


def vocabulary(form):
    """A tokenizer.json of the 256 bytes, without merges, that normalizes."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    characters = [chr(b) for b in visible] + [chr(0x100 + i) for i in range(68)]
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": {"type": form},
            "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
            "post_processor": None, "decoder": byte_level,
            "model": {"type": "BPE", "vocab": {c: i for i, c in enumerate(characters)}, "merges": []}}


def quern(folder, form, texts):
    with open(f"{folder}/{form}.json", "w") as out:
        json.dump(vocabulary(form), out)
    with open(f"{folder}/texts.jsonl", "w") as out:
        out.writelines(json.dumps({"text": text}) + "\n" for text in texts)
    ids = subprocess.run(["quern-tokenizer", "encode", "-q", "-t", f"{folder}/{form}.json", f"{folder}/texts.jsonl"], stdout=subprocess.PIPE, check=True).stdout
    with open(f"{folder}/ids", "wb") as out:
        out.write(ids)
    lines = subprocess.run(["quern-tokenizer", "decode", "-q", "-t", f"{folder}/{form}.json", "--format", "jsonl", f"{folder}/ids"], stdout=subprocess.PIPE, check=True)
    return [json.loads(line)["text"] for line in lines.stdout.split(b"\n") if line] # not splitlines, which knows more line ends than JSON lines have


def main():
    r = random.Random(5)
    texts = [scalar(code) + suffix for suffix in ("", "\u0301", "\u0334", "\u09be") for code in range(1, 0x110000 if not suffix else 0x30000)]
    texts += [random_text(r, 60) for _ in range(50000)]
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMS:
            normalize = getattr(normalizers, form)().normalize_str
            wrong = [text for text, got in zip(texts, quern(folder, form, texts), strict=True) if normalize(text) != got]
            failed |= bool(wrong)
            print(f"{form}: {len(texts)} texts, {len(wrong)} differ", *[ascii(text) for text in wrong[:3]])
    return failed


if len(sys.argv) == 3 and sys.argv[1] == "--golden":
    golden(sys.argv[2])
else:
    sys.exit(main())

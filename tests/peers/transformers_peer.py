"""A folder that quern-tokenizer export writes, loaded by transformers: the same ids, the same text back, the special tokens under their names.

    transformers_peer.py [TOKENIZER...]     the golden vocabulary where none is given
"""
import json
import os
import random
import subprocess
import sys
import tempfile

from transformers import AutoTokenizer

PARTS = ["the mill ", "Hello, world!", " ", "  ", "\n", "\n\n", "\t", "1234567", "don't", "caf\u00e9", "cafe\u0301", "\u4f60\u597d", "\u30ab\u30bf", "\u0e20\u0e32\u0e29\u0e32", "\ud55c\uad6d",
         "\U0001f600", "<\uff5cbegin\u2581of\u2581sentence\uff5c>", "<\uff5cUser\uff5c>", "<|EOT|>", "<|endoftext|>", "<|im_start|>", "x <|im_end|> y", "...!?"]


def encode(tokenizer, folder, texts):
    with open(f"{folder}/texts.jsonl", "w") as out:
        out.writelines(json.dumps({"text": text}) + "\n" for text in texts)
    lines = subprocess.run(["quern-tokenizer", "encode", "-q", "-t", tokenizer, "--special", "parse", f"{folder}/texts.jsonl"], stdout=subprocess.PIPE, check=True)
    return [[int(number) for number in line.split()] for line in lines.stdout.decode().split("\n")[:-1]]


def check(tokenizer, folder):
    r = random.Random(6)
    texts = ["".join(r.choice(PARTS) for _ in range(r.randrange(12))) for _ in range(2000)]
    subprocess.run(["quern-tokenizer", "export", "-q", "-t", tokenizer, "-o", f"{folder}/out"], check=True)
    loaded = AutoTokenizer.from_pretrained(f"{folder}/out")
    for text, ids in zip(texts, encode(tokenizer, folder, texts), strict=True):
        wanted = loaded(text, add_special_tokens=True)["input_ids"]
        if wanted != ids:
            print(f"{tokenizer}\ntext         {text!a}\ntransformers {wanted}\nquern        {ids}")
            return False
        if loaded.backend_tokenizer.normalizer is None and loaded.decode(wanted) != text:
            print(f"{tokenizer}: {text!a} comes back as {loaded.decode(wanted)!a}")
            return False
    named = {key: getattr(loaded, key) for key in ("bos_token", "eos_token", "pad_token")}
    print(f"transformers: {type(loaded).__name__}, {len(texts)} texts are equal, {named}, {len(loaded)} tokens")
    return True


def main():
    golden = os.path.join(os.environ.get("QUERN_SOURCE", "."), "tests/tokenizer/golden/tokenizer.json")
    for tokenizer in sys.argv[1:] or [golden]:
        with tempfile.TemporaryDirectory() as folder:
            if not check(tokenizer, folder):
                return 1
    return 0


sys.exit(main())

"""quern-tokenizer against Hugging Face tokenizers.

  tokenizer_hf.py [--long]     compare; exit 1 at the first difference. With QUERN_DATA set, on real text too; --long: 128,000 tokens, all languages
  tokenizer_hf.py --write      make tests/tokenizer/golden/ anew: the vocabulary by quern, the ids and pieces by Hugging Face

quern-tokenizer is found in PATH, the source by its own place. tokenizers 0.23.3 is what the golden files were made with.
"""
import io, json, os, random, subprocess, sys, tempfile
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "tokenizer", "golden")
WORDS, VOCABULARY, TEXTS = (os.path.join(GOLDEN, name) for name in ("words.txt", "tokenizer.json", "texts.jsonl"))
GOLDEN_VOCAB_SIZE = 1200
DATA = os.environ.get("QUERN_DATA")
SPLITS = [r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
          "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
          "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]


def quern(*arguments, data=None):
    done = subprocess.run(["quern-tokenizer", *arguments], input=data, capture_output=True)
    if done.returncode:
        sys.exit(f"quern-tokenizer {' '.join(arguments)}: exit {done.returncode}: {done.stderr.decode()}")
    return done.stdout


def check(what, same):
    print(("same: " if same else "DIFFERENT: ") + what, flush=True)
    if not same:
        sys.exit(1)


def pre_tokenizer():
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(s), "isolated") for s in SPLITS]
                                   + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def pieces(tokenizer, text):
    """The lengths of the pieces in bytes: of the text that their offsets, which count characters, cut out."""
    return [len(text[start:end].encode()) for _, (start, end) in tokenizer.pre_tokenizer.pre_tokenize_str(text)]


def hf_train(texts, special, vocab_size, min_frequency=0, max_token_length=None):
    """(left, right) of every merge, as byte-level strings, in order."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    more = {} if max_token_length is None else {"max_token_length": max_token_length}
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=min_frequency, special_tokens=special, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **more))
    return model_of(json.loads(tokenizer.to_str()))


def model_of(tokenizer_json):
    model = tokenizer_json["model"]
    return model["vocab"], [tuple(m if isinstance(m, list) else m.split(" ")) for m in model["merges"]]


def quern_train(texts, vocab_size, min_frequency=0, max_token_length=None):
    with tempfile.TemporaryDirectory() as folder:
        source, out = os.path.join(folder, "texts.jsonl"), os.path.join(folder, "t.json")
        with open(source, "w", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
        more = []
        if min_frequency:
            more += ["--min-frequency", str(min_frequency)]
        if max_token_length:
            more += ["--max-token-length", str(max_token_length)]
        quern("train", source, "-o", out, "--vocab-size", str(vocab_size), *more)
        with open(out, encoding="utf-8") as file:
            return json.load(file)


def compare_training(what, texts, vocab_size, min_frequency=0, max_token_length=None):
    ours = quern_train(texts, vocab_size, min_frequency, max_token_length)
    special = [token["content"] for token in ours["added_tokens"]]
    vocab, merges = hf_train(texts, special, vocab_size, min_frequency, max_token_length)
    our_vocab, our_merges = model_of(ours)
    check(f"{what}: {len(merges)} merges, {len(vocab)} ids", our_merges == merges and our_vocab == vocab)


def ids_by_quern(tokenizer_path, texts, special="text"):
    lines = "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts).encode()
    out = quern("encode", "-t", tokenizer_path, "--format", "jsonl", "--special", special, "-", data=lines)
    return [[int(id) for id in line.split()] for line in out.decode().split("\n")[:-1]]


# Random strings: all of Unicode, mixed scripts, and what the patterns name more often than the rest.
AWKWARD = (" \n\r\t\x00\x0b\x7f\x85\xa0\xad'\"$_~09aZ\xb2\xbd\xe9\u0300\u0301\u0661\u1680\u180e\u2003\u200b\u2028\u2162\u3000\u3005\u3007"
           "\u3040\u3042\u3099\u309b\u309f\u30a0\u30a2\u30fb\u30fc\u30ff\u3100\u4dff\u4e00\u6587\u9fa5\u9fa6\uac00\u0e01\u0e31\uff0c\ufffd"
           "\U00010940\U00010d40\U00010d4a\U0001f600\U00020000\U000e0001\U0010ffff")


def random_text(dice, longest=40):
    def character():
        kind = dice.random()
        if kind < 0.4:
            return dice.choice(AWKWARD)
        if kind < 0.65:
            return chr(dice.randrange(0x80))
        if kind < 0.75:
            return chr(dice.randrange(0x3000, 0x3200))
        if kind < 0.85:
            return chr(dice.randrange(0x4E00, 0x9FC0))
        code = dice.randrange(0x110000 - 0x800)
        return chr(code if code < 0xD800 else code + 0x800)
    return "".join(character() * (1 if dice.random() < 0.9 else dice.randrange(2, 7)) for _ in range(dice.randrange(longest)))


def golden_texts():
    with open(WORDS, encoding="utf-8") as file:
        words = file.read()
    texts = ["", " ", "  ", "\n", "\r\n", "\t\t x", " \n \n ", "a  b", "a \n\n  b", "x" * 300, "ab" * 200, "石" * 150, " " * 100 + "\n" + " " * 9,
             "<|EOT|>", "<｜User｜> hello <｜Assistant｜>", "don't, WE'LL, l'eau", "1234567890 12 ½ Ⅷ ②", "end.\r\n\r\nnext", words]
    texts += [line for line in words.split("\n") if line]
    dice = random.Random(2026)
    return texts + [random_text(dice) for _ in range(240)]


def hf_golden(tokenizer_path):
    """A line for each golden text. Special tokens are text here, as quern's default is: the tokenizer is loaded without them."""
    with open(tokenizer_path, encoding="utf-8") as file:
        bare = json.load(file)
    bare["added_tokens"] = []
    tokenizer = Tokenizer.from_str(json.dumps(bare))
    return "".join(json.dumps({"text": text, "ids": tokenizer.encode(text).ids, "pieces": pieces(tokenizer, text)}, ensure_ascii=False) + "\n"
                   for text in golden_texts())


def write():
    quern("train", WORDS, "-o", VOCABULARY, "--vocab-size", str(GOLDEN_VOCAB_SIZE))
    with open(TEXTS, "w", encoding="utf-8") as file:
        file.write(hf_golden(VOCABULARY))


def random_corpus(dice):
    letters = dice.choice(["ab", "abc", "abcd", "a\xe9", "ab\u4e00\u4e8c", "abcdefgh", "a"])
    longest = dice.choice([3, 8, 30, 200])
    def text():
        return " ".join("".join(dice.choice(letters) for _ in range(dice.randint(1, longest))) for _ in range(dice.randint(1, 60)))
    return [text() for _ in range(dice.randint(1, 12))]


def compare_fuzz(what, tokenizer_path, count, seed):
    dice = random.Random(seed)
    texts = [random_text(dice, 120) for _ in range(count)]
    tokenizer = Tokenizer.from_file(tokenizer_path)
    wanted = [encoded.ids for encoded in tokenizer.encode_batch(texts, add_special_tokens=False)]
    check(f"{what}: ids of {count} random texts", ids_by_quern(tokenizer_path, texts, "parse") == wanted)


def data_texts(languages):
    import zstandard
    for name in languages:
        with open(os.path.join(DATA, "text", name), "rb") as raw:
            for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True), encoding="utf-8"):
                yield json.loads(line)["text"]


def compare_data(long):
    import zstandard
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "deepseek.json")
        with open(os.path.join(DATA, "tokenizers", "deepseek.tokenizer.json.zst"), "rb") as raw, open(path, "wb") as out:
            zstandard.ZstdDecompressor().copy_stream(raw, out)
        with open(os.path.join(DATA, "tokenizers", "deepseek.golden.jsonl.zst"), "rb") as raw:
            golden = [json.loads(line) for line in zstandard.ZstdDecompressor().stream_reader(raw).read().decode().splitlines()]
        check(f"DeepSeek-V3: ids of {len(golden)} golden texts",
              ids_by_quern(path, [g["text"] for g in golden], "parse") == [g["ids"] for g in golden])
        compare_fuzz("DeepSeek-V3", path, 1000000 if long else 20000, 1)
    if long:
        compare_training("all of data/text", list(data_texts(sorted(os.listdir(os.path.join(DATA, "text"))))), 128000)
    else:
        compare_training("en, zh-Hans, th of data/text", list(data_texts(f"{name}.jsonl.zst" for name in ("en", "zh-Hans", "th"))), 8000)


def main():
    if sys.argv[1:] == ["--write"]:
        return write()
    with open(VOCABULARY, encoding="utf-8") as file:
        vocab, merges = model_of(json.load(file))
    with open(WORDS, encoding="utf-8") as file:
        words = file.read()
    with open(TEXTS, encoding="utf-8") as file:
        check("the golden ids and pieces", file.read() == hf_golden(VOCABULARY))
    compare_training("the golden words", [words], GOLDEN_VOCAB_SIZE)
    for seed in range(50):
        dice = random.Random(seed)
        compare_training(f"random corpus {seed}", random_corpus(dice), dice.choice([290, 320, 500, 800]), dice.choice([0, 0, 2, 3]),
                         dice.choice([None, None, 4, 6, 9]))
    compare_fuzz("golden vocabulary", VOCABULARY, 20000, 7)
    if DATA:
        compare_data("--long" in sys.argv)


main()

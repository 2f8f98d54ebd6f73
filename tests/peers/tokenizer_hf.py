"""quern-tokenizer against Hugging Face tokenizers: pieces, ids, merges. Exit 1 where anything differs.

  tokenizer_hf.py [--long] [--keep FOLDER] [PART...]   compare. With QUERN_DATA set, on real text too. --long: a million random texts, all languages, a vocabulary of 128,000.
                                                       FOLDER gets the summary tokenizer.json and keeps what Hugging Face needs long for. PART: only the
                                                       parts golden, bytes, training, configurations, DeepSeek-V3, Qwen2.5, large
  tokenizer_hf.py --write                              make tests/tokenizer/golden/ anew: the vocabulary by quern, the ids and pieces by Hugging Face

quern-tokenizer is found in PATH, the source by its own place. tokenizers 0.23.3 is what the golden files were made with.
"""
import argparse, io, json, os, random, subprocess, sys, tempfile, time

os.environ.setdefault("RAYON_NUM_THREADS", str(len(os.sched_getaffinity(0))))
os.environ["TOKENIZERS_PARALLELISM"] = "true"
import tokenizers
import zstandard
from tokenizers import Tokenizer

import hf_reference as hf
from peer_configurations import about_configuration, changed, golden_configurations, random_configuration
from peer_texts import random_bytes, random_texts

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "..", "tokenizer", "golden")
WORDS, VOCABULARY, TEXTS, CONFIGURATIONS = (os.path.join(GOLDEN, name) for name in ("words.txt", "tokenizer.json", "texts.jsonl", "configurations.jsonl"))
GOLDEN_VOCAB_SIZE = 1200
DATA = os.environ.get("QUERN_DATA")
# Texts that one call of quern gets; a difference is looked for inside of them.
CHUNK_BYTES = 24 << 20


def quern(*arguments, data=None):
    done = subprocess.run(["quern-tokenizer", *arguments], input=data, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"quern-tokenizer {' '.join(arguments)[:300]}: exit {done.returncode}: {done.stderr.decode(errors='replace')[:500]}")
    return done.stdout


class Summary:
    """What was compared, printed as it comes and kept as JSON, and in sum as a page that bench/subjects/tokenizer.sh quotes."""

    def __init__(self, folder, long):
        self.path = os.path.join(folder, "tokenizer") if folder else None
        self.checks, self.failed, self.started, self.long = [], 0, time.time(), long

    def check(self, what, same, detail="", group=None, **counts):
        self.failed += not same
        self.checks.append({"what": what, "same": same, "group": group or what, "seconds": round(time.time() - self.started, 1), **counts})
        about = ", ".join(f"{value:,} {name}" for name, value in counts.items())
        print(f"{'same' if same else 'DIFFERENT'}: {what}{': ' + about if about else ''}" + (f"\n    {detail}" if not same and detail else ""), flush=True)
        if self.path:
            about = {"reference": "tokenizers " + tokenizers.__version__, "long": self.long, "different": self.failed, "checks": self.checks}
            write_whole(self.path + ".json", json.dumps(about, indent=1))
            write_whole(self.path + ".md", self.page())

    def page(self):
        groups = {}
        for check in self.checks:
            row = groups.setdefault(check["group"], {"checks": 0, "different": 0, "texts": 0, "bytes": 0, "tokens": 0, "merges": 0})
            row["checks"] += 1
            row["different"] += not check["same"]
            for name in ("texts", "bytes", "tokens", "merges"):
                row[name] += check.get(name, 0)
        lines = ["## Beside Hugging Face", "", f"`make check-peers{' LONG=1' if self.long else ''}` with tokenizers {tokenizers.__version__}: {len(self.checks)} comparisons, {self.failed} different.", "",
                 "| compared | texts | bytes | tokens | merges | comparisons | different |", "|---|---|---|---|---|---|---|"]
        for name, row in groups.items():
            cells = [f"{row[key]:,}" if row[key] else "-" for key in ("texts", "bytes", "tokens", "merges")]
            lines.append(f"| {name} | {' | '.join(cells)} | {row['checks']} | {row['different']} |")
        return "\n".join(lines) + "\n"


def write_whole(path, text):
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".part", path)


def jsonl(texts):
    return "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts).encode()


def ids_by_quern(path, texts, special="parse"):
    return quern("encode", "-t", path, "--format", "jsonl", "--special", special, "-", data=jsonl(texts))


def first_difference(texts, wanted, got):
    """For people: the first text whose line of ids differs."""
    wanted, got = wanted.decode().split("\n"), got.decode().split("\n")
    bad = [i for i in range(len(texts)) if i >= len(got) or wanted[i] != got[i]]
    if not bad:
        return f"{len(got) - 1} lines for {len(texts)} texts"
    i = min(bad, key=lambda i: len(texts[i]))
    return f"{len(bad)} of {len(texts)} texts; the shortest: {ascii(texts[i])[:400]}\n    wanted {wanted[i][:300]}\n    got    {got[i][:300] if i < len(got) else None}"


class Vocabulary:
    """A tokenizer.json for both."""

    def __init__(self, name, path, run):
        self.name, self.path, self.run = name, path, run
        with open(path, "rb") as file:
            self.bytes = file.read()
        self.special = [token["content"] for token in json.loads(self.bytes)["added_tokens"]]
        self.tokenizer = Tokenizer.from_file(path)

    def lines(self, texts, keep):
        make = lambda: hf.id_lines(self.tokenizer, texts)
        return self.run.kept.get([self.bytes, jsonl(texts)], make) if keep else make()

    def compare(self, what, texts, keep=False, group=None):
        """Ids of texts, in chunks; `texts` may be a generator."""
        count = size = tokens = 0
        detail = ""
        for chunk in hf.batches(texts, CHUNK_BYTES):
            wanted = self.lines(chunk, keep)
            got = ids_by_quern(self.path, chunk)
            count += len(chunk)
            size += sum(len(text.encode()) for text in chunk)
            tokens += wanted.count(b" ") + len(chunk)
            if got != wanted:
                detail = first_difference(chunk, wanted, got)
                break
        self.run.summary.check(f"{self.name}: ids of {what}", not detail, detail, f"{self.name}: ids of {group or what}", texts=count, bytes=size, tokens=tokens)

    def compare_bytes(self, count, seed):
        """Bytes that are no UTF-8: the ids of the cut that the repaired text has, and every byte back."""
        texts = random_bytes(seed, count)
        with tempfile.TemporaryDirectory() as folder:
            paths = [os.path.join(folder, str(i)) for i in range(count)]
            for path, text in zip(paths, texts):
                with open(path, "wb") as file:
                    file.write(text)
            differ, back = [], True
            for at in range(0, count, 2000):
                lines = quern("encode", "-t", self.path, "--format", "text", *paths[at:at + 2000])
                wanted = [" ".join(map(str, hf.ids_of_bytes(self.tokenizer, text))) for text in texts[at:at + 2000]]
                differ += [(text, w, g) for text, w, g in zip(texts[at:], wanted, lines.decode().split("\n")) if w != g]
                ids = quern("encode", "-t", self.path, "--format", "text", "--binary", *paths[at:at + 2000])
                back = back and quern("decode", "-t", self.path, "--binary", data=ids) == b"".join(texts[at:at + 2000])
        self.run.summary.check(f"{self.name}: ids of bytes that are no UTF-8", not differ, str(differ[:1])[:600], texts=count)
        self.run.summary.check(f"{self.name}: any bytes come back", back, texts=count)


def quern_train(sources, vocab_size, min_frequency=0, max_token_length=None):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "t.json")
        if not isinstance(sources[0], os.PathLike):
            sources, texts = [os.path.join(folder, "texts.jsonl")], sources
            with open(sources[0], "wb") as file:
                file.write(jsonl(texts))
        more = ["--min-frequency", str(min_frequency)] if min_frequency else []
        more += ["--max-token-length", str(max_token_length)] if max_token_length else []
        quern("train", *map(str, sources), "-o", out, "--vocab-size", str(vocab_size), *more)
        with open(out, encoding="utf-8") as file:
            return json.load(file)


def random_corpus(dice):
    """Few letters, so that most counts are equal: ties decide."""
    letters = dice.choice(["ab", "abc", "abcd", "a\xe9", "ab\u4e00\u4e8c", "abcdefgh", "a", "a'1", "ab\n", "\u0e01\u0e31\u0e32"])
    longest = dice.choice([3, 8, 30, 200])
    def text():
        return " ".join("".join(dice.choice(letters) for _ in range(dice.randint(1, longest))) for _ in range(dice.randint(1, 60)))
    return [text() for _ in range(dice.randint(1, 12))]


def golden_texts():
    with open(WORDS, encoding="utf-8") as file:
        words = file.read()
    texts = ["", " ", "  ", "\n", "\r\n", "\t\t x", " \n \n ", "a  b", "a \n\n  b", "x" * 300, "ab" * 200, "石" * 150, " " * 100 + "\n" + " " * 9,
             "<|EOT|>", "<｜User｜> hello <｜Assistant｜>", "don't, WE'LL, l'eau", "1234567890 12 ½ Ⅷ ②", "end.\r\n\r\nnext", words]
    texts += [line for line in words.split("\n") if line]
    return texts + [text[:200] for text in random_texts(2026, 240)]


def hf_golden(tokenizer_path, texts):
    """A line for each text. Special tokens are text here, as quern's default is: the tokenizer is loaded without them."""
    with open(tokenizer_path, encoding="utf-8") as file:
        bare = json.load(file)
    bare["added_tokens"] = []
    tokenizer = Tokenizer.from_str(json.dumps(bare))
    return "".join(json.dumps({"text": text, "ids": tokenizer.encode(text).ids, "pieces": hf.pieces(tokenizer, text)}, ensure_ascii=False) + "\n"
                   for text in texts)


def hf_golden_configurations(cases):
    """A line for each (configuration, texts): what differs from the golden vocabulary, the texts and their ids, special tokens parsed."""
    with open(VOCABULARY, encoding="utf-8") as file:
        golden = json.load(file)
    out = []
    for (name, change), texts in cases:
        tokenizer = Tokenizer.from_str(json.dumps(changed(golden, change)))
        texts, _ = hf.id_lines_of_what_it_can(tokenizer, texts)
        ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
        out.append(json.dumps({"name": name, "change": change, "texts": texts, "ids": ids}, ensure_ascii=False) + "\n")
    return "".join(out)


def write_configurations():
    with open(VOCABULARY, encoding="utf-8") as file:
        golden = json.load(file)
    cases = []
    for seed, (name, change) in enumerate(golden_configurations(golden)):
        # Without U+0000, which the test's reader of JSON does not take.
        texts = [text[:120].replace("\x00", "\x01") for text in random_texts(seed, 48, [token["content"] for token in change["added_tokens"]] * 2 + ["cafe\u0301", " mill "])]
        cases.append(((name, change), texts + ["<tok> a mill  <|END|>  caf\u00e9 cafe\u0301\n\n \n x \u2460"]))
    with open(CONFIGURATIONS, "w", encoding="utf-8") as file:
        file.write(hf_golden_configurations(cases))


def write():
    quern("train", WORDS, "-o", VOCABULARY, "--vocab-size", str(GOLDEN_VOCAB_SIZE))
    with open(TEXTS, "w", encoding="utf-8") as file:
        file.write(hf_golden(VOCABULARY, golden_texts()))
    write_configurations()


def data_texts(names):
    for name in names:
        with open(os.path.join(DATA, "text", name), "rb") as raw:
            for line in io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True), encoding="utf-8"):
                yield json.loads(line)["text"]


class Run:
    """The parts, one method each; `long` is the whole evidence, else what takes a minute or two."""

    def __init__(self, options):
        self.long = options.long
        self.summary = Summary(options.keep, options.long)
        self.kept = hf.Kept(os.path.join(options.keep, "kept") if options.keep else None)
        self.folder = tempfile.TemporaryDirectory()

    def parts(self):
        yield "golden", self.golden
        yield "bytes", self.bytes
        yield "training", self.training
        yield "configurations", self.configurations
        if DATA:
            yield "DeepSeek-V3", lambda: self.real("DeepSeek-V3", "deepseek")
            yield "Qwen2.5", lambda: self.real("Qwen2.5", "qwen2_5")
            yield "large", self.large

    def golden(self):
        with open(TEXTS, encoding="utf-8") as file:
            lines = file.read()
        texts = [json.loads(line)["text"] for line in lines.split("\n")[:-1]]
        self.summary.check("the committed golden ids and pieces", lines == hf_golden(VOCABULARY, texts), texts=len(texts))
        with open(CONFIGURATIONS, encoding="utf-8") as file:
            lines = file.read()
        cases = [((case["name"], case["change"]), case["texts"]) for case in map(json.loads, lines.split("\n")[:-1])]
        self.summary.check("the committed ids of other configurations", lines == hf_golden_configurations(cases), texts=sum(len(texts) for _, texts in cases))
        golden = Vocabulary("golden vocabulary", VOCABULARY, self)
        golden.compare("random texts", random_texts(7, 20000, golden.special))

    def bytes(self):
        Vocabulary("golden vocabulary", VOCABULARY, self).compare_bytes(20000 if self.long else 4000, 3)

    def compare_training(self, what, texts, vocab_size, min_frequency=0, max_token_length=None, sources=None, group=None):
        ours = quern_train(sources or texts, vocab_size, min_frequency, max_token_length)
        special = [token["content"] for token in ours["added_tokens"]]
        parameters = [special, vocab_size, min_frequency, max_token_length]
        make = lambda: json.dumps(hf.model_of(hf.train(texts, *parameters))).encode()
        vocab, merges = json.loads(self.kept.get(["train", parameters, jsonl(texts)], make) if sources else make())
        our_vocab, our_merges = hf.model_of(ours)
        differ = next((i for i, (a, b) in enumerate(zip(our_merges, merges)) if list(a) != list(b)), min(len(merges), len(our_merges)))
        self.summary.check(f"{what}: vocabulary and merges", our_vocab == vocab and list(map(list, our_merges)) == list(map(list, merges)),
                           f"{len(our_merges)} merges for {len(merges)}, from {differ} on: {our_merges[differ:differ + 3]} for {merges[differ:differ + 3]}",
                           group=f"{group or what}: vocabulary and merges", merges=len(merges), bytes=sum(len(text.encode()) for text in texts))

    def training(self):
        with open(WORDS, encoding="utf-8") as file:
            self.compare_training("the golden words", [file.read()], GOLDEN_VOCAB_SIZE)
        for seed in range(50):
            dice = random.Random(seed)
            self.compare_training(f"random corpus {seed}", random_corpus(dice), dice.choice([290, 320, 500, 800]), dice.choice([0, 0, 2, 3]),
                                  dice.choice([None, None, 4, 6, 9]), group="50 random small corpora with ties")
        for seed in range(4):
            self.compare_training(f"random texts {seed}", random_texts(seed, 3000), 3000, seed, (None, 8)[seed % 2], group="4 corpora of random texts")

    def configurations(self):
        """Random tokenizer.json files: ids as Hugging Face's, or refused by name (exit 3)."""
        with open(VOCABULARY, encoding="utf-8") as file:
            golden = json.load(file)
        path, refused, crashes = os.path.join(self.folder.name, "made.json"), {}, 0
        for seed in range(1500 if self.long else 150):
            about, made = random_configuration(random.Random(seed), golden)
            with open(path, "w", encoding="utf-8") as file:
                json.dump(made, file, ensure_ascii=False)
            given = 240
            texts = random_texts(seed, given, [token["content"] for token in made["added_tokens"]] or ["<tok>"])
            texts, wanted = hf.id_lines_of_what_it_can(Tokenizer.from_file(path), texts)
            crashes += given - len(texts)
            try:
                got = ids_by_quern(path, texts)
            except RuntimeError as error:
                if ": exit 3: " not in str(error):
                    self.summary.check(f"configuration {seed}", False, str(error), group="random tokenizer.json files: ids")
                why = str(error).split(": exit 3: ")[-1].split(": ", 2)[-1].strip()
                refused.setdefault(why.replace(path, "made.json"), []).append(seed)
                continue
            self.summary.check(f"configuration {seed} ({about}): ids", got == wanted,
                               "" if got == wanted else f"{json.dumps(about_configuration(made), ensure_ascii=True)}\n    {first_difference(texts, wanted, got)}",
                               group="random tokenizer.json files: ids", texts=len(texts), tokens=wanted.count(b" "))
        print(f"{crashes} texts were too much for the reference itself and were left out")
        for why, seeds in refused.items():
            print(f"refused: {len(seeds)} (first {seeds[0]}): {ascii(why)}")

    def real(self, name, file):
        path = os.path.join(self.folder.name, file + ".json")
        with open(os.path.join(DATA, "tokenizers", file + ".tokenizer.json.zst"), "rb") as raw, open(path, "wb") as out:
            zstandard.ZstdDecompressor().copy_stream(raw, out)
        with open(os.path.join(DATA, "tokenizers", file + ".golden.jsonl.zst"), "rb") as raw:
            golden = [json.loads(line) for line in zstandard.ZstdDecompressor().stream_reader(raw).read().decode().rstrip("\n").split("\n")]
        vocabulary = Vocabulary(name, path, self)
        texts = [g["text"] for g in golden]
        wanted = "".join(" ".join(map(str, g["ids"])) + "\n" for g in golden).encode()
        got = ids_by_quern(path, texts)
        self.summary.check(f"{name}: ids of the golden texts", got == wanted, first_difference(texts, wanted, got) if got != wanted else "", texts=len(texts))
        vocabulary.compare_bytes(20000 if self.long else 1000, 4) if file == "deepseek" else None
        for seed in range(20 if self.long else 1):
            vocabulary.compare(f"random texts, seed {seed}", random_texts(seed, 50000 if self.long else 20000, vocabulary.special), keep=True, group="random texts")
        names = sorted(os.listdir(os.path.join(DATA, "text")))
        for language in names if self.long else ["th.jsonl.zst", "ar.jsonl.zst"]:
            vocabulary.compare(f"data/text/{language}", data_texts([language]), keep=True, group="all of data/text" if self.long else "two languages of data/text")

    def large(self):
        if self.long:
            names, size = sorted(os.listdir(os.path.join(DATA, "text"))), 128000
        else:
            names, size = ["ar.jsonl.zst", "hi.jsonl.zst", "th.jsonl.zst"], 8000
        from pathlib import Path
        self.compare_training("all of data/text" if self.long else "ar, hi, th of data/text", list(data_texts(names)), size,
                              sources=[Path(DATA, "text", name) for name in names])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--keep")
    parser.add_argument("parts", nargs="*")
    options = parser.parse_args()
    if options.write:
        return write()
    run = Run(options)
    parts = dict(run.parts())
    if unknown := set(options.parts) - set(parts):
        parser.error(f"no part {', '.join(sorted(unknown))} (or QUERN_DATA is not set)")
    for name, part in parts.items():
        if options.parts and name not in options.parts:
            continue
        try:
            part()
        except RuntimeError as error:  # quern's exit code and line
            run.summary.check(f"{name}: not finished", False, str(error))
    print(f"{len(run.summary.checks)} comparisons, {run.summary.failed} different")
    sys.exit(1 if run.summary.failed else 0)


if __name__ == "__main__":
    main()

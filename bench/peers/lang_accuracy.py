"""Accuracy of language identification on labelled text, as Markdown tables: quern's with CLD2, and with a fastText model through quern's own reader.

  lang_accuracy.py QUERN_CORPUS TEXT_FOLDER [MODEL]

QUERN_CORPUS: the program. TEXT_FOLDER: LANG.jsonl.zst files of {"id", "source", "text"}, mul.jsonl.zst with the Universal Declaration of Human Rights
(source "udhr", id: ISO 639-3 code, "_" and a variant). MODEL: lid.176.bin or .ftz; without one, CLD2 alone.

Paragraphs: lines of at least 100 bytes, the 400 of each language with the smallest hashes, no more than 8 of a document. A translation's lines that were left in English are no
mistakes of the identifier, and no list says which they are. Marked English, and counted apart, is a line of another language's file that stands as it is in
a document of the English file, or all of whose letters are ASCII and of whose words a third are among the 40 commonest of English.
Documents: all of 2,048 bytes and more, cut at 20,000, but of no more than 200 a language, those with the smallest hashes; their languages as the files say.
Declarations: the first 1,000 bytes of each, of languages that CLD2 is said to know.
"""
import collections, hashlib, json, os, re, subprocess, sys, tempfile

PARAGRAPHS, PER_DOCUMENT, BYTES_MIN = 400, 8, 100
ENGLISH = set("the of and to in a is that for it as was with be by on not he i this are or his from at which but have an had they you were their one all we can her has".split())
UDHR = {line.split("=")[0]: line.split("=")[1] for line in """afr=af als=sq amh=am arb=ar azj_latn=az bel=be ben=bn bos_cyrl=bs bos_latn=bs bul=bg cat=ca ceb=ceb ces=cs cmn_hans=zh-Hans
cmn_hant=zh-Hant cym=cy dan=da deu_1901=de deu_1996=de div=dv ell_monotonic=el eng=en est=et eus=eu fin=fi fra=fr gle=ga glg=gl""".split()}


def documents(path):
    process = subprocess.Popen(["zstdcat", path], stdout=subprocess.PIPE)
    for line in process.stdout:
        yield json.loads(line)
    process.wait()


def is_english(line, english):
    if line in english:
        return True
    words = re.findall(r"[a-z]+", line.lower())
    letters_ascii = all(ord(c) < 128 or not c.isalpha() for c in line)
    return letters_ascii and len(words) > 4 and sum(word in ENGLISH for word in words) * 3 >= len(words)


def paragraphs(path, lang, english):
    chosen = []
    for document in documents(path):
        lines = {line.strip() for line in document["text"].split("\n")}
        keyed = sorted((hashlib.sha256(f"{lang} {document['id']} {line}".encode()).hexdigest(), line) for line in lines if len(line.encode()) >= BYTES_MIN)
        chosen = sorted(chosen + keyed[:PER_DOCUMENT])[:PARAGRAPHS]
    return [(lang, line, lang != "en" and is_english(line, english)) for _, line in chosen]


def whole_documents(path, lang):
    keyed = []
    for document in documents(path):
        if len(document["text"].encode()) >= 2048:
            text = document["text"].encode()[:20000].decode("utf-8", "ignore")
            keyed.append((hashlib.sha256(f"{lang} {document['source']} {document['id']}".encode()).hexdigest(), lang, text))
    return [row[1:] for row in sorted(keyed)[:200]]


def identify(program, texts, model):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "texts.jsonl")
        with open(path, "w") as out:
            for text in texts:
                out.write(json.dumps({"text": text}) + "\n")
        command = [program, "check", path] + (["--set", f"corpus.lang_model={model}"] if model else [])
        return [json.loads(line) for line in subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.splitlines()]


def table(rows, names, answers):
    print("| language | paragraphs | " + " | ".join(f"{name} | {name} takes for" for name in names) + " |")
    print("|---|---|" + "---|---|" * len(names))
    sums = collections.Counter()
    for lang in sorted({row[0] for row in rows}):
        mine = [i for i, row in enumerate(rows) if row[0] == lang and not row[2]]
        cells = []
        for name in names:
            wrong = collections.Counter(answers[name][i]["lang"] for i in mine if answers[name][i]["lang"] != lang)
            right = len(mine) - sum(wrong.values())
            sums[name] += right
            cells.append(f"{100 * right / max(1, len(mine)):.1f} | " + ", ".join(f"{other} {count}" for other, count in wrong.most_common(3)))
        sums["all"] += len(mine)
        print(f"| {lang} | {len(mine)} | " + " | ".join(cells) + " |")
    print(f"| all | {sums['all']} | " + " | ".join(f"{100 * sums[name] / sums['all']:.2f} | " for name in names) + "|")
    marked = [i for i, row in enumerate(rows) if row[2]]
    for name in names:
        print(f"\nOf {len(marked)} paragraphs marked English in other languages' files {name} takes {sum(answers[name][i]['lang'] == 'en' for i in marked)} for English.")


def main():
    program, folder, *rest = sys.argv[1:]
    model = rest[0] if rest else None
    english = {line.strip() for document in documents(f"{folder}/en.jsonl.zst") for line in document["text"].split("\n") if len(line.encode()) >= BYTES_MIN}
    rows = []
    for name in sorted(os.listdir(folder)):
        lang = name.removesuffix(".jsonl.zst")
        if name.endswith(".jsonl.zst") and lang != "mul":
            rows += paragraphs(f"{folder}/{name}", lang, english)
    names = {"CLD2": None} | ({os.path.basename(model): model} if model else {})
    table(rows, list(names), {name: identify(program, [row[1] for row in rows], file) for name, file in names.items()})
    whole = [row for name in sorted(os.listdir(folder)) if name.endswith(".jsonl.zst") and name != "mul.jsonl.zst"
             for row in whole_documents(f"{folder}/{name}", name.removesuffix(".jsonl.zst"))]
    print()
    for name, file in names.items():
        right = sum(answer["lang"] == row[0] for row, answer in zip(whole, identify(program, [row[1] for row in whole], file)))
        print(f"Documents: {name} tells {right} of {len(whole)} ({100 * right / len(whole):.2f}%).\n")
    udhr = [(UDHR[d["id"]], d["text"].encode()[:1000].decode("utf-8", "ignore"), d["id"]) for d in documents(f"{folder}/mul.jsonl.zst") if d["source"] == "udhr" and d["id"] in UDHR]
    print()
    for name, file in names.items():
        wrong = [f"{row[2]} as {answer['lang']}" for row, answer in zip(udhr, identify(program, [row[1] for row in udhr], file)) if answer["lang"] != row[0]]
        print(f"Declarations of Human Rights at 1,000 bytes: {name} tells {len(udhr) - len(wrong)} of {len(udhr)}" + (": not " + ", ".join(wrong) if wrong else "") + ".\n")


main()

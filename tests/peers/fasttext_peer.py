"""Our reader of fastText's models against fastText itself: the same labels, and probabilities within 1e-6.

  fasttext_peer.py FASTTEXT_PREDICTIONS TEXT_FOLDER [MODEL...]

Trains a model of every kind on lines of TEXT_FOLDER's LANG.jsonl.zst in the folder it is run in, then asks both for the three likeliest labels of each line. Labels whose
probabilities are the same to 1e-6 may stand in either order. fastText's own probabilities may be 1.00001: they are taken as 1.
"""
import glob, json, os, random, subprocess, sys, time

PER_LANGUAGE, LINES, TRIES = 400, 3000, 20
ODD = ["", "   ", "</s>", "a </s> b c", "__label__x foo bar", "__label__de", "1234", "a", "\tx\x0b y\x0cz", "\u65e5\u672c\u8a9e\u306e\u6587\u7ae0", "\U0001F600 e\u0301", "w" * 5000]
KINDS = {
    "softmax.bin": (dict(dim=16), None),
    "hierarchical.bin": (dict(dim=16, loss="hs", minn=2, maxn=4, bucket=20000), None),
    "one-vs-all.bin": (dict(dim=10, loss="ova", lr=0.02, wordNgrams=2, bucket=5000), None),
    "pruned.ftz": (dict(dim=15, loss="hs", minn=2, maxn=4, bucket=20000), dict(cutoff=3000, qnorm=True)),
    "quantised.ftz": (dict(dim=17, minn=2, maxn=4, wordNgrams=3, bucket=3000), dict(qnorm=False)),
    "quantised-output.ftz": (dict(dim=16, wordNgrams=2, bucket=3000), dict(cutoff=2000, qnorm=True, qout=True, dsub=3)),
}


def lines_of(folder):
    rows = []
    for path in sorted(glob.glob(f"{folder}/*.jsonl.zst")):
        lang, mine = os.path.basename(path).split(".")[0], []
        process = subprocess.Popen(["zstdcat", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for document in process.stdout:
            mine += [(lang, line) for line in json.loads(document)["text"].split("\n") if 60 <= len(line) <= 400]
            if len(mine) >= PER_LANGUAGE:
                break
        process.kill()
        rows += mine[:PER_LANGUAGE]
    random.Random(1).shuffle(rows)
    return rows


def train(fasttext, name, arguments, quantised, rows):
    # Matrices of fewer than 256 rows cannot be quantised: such a model gets labels that mean nothing.
    labels = [f"x{i % 300}" if quantised and quantised.get("qout") else lang for i, (lang, _) in enumerate(rows)]
    with open("train.txt", "w") as out:
        out.writelines(f"__label__{label} {line}\n" for label, (_, line) in zip(labels, rows))
    for attempt in range(TRIES):
        try:  # the library sometimes ends in "Encountered NaN", and the next time does not
            model = fasttext.train_supervised(input="train.txt", epoch=3, thread=1, verbose=0, **arguments)
            break
        except RuntimeError:
            if attempt + 1 == TRIES:
                raise
    if quantised:
        model.quantize(input="train.txt", **quantised)
    model.save_model(name)


def compare(fasttext, program, name, lines):
    process = subprocess.run([program, name, "3"], input="".join(line + "\n" for line in lines).encode(), capture_output=True, check=True)
    model, worst, wrong, seconds = fasttext.load_model(name), 0.0, 0, 0.0
    answers = process.stdout.decode().split("\n")[:-1]
    assert len(answers) == len(lines)
    for line, answer in zip(lines, answers):
        begun = time.thread_time()
        wanted = model.f.predict(line + "\n", 3, 0.0, "strict")
        seconds += time.thread_time() - begun
        words = answer.split()
        found = [] if words == ["none"] else [(words[i], float(words[i + 1])) for i in range(0, len(words), 2)]
        # A hierarchical softmax of fastText's gives no labels below 1e-5.
        if len(found) < len(wanted) or any(p > 2e-5 for _, p in found[len(wanted):]):
            wrong += 1
            continue
        for (label, p), (q, wanted_label) in zip(found, wanted):
            worst = max(worst, abs(p - min(1, q)))
            tie = label != wanted_label and sum(abs(other - q) < 1e-6 for other, _ in wanted) + (abs(wanted[-1][0] - q) < 1e-6) > 1
            wrong += label != wanted_label and not tie
    ours = float(process.stderr.split()[0])
    megabytes = sum(len(line.encode()) + 1 for line in lines) / 1e6
    print(f"{os.path.basename(name)}: {len(lines)} lines, {wrong} with other labels, probabilities within {worst:.1e}; {ours * 1e3 / megabytes:.0f} ms/MB, fastText {seconds * 1e3 / megabytes:.0f}")
    return wrong == 0 and worst <= 1e-6


def main():
    import fasttext
    program, folder, *models = sys.argv[1:]
    fasttext.FastText.eprint = lambda *_: None
    rows = lines_of(folder)
    lines = [line for _, line in rows[:LINES]] + ODD
    for name, (arguments, quantised) in KINDS.items():
        train(fasttext, name, arguments, quantised, rows)
    same = [compare(fasttext, program, name, lines) for name in [*KINDS, *models]]
    sys.exit(0 if all(same) else 1)


main()

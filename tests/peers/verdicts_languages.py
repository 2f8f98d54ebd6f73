"""Verdicts of the profile fineweb-2 beside datatrove's filters with the same bounds, by language: each family by itself on the documents of QUERN_DATA/text that are not English, the
words cut by datatrove's tokenizer of the language. Fails where a language that the bounds carry over to (AGREE) agrees on less than 97 documents in a hundred.

  verdicts_languages.py [--every] [LANGUAGE...]     else at most 150 documents of a language"""
import collections, glob, json, os, re, subprocess, sys, tempfile
import yaml
from verdicts_datatrove import lines, normal, run

FAMILIES = ["repetition", "gopher", "fineweb"]
FEW = 150
# Where the words agree well enough for the bounds to mean the same (docs/rules.md has the others, and why).
AGREE = "ca cs da de el es fr id it nl pl pt ro ru sv tr uk".split()


def languages():
    """By `lang`: the label and datatrove's arguments, from the profile itself."""
    path = os.path.join(os.environ["QUERN_SOURCE"], "recipes", "profiles", "fineweb-2.yaml")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    labels = dict((lang.strip('"'), label) for label, lang in re.findall(r"\((\w+_\w+)\).*\n  - lang: (\S+)", text))
    found = {}
    for e in yaml.safe_load(text)["by_language"]:
        r, f, g = e["repetition"], e["fineweb"], e["gopher"]
        found[e["lang"]] = {"language": labels[e["lang"]], "dup_line_frac": r["lines_max"], "top_n_grams": [[n, r[f"top_{n}_max"]] for n in range(2, 5)],
                            "dup_n_grams": [[n, r[f"grams_{n}_max"]] for n in range(5, 11)], "line_punct_thr": f["stopped_lines_min"],
                            "new_line_ratio": f["newlines_per_word_max"], "min_avg_word_length": g["word_length_min"], "max_avg_word_length": g["word_length_max"],
                            "stopwords": g.get("stop_words", []), "min_stop_words": 2 if "stop_words" in g else 0, "max_non_alpha_words_ratio": g["letter_words_min"]}
    return found


def ours(path, family):
    off = [word for other in FAMILIES if other != family for word in ("--set", f"corpus.{other}.enabled=false")]
    return [json.loads(line) for line in run("quern-corpus", "check", path, "--set", "corpus.profile=fineweb-2", *off).splitlines()]


def theirs(path, config):
    peer = os.path.join(os.environ["QUERN_SOURCE"], "bench", "peers", "datatrove_peer.py")
    done = subprocess.run([sys.executable, peer, "verdicts", path, json.dumps(config)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if done.returncode:
        return None, done.stderr.decode().strip().splitlines()[-1]
    return [json.loads(line) for line in done.stdout.decode().splitlines()], None


def stated(path, lang):
    """Every document says its language, so that both take the same bounds."""
    with open(path, encoding="utf-8") as file:
        documents = [json.loads(line) for line in file]
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps({**d, "lang": lang}) + "\n" for d in documents)


def compare(lang, config, path, count, kinds):
    verdicts, error = theirs(path, config)
    if verdicts is None:
        return print(f"{lang}: datatrove has no words here: {error}")
    row = []
    for family in FAMILIES:
        mine = ours(path, family)
        assert len(mine) == len(verdicts) == count
        pairs = [(a.get("reason", "kept") if not a["kept"] else "kept", "kept" if b[family] is True else b[family], b["id"]) for a, b in zip(mine, verdicts)]
        wrong = [p for p in pairs if (p[0] == "kept") != (p[1] == "kept")]
        for our, their, name in wrong:
            kinds[lang, our, their].append(name)
        row.append(1 - len(wrong) / count)
    dropped = sum(any(b[f] is not True for f in FAMILIES) for b in verdicts) / count
    print(f"| {lang} | {count} | " + " | ".join(f"{100 * share:.1f}" for share in row) + f" | {100 * dropped:.0f} |", flush=True)
    return row


def main():
    data, kinds = os.environ["QUERN_DATA"], collections.defaultdict(list)
    wanted = [a for a in sys.argv[1:] if not a.startswith("--")]
    print("| language | documents | repetition | gopher | fineweb | dropped by datatrove |\n|---|---|---|---|---|---|")
    configs, good = languages(), True
    for path in sorted(glob.glob(os.path.join(data, "text", "*.jsonl.zst"))):
        lang = os.path.basename(path).split(".")[0]
        config = configs.get(lang) or configs.get(lang.split("-")[0])
        if not config or (wanted and lang not in wanted):
            continue
        with tempfile.TemporaryDirectory() as folder:
            documents = [json.loads(line) for line in lines(path)]
            step = 1 if "--every" in sys.argv else max(1, len(documents) // FEW)
            file = os.path.join(folder, "documents.jsonl")
            count = normal(file, documents[::step], os.path.join(folder, "out"))
            stated(file, lang)
            row = compare(lang, config, file, count, kinds)
            good &= lang not in AGREE or (row is not None and min(row) >= 0.97)
    for (lang, our, their), names in sorted(kinds.items(), key=lambda k: -len(k[1])):
        print(f"    {lang} {len(names)}: quern {our}, datatrove {their} ({names[0]})")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

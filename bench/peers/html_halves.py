"""Article extraction scored by halves: rules are tuned on one half of the benchmark's pages and judged on the other.

  html_halves.py score FOLDER OUTPUT.json...     precision, recall and F1 on the tune half, the report half and all; from the second OUTPUT on also the difference of the first to
                                                 it on each half, with the 95 % interval of a paired bootstrap over pages
  html_halves.py list FOLDER tune|report         the pages' ids
  html_halves.py pages FOLDER OUTPUT.json        each page of the tune half, worst first: shingles missing and too many. It has no such list of the report half.

FOLDER: article-extraction-benchmark, unpacked (ground-truth.json, ID.html). OUTPUT.json: an object of id to {"articleBody"}, as `quern-corpus extract --json` and the benchmark's output/ have it.
A page is in the tune half when the first hexadecimal digit of the SHA-256 of its id is even. The score is the benchmark's own: 4-word shingles with counts, normalised per page.
"""
import collections, hashlib, json, os, random, re, sys

WORD = re.compile(r"\w+", re.UNICODE)
SAMPLES = 10000


def is_tune(page):
    return int(hashlib.sha256(page.encode()).hexdigest()[0], 16) % 2 == 0


def shingles(text):
    words = WORD.findall(text or "")
    return collections.Counter(zip(*[words[i:] for i in range(4)]))


def page_score(want, found):
    """Shares of the shingles of both: in both, only found, only wanted."""
    a, b = shingles(want), shingles(found)
    both, extra, missing = sum((a & b).values()), sum((b - a).values()), sum((a - b).values())
    total = both + extra + missing
    return (both / total, extra / total, missing / total) if total else (0.0, 0.0, 0.0)


def measures(scores):
    both, extra, missing = (sum(score[i] for score in scores) for i in range(3))
    precision, recall = both / ((both + extra) or 1), both / ((both + missing) or 1)
    return precision, recall, 2 * precision * recall / ((precision + recall) or 1)


def f1_difference(ours, theirs, pages, seed=1):
    """F1 of ours less F1 of theirs over the pages, and the interval that holds 95 % of its values when pages are drawn with replacement."""
    dice, differences = random.Random(seed), []
    for _ in range(SAMPLES):
        drawn = dice.choices(pages, k=len(pages))
        differences.append(measures([ours[page] for page in drawn])[2] - measures([theirs[page] for page in drawn])[2])
    differences.sort()
    whole = measures([ours[page] for page in pages])[2] - measures([theirs[page] for page in pages])[2]
    return whole, differences[SAMPLES * 25 // 1000], differences[SAMPLES * 975 // 1000 - 1]


def read_gold(folder):
    with open(os.path.join(folder, "ground-truth.json"), encoding="utf-8") as file:
        return {page: item["articleBody"] for page, item in json.load(file).items()}


def read_scores(gold, path):
    with open(path, encoding="utf-8") as file:
        found = json.load(file)
    found = found.get("output", found)
    return {page: page_score(want, found.get(page, {}).get("articleBody", "")) for page, want in gold.items()}


def halves(gold):
    return {"tune": [p for p in sorted(gold) if is_tune(p)], "report": [p for p in sorted(gold) if not is_tune(p)], "all": sorted(gold)}


def print_scores(gold, outputs):
    """outputs: name to scores by page, the first one ours. F1 by name and half is returned."""
    parts, f1, ours = halves(gold), {}, next(iter(outputs.values()))
    for name, scores in outputs.items():
        for half, pages in parts.items():
            precision, recall, f1[name, half] = measures([scores[page] for page in pages])
            line = f"{name:24} {half:7} {len(pages):4} pages  precision {precision:.4f}  recall {recall:.4f}  F1 {f1[name, half]:.4f}"
            if scores is not ours:
                line += "  first less this: %+.4f [%+.4f, %+.4f]" % f1_difference(ours, scores, pages)
            print(line)
    return f1


def main(verb, folder, *rest):
    gold = read_gold(folder)
    if verb == "score" and rest:
        print_scores(gold, {os.path.basename(path): read_scores(gold, path) for path in rest})
    elif verb == "list" and rest and rest[0] in ("tune", "report"):
        print("\n".join(halves(gold)[rest[0]]))
    elif verb == "pages" and rest:
        scores = read_scores(gold, rest[0])
        for page in sorted(halves(gold)["tune"], key=lambda page: scores[page][0]):
            print(f"{page}  both {scores[page][0]:.3f}  extra {scores[page][1]:.3f}  missing {scores[page][2]:.3f}")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])

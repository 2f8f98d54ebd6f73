"""Article extraction beside public tools: ours and theirs in turn, on one core, and what each gets right, by halves (html_halves.py).

  html_peer.py FOLDER [OUTPUT.json...]     FOLDER: article-extraction-benchmark, unpacked. OUTPUT.json: published output to score too (FOLDER/output/go_trafilatura.json).
  html_peer.py speed PEER FOLDER           JSON: per_second (bytes of HTML) of resiliparse or trafilatura, pages in memory

quern-corpus is looked for in PATH. QUERN_ROUNDS (3) is how often each is measured; rates are medians. trafilatura takes half a minute a round.
"""
import glob, json, os, statistics, subprocess, sys, time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import html_halves


def extractor(peer):
    if peer == "resiliparse":
        from resiliparse.extract.html2text import extract_plain_text
        return lambda page: extract_plain_text(page, main_content=True, alt_texts=False, links=False)
    if peer == "trafilatura":
        import trafilatura
        return lambda page: trafilatura.extract(page, include_comments=False) or ""
    sys.exit(__doc__)


def read_pages(folder):
    pages = {}
    for path in sorted(glob.glob(os.path.join(folder, "*.html"))):
        with open(path, encoding="utf-8", errors="replace") as file:
            pages[os.path.basename(path)[:-5]] = file.read()
    return pages


def run_peer(peer, pages):
    """Rate in bytes a second, and the texts."""
    extract, size = extractor(peer), sum(len(page.encode()) for page in pages.values())
    start = time.perf_counter()
    found = {key: {"articleBody": extract(page)} for key, page in pages.items()}
    return size / (time.perf_counter() - start), found


def run_ours(folder):
    paths = sorted(glob.glob(os.path.join(folder, "*.html")))
    rate = json.loads(subprocess.run(["quern-corpus", "bench", "--runs", "5", *paths], check=True, capture_output=True).stdout)["mb_per_s"] * 1e6
    return rate, json.loads(subprocess.run(["quern-corpus", "extract", "--json", *paths], check=True, capture_output=True).stdout)


def compare(folder, published):
    rounds, pages, gold = int(os.environ.get("QUERN_ROUNDS", "3")), read_pages(folder), html_halves.read_gold(folder)
    rates, texts = {"quern": [], "resiliparse": [], "trafilatura": []}, {}
    for _ in range(rounds):
        for name in rates:
            rate, texts[name] = run_ours(folder) if name == "quern" else run_peer(name, pages)
            rates[name].append(rate)
    for name in rates:
        ratio = statistics.median(ours / theirs for ours, theirs in zip(rates["quern"], rates[name]))
        print(f"{name:24} {statistics.median(rates[name]) / 1e6:7.1f} MB/s" + (f"   quern is {ratio:.1f} times as fast (median of {rounds} pairs)" if name != "quern" else ""))
    outputs = {name: {page: html_halves.page_score(want, texts[name].get(page, {}).get("articleBody", "")) for page, want in gold.items()} for name in texts}
    outputs.update({os.path.basename(path): html_halves.read_scores(gold, path) for path in published})
    html_halves.print_scores(gold, outputs)


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "speed":
        print(json.dumps({"per_second": run_peer(sys.argv[2], read_pages(sys.argv[3]))[0]}))
    elif len(sys.argv) >= 2 and sys.argv[1] not in ("speed", "--help"):
        compare(sys.argv[1], sys.argv[2:])
    else:
        sys.exit(__doc__)

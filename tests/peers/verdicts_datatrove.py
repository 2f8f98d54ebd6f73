"""Verdicts of quern's families of rules beside datatrove's filters, each by itself, on the same texts: all English of QUERN_DATA, the main texts of html/'s pages, web documents that
people judged. Fails where a family agrees on less than 97 documents in a hundred. Prints each kind of difference with an example.

  verdicts_datatrove.py [--every]     else every fifth document of the English texts"""
import collections, glob, io, json, os, subprocess, sys, tarfile, tempfile
import zstandard

FAMILIES = {"repetition": ["repetition.enabled=true"], "gopher": ["gopher.enabled=true", "gopher.symbols_are_words=true",
                       "gopher.stop_words=[the, be, to, of, and, that, have, with]"],
            "c4": ["c4.enabled=true"], "c4-fineweb": ["c4.enabled=true", "c4.terminal_punctuation=false"], "fineweb": ["fineweb.enabled=true"]}
OFF = ["--set", "corpus.gopher.enabled=false"]


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode()


def lines(path):
    return io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(open(path, "rb"), read_across_frames=True), encoding="utf-8")


def pages(data, folder):
    """The pages' main texts, as quern extracts them."""
    with open(os.path.join(data, "html", "article-extraction-benchmark.tar.zst"), "rb") as packed:
        tarfile.open(fileobj=zstandard.ZstdDecompressor().stream_reader(packed), mode="r|").extractall(folder, filter="data")
    found = sorted(glob.glob(os.path.join(folder, "**", "*.html"), recursive=True))
    for name, page in json.loads(run("quern-corpus", "extract", "--json", *found)).items():
        yield {"id": name, "text": page["articleBody"]}


def sets(data, every):
    with tempfile.TemporaryDirectory() as folder:
        english = (json.loads(line) for line in lines(os.path.join(data, "text", "en.jsonl.zst")))
        yield "English documents", [d for i, d in enumerate(english) if every or i % 5 == 0]
        yield "main texts of news pages", list(pages(data, folder))
        yield "judged web documents", [{"id": str(i), "text": json.loads(line)["text"]}
                                       for i, line in enumerate(lines(os.path.join(data, "quality", "dclm-majority.jsonl.zst")))]


def normal(path, documents, folder):
    """The documents as quern normalises them, so that both judge the same text; those that are empty go."""
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(json.dumps({"id": d["id"], "text": d["text"]}) + "\n" for d in documents)
    run("quern-corpus", "build", path, "-o", folder, "-q", *OFF)
    kept = [json.loads(line) for line in run("quern-corpus", "cat", folder).splitlines()]
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(json.dumps({"id": d["meta"]["id"], "text": d["text"]}) + "\n" for d in kept)
    return len(kept)


def compare(what, path, count):
    theirs = [json.loads(line) for line in run(sys.executable, os.path.join(os.environ["QUERN_SOURCE"], "bench", "peers", "datatrove_peer.py"), "verdicts", path).splitlines()]
    good = True
    for name, settings in FAMILIES.items():
        options = [word for setting in settings for word in ("--set", "corpus." + setting)]
        ours = [json.loads(line) for line in run("quern-corpus", "check", path, *OFF, *options).splitlines()]
        assert len(ours) == len(theirs) == count
        kinds, examples = collections.Counter(), {}
        for a, b in zip(ours, theirs):
            assert a["meta"]["id"] == b["id"]
            if a["kept"] != (b[name] is True):
                kind = (a.get("reason", "kept"), "kept" if b[name] is True else b[name])
                kinds[kind] += 1
                examples.setdefault(kind, b["id"])
        agree = 1 - sum(kinds.values()) / count
        good &= agree >= 0.97
        print(f"{what}, {name}: {agree:.2%} of {count} documents")
        for (our, their), number in kinds.most_common():
            print(f"    {number}: quern {our}, datatrove {their} ({examples[our, their]})")
    return good


def main():
    data, good = os.environ["QUERN_DATA"], True
    with tempfile.TemporaryDirectory() as folder:
        for i, (what, documents) in enumerate(sets(data, "--every" in sys.argv)):
            path = os.path.join(folder, f"{i}.jsonl")
            good &= compare(what, path, normal(path, documents, os.path.join(folder, f"{i}")))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

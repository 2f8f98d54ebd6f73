"""A public tokenizer's speed, as JSON: per_second (bytes of text), tokens, bytes, seconds. Run in turn with quern's by bench/subjects/tokenizer.sh.

  tokenizer_peer.py encode PEER TOKENIZER.json THREADS MB_MAX FILE...    the first pass over texts not seen before, read beforehand; MB_MAX: 0 for all.
                                                                         PEER: gigatoken, tokenizers; tiktoken, quicktok (Qwen2.5's vocabulary only)
  tokenizer_peer.py train VOCAB_SIZE THREADS OUT.json FILE...            tokenizers' BpeTrainer with DeepSeek-V3's pretokenizer and quern's special tokens; its time is that of
                                                                         training, pretokenizing included, on texts that are in memory
  tokenizer_peer.py load TOKENIZER.json                                  tokenizers: per_second counts loads

FILE: JSON lines with a member `text`, as they are or with zstd.
"""
import io, json, os, sys, time


def read_texts(paths, mb_max=0):
    import zstandard
    texts, size = [], 0
    for path in paths:
        with open(path, "rb") as raw:
            stream = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) if path.endswith(".zst") else raw
            for line in io.TextIOWrapper(stream, encoding="utf-8"):
                texts.append(json.loads(line)["text"])
                size += len(texts[-1].encode())
                if mb_max and size > mb_max * 1e6:
                    return texts
    return texts


def tiktoken_of(path):
    """Qwen2.5's vocabulary as tiktoken wants it: in its file a token's rank among the merges is that of its id."""
    import tiktoken
    with open(path, encoding="utf-8") as file:
        tokenizer = json.load(file)
    kept = [*range(33, 127), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    bytes_of = {chr(code): code for code in kept}
    bytes_of.update((chr(256 + i), code) for i, code in enumerate(code for code in range(256) if code not in kept))
    ranks = {bytes(bytes_of[c] for c in token): id for token, id in tokenizer["model"]["vocab"].items()}
    return tiktoken.Encoding("qwen", pat_str=tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"], mergeable_ranks=ranks, special_tokens={})


def encoder(peer, path, threads):
    """A function from texts to a function that encodes them all and gives the count of ids."""
    if peer == "gigatoken":
        import gigatoken
        tokenizer = gigatoken.Tokenizer(path)
        tokenizer.encode_batch([b"warm up"] * 2, parallel=False)
        def prepare(texts):
            raw = [text.encode() for text in texts]
            return lambda: tokenizer.encode_batch(raw, parallel=threads > 1)
        return prepare, lambda result: sum(len(ids) for ids in result)
    if peer == "tokenizers":
        from tokenizers import Tokenizer
        tokenizer = Tokenizer.from_file(path)
        tokenizer.encode("warm up")
        return (lambda texts: lambda: tokenizer.encode_batch_fast(texts, add_special_tokens=False)), lambda result: sum(len(encoding.ids) for encoding in result)
    if peer == "tiktoken":
        tokenizer = tiktoken_of(path)
        tokenizer.encode_ordinary("warm up")
        return (lambda texts: lambda: [tokenizer.encode_ordinary(text) for text in texts]), lambda result: sum(map(len, result))
    if peer == "quicktok":
        import quicktok
        tokenizer = quicktok.get_encoding("qwen3")
        tokenizer.encode_batch(["warm up"], threads)
        return (lambda texts: lambda: tokenizer.encode_batch(texts, threads)), lambda result: len(result[0])
    sys.exit(__doc__)


def encode(peer, path, threads, mb_max, *files):
    os.environ["RAYON_NUM_THREADS"] = threads
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if int(threads) > 1 else "false"
    prepare, count = encoder(peer, path, int(threads))
    texts = read_texts(files, float(mb_max))
    run = prepare(texts)
    start = time.perf_counter()
    result = run()
    seconds = time.perf_counter() - start
    size = sum(len(text.encode()) for text in texts)
    return {"per_second": size / seconds, "bytes": size, "seconds": seconds, "tokens": count(result)}


def train(vocab_size, threads, out, *files):
    os.environ["RAYON_NUM_THREADS"] = threads
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "peers"))
    import hf_reference
    with open(os.environ["QUERN_SPECIAL_TOKENS"], encoding="utf-8") as file:
        special = [token["content"] for token in json.load(file)["added_tokens"]]
    texts = read_texts(files)
    size = sum(len(text.encode()) for text in texts)
    start = time.perf_counter()
    tokenizer = hf_reference.train(texts, special, int(vocab_size))
    seconds = time.perf_counter() - start
    with open(out, "w", encoding="utf-8") as file:
        json.dump({"vocab": tokenizer["model"]["vocab"], "merges": tokenizer["model"]["merges"]}, file)
    return {"per_second": size / seconds, "bytes": size, "seconds": seconds, "tokens": len(tokenizer["model"]["vocab"])}


def load(path):
    from tokenizers import Tokenizer
    start = time.perf_counter()
    Tokenizer.from_file(path).encode("hi")
    seconds = time.perf_counter() - start
    return {"per_second": 1 / seconds, "seconds": seconds}


def same_vocabulary(ours, theirs):
    """Exit 1 unless the vocabulary and merges of a tokenizer.json are those that `train` wrote."""
    with open(ours, encoding="utf-8") as file:
        model = json.load(file)["model"]
    with open(theirs, encoding="utf-8") as file:
        peer = json.load(file)
    same = model["vocab"] == peer["vocab"] and [list(m) for m in model["merges"]] == [m if isinstance(m, list) else m.split(" ") for m in peer["merges"]]
    sys.exit(0 if same else 1)


VERBS = {"encode": encode, "train": train, "load": load, "same": same_vocabulary}
if len(sys.argv) < 3 or sys.argv[1] not in VERBS:
    sys.exit(__doc__)
print(json.dumps(VERBS[sys.argv[1]](*sys.argv[2:])))

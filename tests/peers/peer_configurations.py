"""Random tokenizer.json files: the tokens and merges of one, with any pretokenizer, normalizer, added tokens and flags of those that quern means to read."""
import copy, unicodedata

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CL100K_POSSESSIVE = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
QWEN2 = CL100K.replace(r"\p{N}{1,3}", r"\p{N}")
O200K = "|".join([r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                  r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                  r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])
TIKTOKEN = CL100K_POSSESSIVE.replace("{1,3}+", "{1,3}").replace("$", r"\z")  # as tiktoken means it; to Oniguruma {1,3}+ is any number, and $ the end of a line
BUILT_IN = {"gpt2": GPT2, "llama3": CL100K, "cl100k": TIKTOKEN, "qwen2": QWEN2, "o200k": O200K}
OTHERS = [r"\s+", r"\p{L}+", r"\d", r"[0-9]{1,2}", r"[\p{P}\p{S}]+", r"[^\s]+\s?", r"\b", r"(?i)the|mill", r"\p{Lu}\p{Ll}*|\p{Ll}+", r"[\r\n]+", r"\w+|\W", r"(?=\p{Lu})", r"x*", r".{1,4}",
          r"[a-zA-Z]+'?[a-z]*", r"\p{Han}|\p{Hiragana}+|\p{Katakana}+", CL100K_POSSESSIVE,
          # What means one thing to Oniguruma and another to PCRE2 or Rust.
          r"\p{N}{1,2}+", r"^.", r".$", r"\h+", r"\R", r"(?m)a.", r"[a-z&&[^aeiou]]+", r"[[a-c]m]+", r"[[:alpha:]]+", r"\p{Alpha}+", r"\w++", r"\S{2,}?", r"(?<!\S)\p{L}", r"\Ga", r"\x41|B", r"(?i)\x{17f}|K", r"[^\p{Ll}]{1,3}",
          r"\p{^L}+", r"a{,2}", r"\X", r"(a)\1", r"(?>a+)l|mill", r"\Z", r"\A\s?", r"[\s\S]{1,7}", r"\p{Greek}+|\p{Thai}", r"\p{Lo}\p{M}*"]
STRINGS = [" ", "\n", "the", "'", "\u6587", "--", "a"]
BEHAVIORS = ["Isolated"] * 6 + ["MergedWithPrevious", "MergedWithNext", "Contiguous"]
ADDED = ["<tok>", "<tok", "tok>", "the", " a", "a ", "\n", "\n\n", "caf\u00e9", "cafe\u0301", "\ufb01", "mill", "ill", "<|end|>", "<|END|>", "\u6587", "\uff21", "  ", "x", "grinds", "\u0301", "[MASK]"]


def split(pattern, dice, kind="Regex", plain=False):
    behavior = "Isolated" if plain else dice.choice(BEHAVIORS)
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": not plain and dice.random() < 0.15}


def byte_level(dice, regex=False, prefix_space=0.02):
    return {"type": "ByteLevel", "add_prefix_space": dice.random() < prefix_space, "trim_offsets": True, "use_regex": regex}


def pre_tokenizer(dice, deepseek):
    kind = dice.randrange(10)
    if kind < 4:
        name = dice.choice(list(BUILT_IN))
        return name, [split(BUILT_IN[name], dice, plain=True), byte_level(dice)]
    if kind == 4:
        return "byte level", [byte_level(dice, True, 0.5)]
    if kind == 5:
        return "deepseek", deepseek
    if kind == 6:
        return "digits", [{"type": "Digits", "individual_digits": dice.random() < 0.5}] + dice.choice([[], [split(dice.choice(OTHERS), dice)]]) + [byte_level(dice, dice.random() < 0.5)]
    if kind == 7:
        return "string", [split(dice.choice(STRINGS), dice, "String"), byte_level(dice, dice.random() < 0.3)]
    if kind == 8:
        return "none", [byte_level(dice, False, 0.5)]
    return "patterns", [split(dice.choice(OTHERS), dice) for _ in range(dice.choice((1, 1, 2, 3)))] + [byte_level(dice, dice.random() < 0.2)]


def normalizer(dice):
    names = dice.choice([[], [], [], ["NFC"], ["NFC"], ["NFKC"], ["NFD"], ["NFKD"], ["NFD", "NFC"]])
    if not names:
        return dice.choice([None, {"type": "Sequence", "normalizers": []}])
    if len(names) == 1 and dice.random() < 0.7:
        return {"type": names[0]}
    return {"type": "Sequence", "normalizers": [{"type": name} for name in names]}


def added_tokens(dice, vocab):
    """A content that is a token of the model has its id; others follow behind."""
    contents = dice.sample(ADDED, dice.choice((0, 1, 2, 4)))
    # Of two with the same normal form Hugging Face's library takes now one, now the other: the order of a hash table with a seed of its own.
    contents = list({unicodedata.normalize("NFKC", content): content for content in contents}.values())
    flag = lambda: dice.random() < 0.25
    new = [content for content in contents if content not in vocab]
    return [{"id": vocab[content] if content in vocab else len(vocab) + new.index(content), "content": content, "single_word": flag(), "lstrip": flag(), "rstrip": flag(), "normalized": dice.random() < 0.4, "special": dice.random() < 0.5}
            for content in contents]


def random_configuration(dice, golden):
    """(a line about it, the tokenizer.json as an object)."""
    made = copy.deepcopy(golden)
    about, rules = pre_tokenizer(dice, golden["pre_tokenizer"]["pretokenizers"])
    made["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": rules} if len(rules) > 1 or dice.random() < 0.5 else rules[0]
    made["normalizer"] = normalizer(dice)
    # The special tokens of the golden vocabulary are tokens of its model: they stay without being added.
    made["added_tokens"] = added_tokens(dice, golden["model"]["vocab"])
    made["model"]["ignore_merges"] = dice.random() < 0.2
    return about, made


def about_configuration(made):
    return {"pre_tokenizer": made["pre_tokenizer"], "normalizer": made["normalizer"], "added_tokens": [{k: v for k, v in token.items() if v} for token in made["added_tokens"]],
            "ignore_merges": made["model"]["ignore_merges"]}


def token(id, content, *flags):
    return {"id": id, "content": content, **{flag: flag in flags for flag in ("single_word", "lstrip", "rstrip", "normalized", "special")}}


def golden_configurations(golden):
    """The few that are committed with their ids (tests/tokenizer/golden/configurations.jsonl): what differs from the golden tokenizer.json."""
    size = len(golden["model"]["vocab"])
    behind = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    rules = lambda pattern: {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}, behind]}
    added = [token(size, "<tok>", "special"), token(size + 1, "caf\u00e9", "normalized", "lstrip"), token(size + 2, "\n\n", "rstrip", "special"),
             token(size + 3, "<|END|>", "lstrip", "rstrip", "special"), token(size + 4, "\u2460", "normalized"), token(golden["model"]["vocab"]["mill"], "mill", "single_word")]
    return [
        ("qwen2, NFC", {"pre_tokenizer": rules(QWEN2), "normalizer": {"type": "NFC"}, "added_tokens": added}),
        ("llama3, ignore_merges", {"pre_tokenizer": rules(CL100K), "added_tokens": added[:1], "ignore_merges": True}),
        ("cl100k", {"pre_tokenizer": rules(TIKTOKEN), "added_tokens": []}),
        ("o200k", {"pre_tokenizer": rules(O200K), "added_tokens": added[:4] + added[5:]}),
        ("gpt2, prefix space", {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}, "added_tokens": added}),
        ("deepseek-v3, NFKC", {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}]}, "added_tokens": added}),
    ]


def changed(golden, change):
    """The tokenizer.json of such a configuration."""
    made = copy.deepcopy(golden)
    made.update({key: value for key, value in change.items() if key != "ignore_merges"})
    made["model"]["ignore_merges"] = change.get("ignore_merges", False)
    return made

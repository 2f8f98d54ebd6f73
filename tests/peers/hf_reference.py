"""What Hugging Face tokenizers makes of texts: ids, pieces, merges. What takes long is kept in a folder, under a hash of all it depends on."""
import codecs, hashlib, json, os
import tokenizers
import zstandard
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

BATCH_BYTES = 4 << 20  # of text that is encoded at once; Hugging Face needs about a hundred times that
SPLITS = [r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+",
          "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
          "| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+"]


class Kept:
    """Results under a hash of (version, parts), in FOLDER; none are kept where FOLDER is None."""

    def __init__(self, folder):
        self.folder = folder
        if folder:
            os.makedirs(folder, exist_ok=True)

    def get(self, parts, make):
        """The bytes that make() gives, or gave for these parts before."""
        key = hashlib.sha256(tokenizers.__version__.encode())
        for part in parts:
            data = part if isinstance(part, bytes) else repr(part).encode()
            key.update(len(data).to_bytes(8, "little") + data)
        path = os.path.join(self.folder, key.hexdigest()[:32] + ".zst") if self.folder else None
        if path and os.path.exists(path):
            with open(path, "rb") as file:
                return zstandard.decompress(file.read(), max_output_size=1 << 31)
        result = make()
        if path:
            with open(path + ".part", "wb") as file:
                file.write(zstandard.compress(result))
            os.replace(path + ".part", path)
        return result


def batches(texts, limit=BATCH_BYTES):
    """Lists of texts of about `limit` bytes (of UTF-8, guessed from the characters)."""
    batch, size = [], 0
    for text in texts:
        batch.append(text)
        size += len(text) * 2
        if size >= limit:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def id_lines(tokenizer, texts):
    """For each text a line of its ids with spaces between, as `quern-tokenizer encode` prints them."""
    out = []
    for batch in batches(texts):
        out += [" ".join(map(str, encoded.ids)) + "\n" for encoded in tokenizer.encode_batch_fast(batch, add_special_tokens=False)]
    return "".join(out).encode()


def id_lines_of_what_it_can(tokenizer, texts):
    """(the texts without those on which Hugging Face's library itself crashes, their lines): flags of added tokens that overlap make it panic."""
    aside, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)  # where the panics are told
    try:
        return texts, id_lines(tokenizer, texts)
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        good, lines = [], b""
        for text in texts:
            try:
                lines += id_lines(tokenizer, [text])
                good.append(text)
            except BaseException as panic:
                if type(panic).__name__ != "PanicException":
                    raise
        return good, lines
    finally:
        os.dup2(aside, 2)
        os.close(aside)
        os.close(nothing)


def pieces(tokenizer, text):
    """The lengths of the pieces in bytes: of the text that their offsets, which count characters, cut out."""
    return [len(text[start:end].encode()) for _, (start, end) in tokenizer.pre_tokenizer.pre_tokenize_str(text)]


def byte_characters():
    """ByteLevel's character for each byte."""
    kept = [*range(33, 127), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = (code for code in range(256) if code not in kept)
    table = {code: chr(code) for code in kept}
    table.update((code, chr(256 + i)) for i, code in enumerate(others))
    return [table[code] for code in range(256)]


BYTE_CHARACTERS = byte_characters()
broken_spans = []


def replace_and_note(error):
    broken_spans.append((error.start, error.end))
    return "\ufffd", error.end


codecs.register_error("replace_and_note", replace_and_note)


def ids_of_bytes(tokenizer, raw):
    """The ids of any bytes: cut as the repaired text is, each piece's own bytes merged by Hugging Face's model."""
    broken_spans.clear()
    text = raw.decode("utf-8", "replace_and_note")
    spans, at, offsets = dict(broken_spans), 0, [0]
    for character in text:
        at = spans.get(at) or at + len(character.encode())
        offsets.append(at)
    out = []
    for _, (start, end) in tokenizer.pre_tokenizer.pre_tokenize_str(text):
        piece = raw[offsets[start]:offsets[end]]
        out += [token.id for token in tokenizer.model.tokenize("".join(BYTE_CHARACTERS[byte] for byte in piece))]
    return out


def deepseek_pre_tokenizer():
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(s), "isolated") for s in SPLITS]
                                   + [pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def model_of(tokenizer_json):
    """Its tokens with their ids, and its merges in order."""
    model = tokenizer_json["model"]
    return model["vocab"], [tuple(m if isinstance(m, list) else m.split(" ")) for m in model["merges"]]


def train(texts, special, vocab_size, min_frequency=0, max_token_length=None, pre_tokenizer=None):
    """A tokenizer.json, as an object, of BpeTrainer's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizer or deepseek_pre_tokenizer()
    tokenizer.decoder = decoders.ByteLevel()
    more = {} if max_token_length is None else {"max_token_length": max_token_length}
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=min_frequency, special_tokens=special, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), **more))
    return json.loads(tokenizer.to_str())

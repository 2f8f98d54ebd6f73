"""A model trained by quern-train run and exported, loaded by transformers: every tensor finds its place, the tokenizer loads, and logits and losses are those of quern-train forward. And tensors
in the types of published weights, made by torch: quern reads the same numbers.

    train_export.py"""
import json
import os
import subprocess
import sys

import numpy
import torch
from safetensors.torch import load_file, save_file
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer

# Logits by two orders of summation in FP32 (relative in norm; 3e-7 seen), and the mean loss.
LOGITS_MAX, LOSS_MAX = 2e-6, 1e-6


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stdout}")
    return done.stdout


def compare(name, folder, batch, modules=False):
    """The folder's model in both programs, all logits that either has. modules: those of MTP are there, and transformers has no place for them."""
    run("quern-train", "forward", folder, "--batch", batch, "-o", "ours.safetensors", "-q")
    ours, given = load_file("ours.safetensors"), load_file(batch)
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True, attn_implementation="eager")
    if modules:
        info["unexpected_keys"] = [key for key in info["unexpected_keys"] if not key.startswith("model.layers.2.")]
    amiss = {key: value for key, value in info.items() if value}
    with torch.no_grad():
        logits = model(input_ids=given["ids"][0]).logits
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]).double(), given["targets"][0].reshape(-1)).item()
    if ours["logits"].shape != logits.shape:
        sys.exit(f"{name}: {tuple(ours['logits'].shape)} logits and {tuple(logits.shape)} by transformers")
    distance = ((ours["logits"].double() - logits.double()).norm() / logits.double().norm()).item()
    loss_distance = abs(ours["loss"].item() - loss) / loss
    good = distance < LOGITS_MAX and loss_distance < LOSS_MAX and not amiss and type(model).__name__ == "DeepseekV3ForCausalLM"
    print(f"{name}: logits differ by {distance:.2g}, losses by {loss_distance:.2g} ({loss:.4f}), {amiss or 'every tensor in its place'}{'' if good else '  <-- FAILED'}", flush=True)
    return good


def train():
    """A small run on the text of the tests, by the commands of a stage; its checkpoint."""
    source = os.environ["QUERN_SOURCE"]
    run(f"{source}/tests/tiny/make-input", "input")
    run("cp", f"{source}/tests/tiny/recipe.yaml", "recipe.yaml")
    recipe = ("--recipe", "recipe.yaml", "-q")
    run("quern-corpus", "build", "-o", "corpus", *recipe)
    run("quern-tokenizer", "train", "corpus", "-o", "tokenizer", *recipe)
    run("quern-shards", "build", "corpus", "-t", "tokenizer", "-o", "shards", *recipe)
    run("quern-train", "run", "--shards", "shards", "-t", "tokenizer", "-o", "run", *recipe)
    with open("run/latest") as file:
        return "run/checkpoints/" + file.read().strip()


def variant(name, *settings, options=()):
    """A shorter run of another shape, exported."""
    pairs = [part for setting in ("train.tokens=8K", *settings) for part in ("--set", "model." + setting if not setting.startswith("train") else setting)]
    run("quern-train", "run", "--shards", "shards", "-t", "tokenizer", "-o", "run-" + name, "--recipe", "recipe.yaml", "-q", *pairs)
    run("quern-train", "export", "run-" + name, "-o", name, "-q", *options)
    return name


def quantise(weight):
    """E4M3 in blocks of 128 x 128, as DeepSeek-V3's weights are published."""
    rows, columns = weight.shape
    scales = torch.empty((rows + 127) // 128, (columns + 127) // 128)
    codes = torch.empty(rows, columns, dtype=torch.float8_e4m3fn)
    for i in range(scales.shape[0]):
        for j in range(scales.shape[1]):
            block = weight[128 * i:128 * i + 128, 128 * j:128 * j + 128]
            scales[i, j] = block.abs().max() / 448
            codes[128 * i:128 * i + 128, 128 * j:128 * j + 128] = (block / scales[i, j]).to(torch.float8_e4m3fn)
    return codes, scales


def widened(codes, scales):
    return codes.float() * scales.repeat_interleave(128, 0).repeat_interleave(128, 1)[:codes.shape[0], :codes.shape[1]]


def published(folder, out, kind):
    """The folder's tensors in another type, in three files with an index; and what they are as FP32, by torch."""
    tensors = load_file(f"{folder}/model-00001-of-00001.safetensors")
    stored, wide = {}, {}
    for name, value in tensors.items():
        if name.endswith("bias") or value.dim() == 1 or kind == torch.float32:
            stored[name] = wide[name] = value
        elif kind == torch.float8_e4m3fn and "mlp.gate." not in name and "embed" not in name and "lm_head" not in name:
            stored[name], stored[name + "_scale_inv"] = quantise(value)
            wide[name] = widened(stored[name], stored[name + "_scale_inv"])
        else:
            stored[name] = value.to(torch.bfloat16 if kind == torch.float8_e4m3fn else kind)
            wide[name] = stored[name].float()
    os.makedirs(out)
    with open(f"{folder}/config.json") as file:
        config = json.load(file)
    if kind == torch.float8_e4m3fn:
        config["quantization_config"] = {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]}
    with open(f"{out}/config.json", "w") as file:
        json.dump(config, file)
    place = {}
    for i, names in enumerate(numpy.array_split(sorted(stored), 3)):
        shard = f"model-{i + 1:05}-of-00003.safetensors"
        save_file({name: stored[name].contiguous() for name in names}, f"{out}/{shard}", metadata={"format": "pt"})
        place.update(dict.fromkeys(map(str, names), shard))
    with open(f"{out}/model.safetensors.index.json", "w") as file:
        json.dump({"metadata": {}, "weight_map": place}, file)
    return wide


def same_numbers(folder, kind):
    """quern exports what it reads: bit for bit what torch makes of the stored numbers."""
    name = str(kind).removeprefix("torch.")
    wide = published(folder, name, kind)
    run("quern-train", "export", name, "-o", name + "-read", "-q")
    read = load_file(f"{name}-read/model-00001-of-00001.safetensors")
    differ = [key for key in wide if not torch.equal(wide[key].view(torch.int32), read[key].view(torch.int32))]
    good = not differ and set(wide) == set(read)
    print(f"{name}: {len(read)} tensors, {sum(t.numel() for t in read.values())} numbers, {'the same bits' if good else f'{differ} DIFFER'}", flush=True)
    return good


def every_code():
    """All 256 codes of E4M3, and all 65,536 of F16 and BF16, by both; a NaN is a NaN."""
    good = True
    for kind, codes in ((torch.float8_e4m3fn, torch.arange(256, dtype=torch.int32).to(torch.uint8)), (torch.float16, torch.arange(65536, dtype=torch.int32).to(torch.int16)),
                        (torch.bfloat16, torch.arange(65536, dtype=torch.int32).to(torch.int16))):
        save_file({"x": codes.view(kind)}, "codes.safetensors")
        out = subprocess.run([sys.argv[1], "codes.safetensors", "x"], stdout=subprocess.PIPE, check=True).stdout
        ours, theirs = torch.frombuffer(bytearray(out), dtype=torch.float32), codes.view(kind).float()
        numbers = ~theirs.isnan()
        same = torch.equal(ours.view(torch.int32)[numbers], theirs.view(torch.int32)[numbers]) and torch.equal(ours.isnan(), theirs.isnan())
        print(f"{kind}: {len(codes)} codes, {int(theirs.isnan().sum())} of them NaN, {'the same bits' if same else 'DIFFERENT'}", flush=True)
        good &= same
    return good


def main():
    torch.manual_seed(1)
    transformers.logging.set_verbosity_error()
    checkpoint = train()
    run("quern-train", "export", checkpoint, "-o", "model", "-q")
    run("quern-train", "export", checkpoint, "-o", "half", "--dtype", "bf16", "-q")
    batch = torch.randint(0, 640, (1, 4, 65))
    save_file({"ids": batch[:, :, :-1].contiguous(), "targets": batch[:, :, 1:].contiguous()}, "batch.safetensors")
    results = [compare("exported", "model", "batch.safetensors"), compare("exported as BF16", "half", "batch.safetensors"), compare("the finished run", "run", "batch.safetensors")]
    results += [compare("tied embeddings", variant("tied", "tie_word_embeddings=true"), "batch.safetensors"),
                compare("trained with MTP", variant("mtp", "num_nextn_predict_layers=1"), "batch.safetensors"),
                compare("its modules too", variant("modules", "num_nextn_predict_layers=1", options=("--mtp",)), "batch.safetensors", modules=True),
                compare("padded vocabulary", variant("padded", "vocab_size=768", "unpadded_vocab_size=640", "train.z_loss=0.01"), "batch.safetensors"),
                compare("the padded run's own", "run-padded", "batch.safetensors")]
    tokenizer = AutoTokenizer.from_pretrained("model")
    print(f"tokenizer: {type(tokenizer).__name__}, {len(tokenizer)} tokens, {tokenizer('The mill grinds.')['input_ids']}")
    results += [same_numbers("model", kind) for kind in (torch.float32, torch.bfloat16, torch.float16, torch.float8_e4m3fn)]
    results.append(every_code())
    return all(results)


if __name__ == "__main__":
    sys.exit(0 if main() else 1)

"""DeepSeek-V3's model and its training a second time, and nothing of quern in it: NumPy in double precision, gradients by a tape, written from the report (arXiv 2412.19437) and from what
transformers' DeepseekV3ForCausalLM computes. It made the reference folders beside it, which `make check` compares quern with.

    reference.py make FOLDER [KEY=VALUE...]   a tiny model with random weights (float32), a batch, and what they give, as FOLDER/model, batch.safetensors, expect.safetensors, expect.json
    reference.py check FOLDER...              the same computed again for folders that are there, made here or by another program, and the largest differences from what they hold; exit 1 where
                                              one is out of bounds
    reference.py again FOLDER OUT             a folder as `make` writes it, of the model and the batch of FOLDER

KEYs are those of config.json. The layout of a folder: `ids` and `targets` [steps, B, T]; `logits` [B, T, V] and `grad.NAME` of step 0; `after.NAME` behind all AdamW steps; losses, gradient
norms before clipping and tokens per expert of step 0."""
import json, math, os, struct, sys
import numpy as np

# --- the tape: a tensor knows what it was made of, and how its gradient goes back there


class Tensor:
    def __init__(self, value, *parents):
        self.value, self.parents, self.grad = value, parents, None  # parents: (tensor, gradient of self -> gradient of the tensor)

    def __add__(self, other): return add(self, other)
    def __mul__(self, other): return mul(self, other)
    def __getitem__(self, key): return pick(self, key)


def constant(value): return value if isinstance(value, Tensor) else Tensor(np.asarray(value, np.float64))


def shrink(grad, shape):
    """Sums over the axes that broadcasting added or stretched."""
    grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
    return grad.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1 and grad.shape[i] != 1), keepdims=True)


def add(a, b):
    a, b = constant(a), constant(b)
    return Tensor(a.value + b.value, (a, lambda g: shrink(g, a.value.shape)), (b, lambda g: shrink(g, b.value.shape)))


def mul(a, b):
    a, b = constant(a), constant(b)
    return Tensor(a.value * b.value, (a, lambda g: shrink(g * b.value, a.value.shape)), (b, lambda g: shrink(g * a.value, b.value.shape)))


def matmul(a, b):
    flip = lambda x: np.swapaxes(x, -1, -2)
    return Tensor(a.value @ b.value, (a, lambda g: shrink(g @ flip(b.value), a.value.shape)), (b, lambda g: shrink(flip(a.value) @ g, b.value.shape)))


def function(a, value, derivative): return Tensor(value, (a, lambda g: g * derivative))
def power(a, p): return function(a, a.value**p, p * a.value ** (p - 1))
def exp(a): return function(a, np.exp(a.value), np.exp(a.value))
def log(a): return function(a, np.log(a.value), 1 / a.value)


def sigmoid(a):
    s = 1 / (1 + np.exp(-a.value))
    return function(a, s, s * (1 - s))


def total(a, axis): return Tensor(a.value.sum(axis, keepdims=True), (a, lambda g: np.broadcast_to(g, a.value.shape)))
def reshape(a, *shape): return Tensor(a.value.reshape(shape), (a, lambda g: g.reshape(a.value.shape)))
def transpose(a, *axes): return Tensor(a.value.transpose(axes), (a, lambda g: g.transpose(np.argsort(axes))))


def pick(a, key):
    def back(g):
        out = np.zeros_like(a.value)
        np.add.at(out, key, g)
        return out
    return Tensor(a.value[key], (a, back))


def put_rows(a, rows, count):
    """Rows of `a` added up at `rows` of a tensor of zeros: the other way of pick."""
    out = np.zeros((count,) + a.value.shape[1:])
    np.add.at(out, rows, a.value)
    return Tensor(out, (a, lambda g: g[rows]))


def concatenate(parts, axis):
    ends = np.cumsum([p.value.shape[axis] for p in parts])[:-1]
    return Tensor(np.concatenate([p.value for p in parts], axis), *((p, lambda g, i=i: np.split(g, ends, axis)[i]) for i, p in enumerate(parts)))


def backward(loss):
    order, seen = [], set()

    def visit(t):
        if id(t) not in seen:
            seen.add(id(t))
            for parent, _ in t.parents: visit(parent)
            order.append(t)
    sys.setrecursionlimit(100000)
    visit(loss)
    loss.grad = np.ones_like(loss.value)
    for t in reversed(order):
        for parent, back in t.parents if t.grad is not None else ():
            g = back(t.grad)
            parent.grad = g if parent.grad is None else parent.grad + g


# --- the model


def linear(x, w): return matmul(x, transpose(w, 1, 0))
def silu(x): return x * sigmoid(x)
def rmsnorm(x, w, eps): return x * power(add(total(x * x, -1) * (1 / x.value.shape[-1]), eps), -0.5) * w
def swiglu(x, p, name): return linear(silu(linear(x, p[name + ".gate_proj.weight"])) * linear(x, p[name + ".up_proj.weight"]), p[name + ".down_proj.weight"])


def log_softmax(x):
    x = add(x, -x.value.max(-1, keepdims=True))
    return add(x, log(total(exp(x), -1)) * -1)


def mscale_of(factor, mscale): return 0.1 * mscale * math.log(factor) + 1 if factor > 1 else 1.0


def rope_table(c, length):
    """Cosines and sines [T, rope / 2]; YaRN as in arXiv 2309.00071, section 3."""
    width, base, yarn = c["qk_rope_head_dim"], c["rope_theta"], c.get("rope_scaling")
    frequencies, factor = base ** -(np.arange(0, width, 2) / width), 1.0
    if yarn:
        turns = lambda rotations: width * math.log(yarn["original_max_position_embeddings"] / (rotations * 2 * math.pi)) / (2 * math.log(base))
        low, high = max(math.floor(turns(yarn["beta_fast"])), 0), min(math.ceil(turns(yarn["beta_slow"])), width - 1)
        ramp = np.clip((np.arange(width // 2) - low) / (high - low if high > low else 0.001), 0, 1)
        frequencies = frequencies * (1 - ramp) + frequencies / yarn["factor"] * ramp
        mscale, all_dim = yarn.get("mscale"), yarn.get("mscale_all_dim")
        factor = mscale_of(yarn["factor"], mscale) / mscale_of(yarn["factor"], all_dim) if mscale and all_dim else mscale_of(yarn["factor"], 1)
    angles = np.arange(length)[:, None] * frequencies
    return np.cos(angles) * factor, np.sin(angles) * factor


def rotate(x, table):
    """Adjacent pairs of the last axis turned by their position, the axis before it."""
    cos, sin = table
    even, odd = x[..., 0::2], x[..., 1::2]
    return concatenate([add(even * cos, odd * (-sin)), add(even * sin, odd * cos)], -1)  # queries and keys in the same order of pairs: products are the same


def attention(x, p, name, c, table):
    B, T, heads, nope, rope, v = *x.value.shape[:2], c["num_attention_heads"], c["qk_nope_head_dim"], c["qk_rope_head_dim"], c["v_head_dim"]
    eps, latent = 1e-6, c["kv_lora_rank"]  # the latents' norms do not take rms_norm_eps, in DeepSeek's code as in transformers
    w = lambda part: p[f"{name}.self_attn.{part}.weight"]
    query = linear(rmsnorm(linear(x, w("q_a_proj")), w("q_a_layernorm"), eps), w("q_b_proj")) if c.get("q_lora_rank") else linear(x, w("q_proj"))
    query = transpose(reshape(query, B, T, heads, nope + rope), 0, 2, 1, 3)
    low = linear(x, w("kv_a_proj_with_mqa"))
    both = linear(rmsnorm(low[..., :latent], w("kv_a_layernorm"), eps), w("kv_b_proj"))
    both = transpose(reshape(both, B, T, heads, nope + v), 0, 2, 1, 3)
    shared = rotate(reshape(low[..., latent:], B, 1, T, rope), table) * np.ones((1, heads, 1, 1))
    key = concatenate([both[..., :nope], shared], -1)
    query = concatenate([query[..., :nope], rotate(query[..., nope:], table)], -1)
    scale, yarn = (nope + rope) ** -0.5, c.get("rope_scaling")
    if yarn and yarn.get("mscale_all_dim"): scale *= mscale_of(yarn["factor"], yarn["mscale_all_dim"]) ** 2
    scores = matmul(query, transpose(key, 0, 1, 3, 2)) * scale
    weights = exp(log_softmax(add(scores, np.where(np.tri(T, dtype=bool), 0, -1e30))))
    out = transpose(matmul(weights, both[..., nope:]), 0, 2, 1, 3)
    return linear(reshape(out, B, T, heads * v), w("o_proj"))


def route(scores, bias, c):
    """Indices [N, K] of the chosen experts: by scores and bias, the best groups first. Also how far the choice was from another one."""
    choice, groups, keep, K = scores + bias, c["n_group"], c["topk_group"], c["num_experts_per_tok"]
    N, E = choice.shape
    best_two = np.sort(choice.reshape(N, groups, -1), -1)[..., -2:].sum(-1)
    order = np.argsort(-best_two, -1)
    allowed = np.zeros((N, groups), bool)
    np.put_along_axis(allowed, order[:, :keep], True, -1)
    masked = np.where(np.repeat(allowed, E // groups, -1), choice, -np.inf)
    chosen = np.argsort(-masked, -1)
    ranked, gap = np.take_along_axis(masked, chosen, -1), np.inf
    if K < E // groups * keep: gap = (ranked[:, K - 1] - ranked[:, K]).min()
    if keep < groups:
        ranked = np.take_along_axis(best_two, order, -1)
        gap = min(gap, (ranked[:, keep - 1] - ranked[:, keep]).min())
    return chosen[:, :K], gap


def experts(x, p, name, c, seen):
    """A mixture of experts on tokens [N, H]."""
    N, E = x.value.shape[0], c["n_routed_experts"]
    scores = sigmoid(linear(x, p[name + ".gate.weight"]))
    chosen, gap = route(scores.value, p[name + ".gate.e_score_correction_bias"].value, c)
    weights = scores[np.arange(N)[:, None], chosen]
    if c["norm_topk_prob"]: weights = weights * power(add(total(weights, -1), 1e-20), -1)
    weights = weights * c["routed_scaling_factor"]
    seen["gap"] = min(seen["gap"], gap)
    seen["counts"].append(np.bincount(chosen.ravel(), minlength=E).tolist())
    out = swiglu(x, p, name + ".shared_experts") if c["n_shared_experts"] else constant(np.zeros(x.value.shape))
    for e in range(E):
        rows, place = np.nonzero(chosen == e)
        if rows.size:
            out = add(out, put_rows(swiglu(x[rows], p, f"{name}.experts.{e}") * reshape(weights[rows, place], -1, 1), rows, N))
    return out


def block(x, p, layer, c, table, seen):
    name, (B, T, H), eps = f"model.layers.{layer}", x.value.shape, c["rms_norm_eps"]
    x = add(x, attention(rmsnorm(x, p[name + ".input_layernorm.weight"], eps), p, name, c, table))
    y = rmsnorm(x, p[name + ".post_attention_layernorm.weight"], eps)
    if layer < c["first_k_dense_replace"]: return add(x, swiglu(y, p, name + ".mlp"))
    return add(x, reshape(experts(reshape(y, B * T, H), p, name + ".mlp", c, seen), B, T, H))


def forward(p, c, ids, seen):
    """Logits by depth: the model's [B, T, V], and those of each MTP module [B, T - d, V] for the tokens d places further (report, section 2.2)."""
    eps, layers, embedding = c["rms_norm_eps"], c["num_hidden_layers"], p["model.embed_tokens.weight"]
    head = p["model.embed_tokens.weight" if c.get("tie_word_embeddings") else "lm_head.weight"]
    table, x = rope_table(c, ids.shape[1]), embedding[ids]
    for layer in range(layers): x = block(x, p, layer, c, table, seen)
    hidden = rmsnorm(x, p["model.norm.weight"], eps)
    logits = [linear(hidden, head)]
    for d in range(1, 1 + c.get("num_nextn_predict_layers", 0)):
        name = f"model.layers.{layers + d - 1}"
        ahead = rmsnorm(embedding[ids[:, d:]], p[name + ".enorm.weight"], eps)
        behind = rmsnorm(hidden[:, :-1], p[name + ".hnorm.weight"], eps)
        x = linear(concatenate([ahead, behind], -1), p[name + ".eh_proj.weight"])
        x = block(x, p, layers + d - 1, c, rope_table(c, ids.shape[1] - d), seen)
        hidden = rmsnorm(x, p[name + ".shared_head.norm.weight"], eps)
        logits.append(linear(hidden, head))
    return logits


def cross_entropy(logits, targets):
    B, T = targets.shape
    chosen = log_softmax(logits)[np.arange(B)[:, None], np.arange(T)[None, :], targets]
    return total(reshape(chosen, -1), 0) * (-1 / targets.size)


# --- ten steps

ADAM, CLIP, MTP_WEIGHT = dict(lr=3e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1), 1.0, 0.3


def train(config, weights, ids, targets):
    """What expect.safetensors and expect.json hold, and how near the choice of experts came to another one."""
    values = {name: w.astype(np.float64) for name, w in weights.items()}
    trained = [name for name in values if not name.endswith("e_score_correction_bias")]
    moments = {name: (np.zeros_like(values[name]), np.zeros_like(values[name])) for name in trained}
    expect, losses, mtp_losses, norms, counts, gap = {}, [], [], [], None, np.inf
    for step in range(len(ids)):
        seen = {"gap": np.inf, "counts": []}
        p = {name: Tensor(v) for name, v in values.items()}
        logits, *further = forward(p, config, ids[step], seen)
        loss, T = cross_entropy(logits, targets[step]), ids.shape[-1]
        mtp = [cross_entropy(l, targets[step][:, d:]) for d, l in enumerate(further, 1)]
        whole = loss
        for d, l in enumerate(mtp, 1): whole = add(whole, l * (MTP_WEIGHT / len(mtp) * (T - d) / T))  # each module's sum is divided by T
        backward(whole)
        grads = {name: np.zeros_like(values[name]) if p[name].grad is None else p[name].grad for name in trained}
        gap = min(gap, seen["gap"])
        if step == 0:
            expect["logits"], counts = logits.value, seen["counts"]
            expect.update({"grad." + name: g for name, g in grads.items()})
        norm = math.sqrt(sum((g**2).sum() for g in grads.values()))
        losses.append(float(loss.value[0])), norms.append(norm), mtp_losses.append([float(l.value[0]) for l in mtp])
        for name, g in grads.items():
            g, (m, v), (b1, b2), w = g * min(1, CLIP / (norm + 1e-6)), moments[name], ADAM["betas"], values[name]
            m += (1 - b1) * (g - m)
            v += (1 - b2) * (g * g - v)
            w *= 1 - ADAM["lr"] * ADAM["weight_decay"]
            w -= ADAM["lr"] * (m / (1 - b1 ** (step + 1))) / (np.sqrt(v / (1 - b2 ** (step + 1))) + ADAM["eps"])
    expect.update({"after." + name: values[name] for name in trained})
    first = config["first_k_dense_replace"]
    mtp = {"mtp_weight": MTP_WEIGHT, "mtp_losses": mtp_losses} if mtp_losses[0] else {}
    return expect, dict({"losses": losses, "gradient_norms": norms, "tokens_per_expert": {str(first + i): n for i, n in enumerate(counts)}}, **mtp), gap


# --- files


def read_tensors(path):
    with open(path, "rb") as file: data = file.read()
    (length,) = struct.unpack("<Q", data[:8])
    types = {"F32": "<f4", "I64": "<i8"}
    return {name: np.frombuffer(data[8 + length + t["data_offsets"][0]:8 + length + t["data_offsets"][1]], types[t["dtype"]]).reshape(t["shape"])
            for name, t in json.loads(data[8:8 + length]).items() if name != "__metadata__"}


def write_tensors(path, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, t in tensors.items():
        header[name] = {"dtype": "I64" if t.dtype == np.int64 else "F32", "shape": list(t.shape), "data_offsets": [at, at + t.nbytes]}
        at += t.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file: file.write(struct.pack("<Q", len(text)) + text + b"".join(t.tobytes() for t in tensors.values()))


def write_json(path, value):
    with open(path, "w") as file: file.write(json.dumps(value, indent=1) + "\n")


SHAPE = dict(vocab_size=24, hidden_size=16, intermediate_size=18, moe_intermediate_size=6, num_hidden_layers=2, num_attention_heads=2, q_lora_rank=6, kv_lora_rank=5, qk_nope_head_dim=4,
             qk_rope_head_dim=4, v_head_dim=3, n_routed_experts=8, num_experts_per_tok=3, n_group=4, topk_group=2, n_shared_experts=1, first_k_dense_replace=1, routed_scaling_factor=2.5,
             norm_topk_prob=True, rms_norm_eps=1e-6, rope_theta=10000.0, rope_scaling=None, max_position_embeddings=32, initializer_range=0.05)


def make_weights(c, random):
    """Name and shape of every tensor, as Hugging Face has them; normal numbers, wider than a training's, so that nothing is small by chance."""
    shapes, H, heads, key = {}, c["hidden_size"], c["num_attention_heads"], c["qk_nope_head_dim"] + c["qk_rope_head_dim"]

    def feedforward(name, inner): shapes.update({f"{name}.gate_proj.weight": (inner, H), f"{name}.up_proj.weight": (inner, H), f"{name}.down_proj.weight": (H, inner)})

    def layer(i):
        a, m = f"model.layers.{i}.self_attn.", f"model.layers.{i}.mlp"
        shapes[f"model.layers.{i}.input_layernorm.weight"] = (H,)
        if c["q_lora_rank"]: shapes.update({a + "q_a_proj.weight": (c["q_lora_rank"], H), a + "q_a_layernorm.weight": (c["q_lora_rank"],), a + "q_b_proj.weight": (heads * key, c["q_lora_rank"])})
        else: shapes[a + "q_proj.weight"] = (heads * key, H)
        shapes.update({a + "kv_a_proj_with_mqa.weight": (c["kv_lora_rank"] + c["qk_rope_head_dim"], H), a + "kv_a_layernorm.weight": (c["kv_lora_rank"],),
                       a + "kv_b_proj.weight": (heads * (c["qk_nope_head_dim"] + c["v_head_dim"]), c["kv_lora_rank"]), a + "o_proj.weight": (H, heads * c["v_head_dim"]),
                       f"model.layers.{i}.post_attention_layernorm.weight": (H,)})
        if i < c["first_k_dense_replace"]:
            feedforward(m, c["intermediate_size"])
            return
        shapes.update({m + ".gate.weight": (c["n_routed_experts"], H), m + ".gate.e_score_correction_bias": (c["n_routed_experts"],)})
        for e in range(c["n_routed_experts"]): feedforward(f"{m}.experts.{e}", c["moe_intermediate_size"])
        if c["n_shared_experts"]: feedforward(m + ".shared_experts", c["moe_intermediate_size"] * c["n_shared_experts"])
    shapes["model.embed_tokens.weight"] = (c["vocab_size"], H)
    for i in range(c["num_hidden_layers"]): layer(i)
    shapes["model.norm.weight"] = (H,)
    if not c.get("tie_word_embeddings"): shapes["lm_head.weight"] = (c["vocab_size"], H)
    for i in range(c["num_hidden_layers"], c["num_hidden_layers"] + c.get("num_nextn_predict_layers", 0)):
        shapes.update({f"model.layers.{i}.{part}.weight": (H,) for part in ("enorm", "hnorm", "shared_head.norm")})
        shapes[f"model.layers.{i}.eh_proj.weight"] = (H, 2 * H)
        layer(i)

    def draw(name, shape):
        x = random.standard_normal(shape)
        if "norm" in name: return 1 + 0.1 * x
        return x * (0.02 if name.endswith("bias") else 0.5 if "mlp.gate." in name else 0.15)
    return {name: draw(name, shape).astype(np.float32) for name, shape in shapes.items()}


def write_folder(folder, config, weights, ids, targets, expect, numbers):
    os.makedirs(os.path.join(folder, "model"), exist_ok=True)
    write_json(os.path.join(folder, "model", "config.json"), config)
    write_tensors(os.path.join(folder, "model", "model.safetensors"), weights)
    write_tensors(os.path.join(folder, "batch.safetensors"), {"ids": ids, "targets": targets})
    write_tensors(os.path.join(folder, "expect.safetensors"), {name: t.astype(np.float32) for name, t in expect.items()})
    write_json(os.path.join(folder, "expect.json"), dict({"optimizer": ADAM, "clip": CLIP, "weight_decay_on": "every parameter"}, **numbers))


def make(folder, pairs, B=2, T=11, steps=10):
    config = dict(SHAPE, **{key: json.loads(value) for key, value in (pair.split("=", 1) for pair in pairs)})
    random = np.random.default_rng(5)
    weights = make_weights(config, random)
    batches = random.integers(2, config["vocab_size"], (steps, B, T + 1))
    ids, targets = np.ascontiguousarray(batches[:, :, :-1]), np.ascontiguousarray(batches[:, :, 1:])
    expect, numbers, gap = train(config, weights, ids, targets)
    rest = {"architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "num_key_value_heads": config["num_attention_heads"], "tie_word_embeddings": False, "hidden_act": "silu",
            "attention_bias": False, "torch_dtype": "float32", "bos_token_id": 0, "eos_token_id": 1}
    write_folder(folder, dict(rest, **config), weights, ids, targets, expect, numbers)
    print(f"{folder}: loss {numbers['losses'][0]:.6f} to {numbers['losses'][-1]:.6f}; no choice of experts nearer to another one than {gap:.2g}")


# Largest relative differences that float32 on the other side explains, as in test_golden.c.
BOUNDS = {"logits": 1e-5, "grad": 1e-5, "after": 1e-3, "losses": 2e-6, "gradient_norms": 1e-4}


def read_model(folder):
    """Its configuration, weights, ids and targets."""
    with open(os.path.join(folder, "model", "config.json")) as file: config = json.load(file)
    batch = read_tensors(os.path.join(folder, "batch.safetensors"))
    return config, read_tensors(os.path.join(folder, "model", "model.safetensors")), batch["ids"], batch["targets"]


def again(folder, out):
    model = read_model(folder)
    expect, numbers, _ = train(*model)
    write_folder(out, *model, expect, numbers)


def check(folder):
    with open(os.path.join(folder, "expect.json")) as file: numbers = json.load(file)
    held = read_tensors(os.path.join(folder, "expect.safetensors"))
    expect, mine, gap = train(*read_model(folder))
    worst = dict.fromkeys(BOUNDS, 0.0)
    for name, value in held.items():
        kind = name.split(".")[0]
        worst[kind] = max(worst[kind], np.linalg.norm(value - expect[name]) / (np.linalg.norm(expect[name]) or 1))
    for kind in ("losses", "gradient_norms"): worst[kind] = max(abs(a - b) / b for a, b in zip(numbers[kind], mine[kind]))
    further = [abs(a - b) / b for x, y in zip(numbers.get("mtp_losses", []), mine.get("mtp_losses", [])) for a, b in zip(x, y)]
    worst["losses"] = max([worst["losses"], *further])
    same = numbers["tokens_per_expert"] == mine["tokens_per_expert"] and set(held) == set(expect)
    print(f"{folder}: " + ", ".join(f"{kind} {value:.2g}" for kind, value in worst.items()) + f", experts {'equal' if same else 'DIFFERENT'}; nearest choice {gap:.2g}")
    return same and all(worst[kind] <= bound for kind, bound in BOUNDS.items())


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"]: make(sys.argv[2], sys.argv[3:])
    elif sys.argv[1:2] == ["again"]: again(*sys.argv[2:4])
    else: sys.exit(0 if all([check(folder) for folder in sys.argv[2:]]) else 1)

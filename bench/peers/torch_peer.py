"""Training steps of transformers' DeepseekV3ForCausalLM in PyTorch, on the CPU: what quern-train bench is compared with.

  torch_peer.py MODEL.yaml fp32|bf16 [STEPS] [THREADS]     JSON: per_second (tokens, the median step of STEPS (5) behind one that does not count)

A step is 8 x 512 made-up tokens forward and backward, clipping to norm 1 and fused AdamW, as there. MODEL.yaml is one of recipes/models; its MTP module is left out on both sides. bf16 is
torch's autocast: products in BF16, parameters in FP32. Attention is torch's scaled_dot_product_attention, the fastest that transformers has here.
"""
import json
import statistics
import sys
import time

import torch
from transformers import DeepseekV3Config, DeepseekV3ForCausalLM


def read_shape(path):
    """The recipe is flat: KEY: NUMBER."""
    shape = {}
    with open(path) as file:
        for line in file:
            key, colon, value = line.split("#")[0].partition(":")
            if colon and value.strip() and not line.startswith(" "):
                shape[key.strip()] = json.loads(value)
    shape.pop("num_nextn_predict_layers", None)
    shape["q_lora_rank"] = shape.get("q_lora_rank") or None
    return shape


def main():
    path, dtype = sys.argv[1:3]
    steps, threads = (int(sys.argv[i]) if len(sys.argv) > i else usual for i, usual in ((3, 5), (4, 2)))
    shape = read_shape(path)
    config = DeepseekV3Config(**shape, num_key_value_heads=shape["num_attention_heads"], rope_scaling=None, routed_scaling_factor=2.5, norm_topk_prob=True,
                              max_position_embeddings=4096, tie_word_embeddings=False, attn_implementation="sdpa")
    torch.manual_seed(0)
    torch.set_num_threads(threads)
    model = DeepseekV3ForCausalLM(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)
    ids = torch.randint(0, config.vocab_size, (8, 512))
    times = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == "bf16"):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        times.append(time.perf_counter() - start)
    print(json.dumps({"per_second": ids.numel() / statistics.median(times[1:])}))


main()

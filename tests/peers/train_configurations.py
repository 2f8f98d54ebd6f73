"""The model against transformers' DeepseekV3ForCausalLM in configurations that differ in every way that the shape allows: logits, loss, every gradient, ten AdamW steps, tokens per expert. A
folder for each is made by train_golden.py, of $QUERN_PEER_SCRIPTS. Transformers computes in single precision, so the referee is the second implementation, in double (golden/reference.py):
ours (golden_compare, and the command line, quern-train forward) and transformers are both held to the bounds against it, and ours against transformers is printed beside them. Over ten steps the
rounding of transformers alone can reach the bound of the losses (all-dense: 1.9e-6 of 2e-6, where ours has 3e-7), so that line alone does not fail.

    train_configurations.py GOLDEN_COMPARE TRAIN_GOLDEN.PY [NAME...]"""
import json
import os
import subprocess
import sys
import tempfile

YARN = {"rope_type": "yarn", "type": "yarn", "factor": 8.0, "original_max_position_embeddings": 16, "beta_fast": 32.0, "beta_slow": 1.0, "mscale": 0.707, "mscale_all_dim": 0.707}
CONFIGURATIONS = {
    "no-q-lora": dict(q_lora_rank=None),
    "one-group": dict(n_group=1, topk_group=1),
    "two-shared": dict(n_shared_experts=2),
    "no-shared": dict(n_shared_experts=0),
    "odd-sizes": dict(vocab_size=331, hidden_size=45, intermediate_size=101, moe_intermediate_size=23, q_lora_rank=27, kv_lora_rank=19, qk_nope_head_dim=11, qk_rope_head_dim=6, v_head_dim=13,
                      n_routed_experts=15, n_group=5, topk_group=3, num_experts_per_tok=5),
    "yarn": dict(rope_scaling=YARN, max_position_embeddings=128),
    "yarn-two-scales": dict(rope_scaling=dict(YARN, factor=40.0, original_max_position_embeddings=4, mscale=1.0, mscale_all_dim=0.5), rope_theta=5e5),
    "all-groups": dict(topk_group=4),
    "not-normalised": dict(norm_topk_prob=False, routed_scaling_factor=1.0),
    "no-dense": dict(first_k_dense_replace=0),
    "all-dense": dict(first_k_dense_replace=3),
    "large-heads": dict(num_attention_heads=2, kv_lora_rank=64, qk_nope_head_dim=128, qk_rope_head_dim=64, v_head_dim=128, vocab_size=350),
    "one-of-many": dict(n_routed_experts=16, n_group=8, topk_group=1, num_experts_per_tok=1, moe_intermediate_size=8, norm_topk_prob=False, vocab_size=290),
    "one-head": dict(num_attention_heads=1, num_hidden_layers=1, first_k_dense_replace=0, rms_norm_eps=1e-5),
}


# An expert that no token chose in the first step has no gradient at all in PyTorch (None): its AdamW passes over it, decay too, and counts its steps from where it first had one. Ours counts the
# steps of all parameters together, as Megatron's does; with zeros for those gradients PyTorch's parameters are ours again. The sizes above are such that each expert has tokens in the first step,
# which is checked. With a single chosen expert whose weight is divided by itself, the router's gradient would be rounding alone: hence norm_topk_prob false there.


def idle_experts(folder):
    """How many experts no token of the first step chose."""
    with open(f"{folder}/expect.json") as file:
        return sum(count == 0 for layer in json.load(file)["tokens_per_expert"].values() for count in layer)


def run(*command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    return done.returncode == 0, done.stdout


def main(compare, script, *names):
    reference = os.path.join(os.environ["QUERN_SOURCE"], "tests/train/golden/reference.py")
    failed = beyond = 0
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, settings in CONFIGURATIONS.items():
            if names and name not in names:
                continue
            made, said = run(sys.executable, script, name, *(f"{key}={json.dumps(value)}" for key, value in settings.items()))
            if not made:
                sys.exit(f"{name}: {script} failed\n{said}")
            if idle_experts(name):
                sys.exit(f"{name}: an expert has no token in the first step, and AdamW in PyTorch then has steps of its own for it; give it another vocab_size")
            again, _ = run(sys.executable, reference, "again", name, f"{name}-double")
            forward = ("quern-train", "forward", f"{name}/model", "--batch", f"{name}/batch.safetensors", "-o", f"{name}/out", "--gradients", "-q")
            within, said = run(compare, name)
            beyond += not within
            print(f"quern | transformers  {said.strip()}{'' if within else '  <-- beyond the bounds'}", flush=True)
            for who, command in (("quern | double", (compare, f"{name}-double")), ("transformers | double", (sys.executable, reference, "check", name)), ("quern-train forward", forward),
                                 ("quern-train forward", (compare, "--output", f"{name}/out", f"{name}-double"))):
                passed, said = run(*command)
                failed += not (again and passed)
                if not passed or who != "quern-train forward":
                    print(f"{who:21} {said.strip()}{'' if passed else '  <-- FAILED'}", flush=True)
    print(f"{len(names or CONFIGURATIONS)} configurations, {failed} comparisons with double precision out of bounds; ours and transformers', both single, are further apart than them in {beyond}")
    return failed


if __name__ == "__main__":
    sys.exit(1 if main(*sys.argv[1:]) else 0)

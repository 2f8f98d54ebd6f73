"""What the libraries of PyTorch take on a GPU for the operations that quern-train ops --perf has timed: cuBLAS's products and its grouped call, PyTorch's grouped products, attention of cuDNN and of
FlashAttention.

  gpu_peer.py PERF.json [SECONDS] [DEVICE]     JSON lines: operation and shape as there, by (the library), us (the median call)

PERF.json is what `quern-train ops --perf --json` printed in BF16. SECONDS (0.1) for each. Calls are timed by events on the stream, without waiting between them. Experts have the same number of rows
each; gradients of weights come out as BF16, where ours are added to FP32. What a library does not take is left out, with a line of why on standard error. DEVICE cpu: whether the script runs.
"""
import ctypes
import json
import statistics
import sys
import time

import torch
import torch.nn.functional as functional
from torch.nn.attention import SDPBackend, sdpa_kernel

CALLS_MAX = 50
BF16 = torch.bfloat16


def median_us(call, seconds, device):
    """Median microseconds of a call behind three that do not count."""
    for _ in range(3):
        call()
    if device == "cpu":
        start = time.perf_counter()
        call()
        return 1e6 * (time.perf_counter() - start)
    torch.cuda.synchronize()
    marks = [torch.cuda.Event(enable_timing=True)]
    marks[0].record()
    start = time.perf_counter()
    while len(marks) < 4 or (len(marks) < CALLS_MAX and time.perf_counter() - start < seconds):
        call()
        marks.append(torch.cuda.Event(enable_timing=True))
        marks[-1].record()
    torch.cuda.synchronize()
    return 1e3 * statistics.median(a.elapsed_time(b) for a, b in zip(marks, marks[1:]))


def products(kind, numbers, make):
    """C[m,n] of NT (A[m,k] B[n,k]^T), NN (A[m,k] B[k,n]) and TN (A[k,m]^T B[k,n])."""
    m, n, k = numbers[1:4]
    a = make(k, m).t() if kind == "TN" else make(m, k)
    b = make(n, k).t() if kind == "NT" else make(k, n)
    out = make(m, n)
    yield "cuBLAS", lambda: torch.mm(a, b, out=out)


def grouped_operands(kind, numbers, make):
    """E products over equal runs of rows: the operands of each, as matrices A[m,k] and B[k,n] whose strides say how they lie, and their common tensors for PyTorch."""
    experts, m, n, k, tokens, top_k = numbers[1:7]
    rows = tokens * top_k // experts * experts
    if kind == "TN":
        a, b = make(rows, m).t(), make(rows, n)
    else:
        a = make(rows, k)
        b = make(experts, n, k).transpose(1, 2) if kind == "NT" else make(experts, k, n)
    ends = torch.arange(1, experts + 1, dtype=torch.int32, device=a.device) * (rows // experts)
    return a, b, ends


def cublas_grouped(kind, a, b, experts):
    """A call of cublasGemmGroupedBatchedEx (cublas_api.h; column-major, so that C^T = B^T A^T is what it is asked for), and its output."""
    version = torch.version.cuda.split(".")[0]
    call = ctypes.CDLL(f"libcublas.so.{version}").cublasGemmGroupedBatchedEx
    if kind == "TN":
        run = b.shape[0] // experts
        lefts = [a[:, e * run:(e + 1) * run] for e in range(experts)]
        rights = [b[e * run:(e + 1) * run] for e in range(experts)]
    else:
        run = a.shape[0] // experts
        lefts = [a[e * run:(e + 1) * run] for e in range(experts)]
        rights = list(b)
    m, k, n = lefts[0].shape[0], lefts[0].shape[1], rights[0].shape[1]
    out = torch.empty(experts, m, n, dtype=BF16, device=a.device)

    def ints(value):
        return (ctypes.c_int * 1)(value)

    def operand(matrices):  # a row-major matrix is its own transpose to cuBLAS; transposed here, it has to be turned there (CUBLAS_OP_T is 1)
        turned = matrices[0].stride(1) != 1
        pointers = torch.tensor([x.data_ptr() for x in matrices], dtype=torch.int64, device=a.device)
        return ints(1 if turned else 0), pointers, ints(matrices[0].stride(1 if turned else 0))

    turn_left, lefts_at, left_stride = operand(lefts)
    turn_right, rights_at, right_stride = operand(rights)
    _, outs_at, out_stride = operand(list(out))
    one, zero = (ctypes.c_float * 1)(1), (ctypes.c_float * 1)(0)
    bf16, compute = 14, 68  # CUDA_R_16BF, CUBLAS_COMPUTE_32F

    def pointer(tensor):
        return ctypes.c_void_p(tensor.data_ptr())

    def run_all():
        handle = ctypes.c_void_p(torch.cuda.current_blas_handle())
        status = call(handle, turn_right, turn_left, ints(n), ints(m), ints(k), one, pointer(rights_at), bf16, right_stride, pointer(lefts_at), bf16, left_stride, zero,
                      pointer(outs_at), bf16, out_stride, 1, ints(experts), compute)
        if status:
            raise RuntimeError(f"cublasGemmGroupedBatchedEx: status {status}")

    return run_all, out


def grouped(kind, numbers, make):
    a, b, ends = grouped_operands(kind, numbers, make)
    yield "PyTorch grouped", lambda: functional.grouped_mm(a, b, offs=ends)
    if a.device.type == "cuda":
        call, out = cublas_grouped(kind, a, b, numbers[1])
        call()
        error = (out.view(-1, out.shape[-1]).float() - functional.grouped_mm(a, b, offs=ends).view(-1, out.shape[-1]).float()).abs().max().item()
        if error > 0.05 * out.float().abs().max().item():
            raise RuntimeError(f"cuBLAS grouped and PyTorch grouped are {error} apart")
        yield "cuBLAS grouped", call


def attention(backward, numbers, make):
    """Key and value of each head by themselves, as these libraries want them: putting the shared key to the heads' is not timed."""
    batch, sequence, heads, nope, rope, v = numbers[:6]
    q, key = make(batch, heads, sequence, nope + rope), make(batch, heads, sequence, nope + rope)
    value, gradient = make(batch, heads, sequence, v), make(batch, heads, sequence, v)
    tensors = [q, key, value]
    backends = [("cuDNN", SDPBackend.CUDNN_ATTENTION), ("FlashAttention", SDPBackend.FLASH_ATTENTION)]
    for name, backend in backends if q.device.type == "cuda" else [("PyTorch", SDPBackend.MATH)]:
        def forward():
            with sdpa_kernel(backend):
                return functional.scaled_dot_product_attention(*tensors, is_causal=True)

        if not backward:
            yield name, forward
            continue
        for tensor in tensors:
            tensor.requires_grad_(True)
        try:
            out = forward()
        except RuntimeError as error:
            complain("attention_backward", name, error)
            continue
        yield name, lambda: torch.autograd.grad(out, tensors, gradient, retain_graph=True)


def counterparts(operation, shape, make):
    numbers = [int(x) for x in shape.split()]
    name, _, kind = operation.partition(" ")
    if name == "matmul" and "wide" not in kind:
        return products(kind[:2], numbers, make)
    if name == "grouped":
        return grouped(kind[:2], with_rows(kind[:2], numbers), make)
    if name.startswith("attention"):
        return attention(name != "attention", numbers, make)
    return ()


def with_rows(kind, numbers):
    """The case says 0 where the number of rows stands, which is tokens times top_k."""
    numbers = list(numbers)
    numbers[4 if kind == "TN" else 2] = numbers[5] * numbers[6]
    return numbers


def complain(operation, library, error):
    print(f"{operation}: {library}: {str(error).splitlines()[0]}", file=sys.stderr)


def measure(row, seconds, device, make):
    turn = iter(counterparts(row["operation"], row["shape"], make))
    while True:
        library = "a library"
        try:
            library, call = next(turn)
            us = median_us(call, seconds, device)
        except StopIteration:
            return
        except (RuntimeError, OSError, AttributeError) as error:
            complain(row["operation"], library, error)
            continue
        print(json.dumps({"operation": row["operation"], "shape": row["shape"], "by": library, "us": round(us, 3)}), flush=True)


def main():
    with open(sys.argv[1]) as file:
        rows = json.load(file)["operations"]
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 0.1
    device = sys.argv[3] if len(sys.argv) > 3 else "cuda"
    torch.manual_seed(0)

    def make(*shape):
        return torch.randn(*shape, dtype=BF16, device=device)

    print(json.dumps({"torch": torch.__version__, "cudnn": torch.backends.cudnn.version()}))
    for row in rows:
        measure(row, seconds, device, make)


main()

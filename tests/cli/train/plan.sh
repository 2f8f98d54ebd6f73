# What a run would take, as a table: of a GPU that is not there, of a build without CUDA too; the same from quern. By kind it is test_memory_plan.c that knows better.
R="$QUERN_SOURCE/recipes/deepseek-v3.yaml"
cuda="--set model=nano --set train.backend=cuda --set train.precision=bf16 --set train.micro_batch=2 --set train.recompute=norms"
quern-train plan --recipe "$R" $cuda --gpu-memory 80GB >table
sed -E 's/ +[0-9.]+ [kMGT]?B( +[0-9.]+%)?$/ N/' table # docs/memory.md has figures
quern plan "$R" $cuda --gpu-memory 80GB | cmp - table && echo "the same from quern"
quern-train plan --recipe "$R" $cuda --gpu-memory 256MiB | grep -A 1 'the GPU has' | sed -E 's/(missing) .*/\1/'
quern plan "$R" $cuda --json | grep -o '"gpu":.*"total":[0-9]*},"memory"' | sed 's/[0-9][0-9]*/N/g'

echo "== refused"
quern plan "$R" --set train.backend=gpu || echo "exit $?"
quern plan "$R" --gpu-memory much || echo "exit $?"
quern plan || echo "exit $?"

# The backend of a GPU: its operations are right, or one line says that there is no GPU, or that this build has none. What two backends differ by is said of each operation, and what a layer takes.
quern-train ops --backend cuda --against cpu >out 2>why && code=0 || code=$?
case $code in
    0) ! grep -v '^ok\|^cuda\|^ *largest' out ;;
    4) [ "$(wc -l <why)" = 1 ] && grep -q 'there is no GPU to train on' why ;;
    *) [ $code = 2 ] && [ "$(wc -l <why)" = 1 ] && grep -q 'built without CUDA' why ;;
esac && echo "as it should be" || cat out why

quern-train ops --backend cpu-generic --against cpu --operation embed | sed -E 's/[0-9]+\.[0-9]+/N/g; s/cpu-[a-z0-9]+/cpu/g; s/ +/ /g; s/, .*thread.*//'
quern-train ops --against cpu-bf16 2>&1 >/dev/null | sed -E "s/'cpu-[a-z0-9-]+'/'cpu'/g"
quern-train ops --operation nothing 2>&1 >/dev/null; echo "exit $?"
quern-train ops --perf --model nano --batch 1 --sequence 8 --seconds 0.001 --operation rope --json | grep -oE '"(backend|model|matrix_flop_per_s|copy_bytes_per_s|operation|shape|us|flop_share|bytes_share)"' | tr '\n' ' '; echo
quern-train bench --model nano --batch 1 --sequence 8 --steps 1 --block feedforward --skew 1 --json | grep -oE '"(block|flop|forward_ms|backward_ms|flop_per_s|load_max|tensor_bytes)":("feedforward"|5996544)?' | tr '\n' ' '; echo
quern-train bench --model nano --block head; echo "exit $?"

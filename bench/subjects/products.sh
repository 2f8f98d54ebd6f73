# Matrix products of the CPU backend, one thread, beside OpenBLAS where the machine has it.
describe 'Matrix products on the CPU' 'made-up numbers; shapes of model nano, and a large square'

library=$(ldconfig -p 2>/dev/null | sed -n 's/.*=> \(.*libopenblas\.so\.0\)$/\1/p' | head -n 1)
for shape in forward-thin expert input-gradient weight-gradient large; do
    compared=(--peer 'OpenBLAS, serial')
    if [ -n "$library" ]; then
        rate=$(for run in 1 2 3; do quern-bench-products $shape "$library" | sed 's/.*://; s/}//'; done | sort -g | sed -n 2p)
        compared+=(--peer-per-second "$rate")
    fi
    figure "products.$shape" "products: $shape" flop --reported flop_per_s -j 1 "${compared[@]}" -- quern-bench-products $shape
done

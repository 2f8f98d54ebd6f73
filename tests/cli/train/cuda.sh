# The backend of a GPU: its operations are right, or one line says that there is no GPU, or that this build has none.
quern-train ops --backend cuda >out 2>why && code=0 || code=$?
case $code in
    0) ! grep -v '^ok\|^cuda' out ;;
    4) [ "$(wc -l <why)" = 1 ] && grep -q 'there is no GPU to train on' why ;;
    *) [ $code = 2 ] && [ "$(wc -l <why)" = 1 ] && grep -q 'built without CUDA' why ;;
esac && echo "as it should be" || cat out why

/* golden_compare FOLDER...                how far the model is from each reference folder
 * golden_compare --output FILE FOLDER    how far that is which `quern-train forward --gradients` wrote
 *
 * The exit code is 1 where something is out of bounds. For tests/peers/train.sh and tests/cli/train/forward.sh. */
#include "golden.h"

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    int failed = 0;
    const char *output = argc == 4 && strcmp(argv[1], "--output") == 0 ? argv[2] : NULL;
    for (int i = output ? 3 : 1; i < argc; i++) {
        struct golden_differences differences;
        q_status status = output ? golden_compare_output(output, argv[i], &differences)
                                 : golden_compare(argv[i], op_table_cpu(OP_FP32), 2, &differences);
        if (status) {
            printf("%s: %s\n", argv[i], q_error_text());
            failed = 1;
            continue;
        }
        golden_print(argv[i], &differences);
        failed |= !golden_within_bounds(&differences);
    }
    return failed;
}

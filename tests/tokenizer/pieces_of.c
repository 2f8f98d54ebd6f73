/* pieces_of NAME < texts > pieces: the cut by a built-in pretokenizer, for the comparison with public tools (tests/peers/pretokenizers.py). In: for each text
 * its size as u32 and its bytes. Out: for each text the number of its pieces and each piece's size, as u32. Little-endian, as the machine. */
#include "base/memory.h"
#include "tokenizer/pretokenize/pretokenize.h"

#include <stdio.h>

enum { ENDS = 1024 };

static int print_pieces(const struct pretokenizer *pretokenizer, q_string text, struct q_buffer *out)
{
    struct pretokenize_scratch scratch = {0};
    size_t at = 0, start = 0, ends[ENDS], count;
    uint32_t all = 0;
    q_buffer_clear(out);
    do {
        if (pretokenizer_cut(pretokenizer, &scratch, text, &at, ends, ENDS, &count))
            return 1;
        for (size_t i = 0; i < count; start = ends[i++])
            if (q_buffer_append(out, &(uint32_t){(uint32_t)(ends[i] - start)}, sizeof(uint32_t)))
                return 1;
        all += (uint32_t)count;
    } while (count);
    return fwrite(&all, sizeof(all), 1, stdout) != 1 || fwrite(out->data, 1, out->size, stdout) != out->size;
}

int main(int count, char **arguments)
{
    const struct pretokenizer *pretokenizer = count == 2 ? pretokenizer_named(q_string_of(arguments[1])) : NULL;
    struct q_buffer text = {0}, out = {0};
    uint32_t size;
    int failed = !pretokenizer;
    while (!failed && fread(&size, sizeof(size), 1, stdin) == 1) {
        q_buffer_clear(&text);
        failed = q_buffer_reserve(&text, size) || fread(text.data, 1, size, stdin) != size ||
                 print_pieces(pretokenizer, (q_string){text.data, size}, &out);
    }
    q_buffer_release(&text);
    q_buffer_release(&out);
    return failed;
}

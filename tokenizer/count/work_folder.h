/* A folder for what does not fit in memory, beside the file that is being made: PATH.work.
 *
 *     open      takes away what a killed process left there; a living one's is Q_ERR_SYSTEM
 *     make      when the first file is to be written: the folder and a locked file `lock` in it
 *     close     removes it all
 *
 * Only files that quern makes there are removed (run-*, pass-*, lock). A folder of that name with other things in it is refused.
 */
#ifndef QUERN_TOKENIZER_WORK_FOLDER_H
#define QUERN_TOKENIZER_WORK_FOLDER_H

#include "base/memory.h"
#include "base/status.h"

/* Ready when zeroed. Not for several threads at a time. */
struct work_folder {
    struct q_arena arena;
    const char *path; /* NULL: not opened */
    int lock;         /* 0: not made */
};

q_status work_folder_open(struct work_folder *folder, const char *beside) Q_MUST_USE;
/* Does nothing the second time. */
q_status work_folder_make(struct work_folder *folder) Q_MUST_USE;
/* Also after a failure; keeps the text of the last one. */
void work_folder_close(struct work_folder *folder);

#endif

/* The user's own id of a document: `meta.id`, which the corpus carries along from JSON lines. */
#ifndef QUERN_DEDUP_USER_ID_H
#define QUERN_DEDUP_USER_ID_H

#include "base/memory.h"
#include "base/status.h"

#include <stdbool.h>

/* Where `meta` (a JSON object, or empty) has an id that is a text, puts it into `id` (cleared first); *found says
 * whether. */
q_status user_id_read(q_string meta, struct q_buffer *id, bool *found) Q_MUST_USE;

#endif

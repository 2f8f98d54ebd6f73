/* The tables of an audit, which the terminal and the report both show. Private to audit_*.c. */
#ifndef QUERN_TOKENIZER_AUDIT_TABLES_H
#define QUERN_TOKENIZER_AUDIT_TABLES_H

#include "tokenizer/inspect/audit.h"
#include "tokenizer/inspect/text_table.h"

/* The cell of a token: shown, cut where it is long. */
q_status audit_token_put(const struct audit *audit, uint32_t id, struct text_table *table) Q_MUST_USE;

/* Each fills a zeroed table, header first. */
q_status audit_ranges_fill(const struct audit *audit, struct text_table *table) Q_MUST_USE;
q_status audit_reach_fill(const struct audit *audit, struct text_table *table) Q_MUST_USE;
q_status audit_figures_fill(const struct audit *audit, struct text_table *table) Q_MUST_USE;
q_status audit_scripts_fill(const struct audit *audit, bool all, struct text_table *table) Q_MUST_USE;
q_status audit_tokens_fill(const struct audit *audit, const uint32_t *ids, size_t count,
                           struct text_table *table) Q_MUST_USE;

/* The longest of the tokens that no measured text has, up to `wanted` (parts of characters left out): those that a model will know least about. */
q_status audit_suspects(const struct audit *audit, size_t wanted, uint32_t *ids, size_t *count) Q_MUST_USE;

#endif

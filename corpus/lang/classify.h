/* What classifiers say of a text: its language, its quality. The models are fastText files that the settings name (fasttext.h); without one the language is
 * CLD2's (lang.h), and there is no quality.
 */
#ifndef QUERN_CORPUS_CLASSIFY_H
#define QUERN_CORPUS_CLASSIFY_H

#include "corpus/corpus_settings.h"
#include "corpus/lang/fasttext.h"
#include "corpus/lang/lang.h"

/* Shared by all threads. Zeroed: no models. */
struct corpus_models {
    struct fasttext_model *lang, *quality;    /* NULL: none */
    char (*lang_tags)[CORPUS_LANG_CODE_SIZE]; /* of lang's labels; "zh" where its script is left open */
    uint32_t quality_label;
};

/* Loads what settings->lang_model and ->quality_model name. Q_ERR_INPUT where a file is no model or its labels are no languages, Q_ERR_USAGE where it has
 * not the label settings->quality_label. corpus_models_release also after a failure. */
q_status corpus_models_load(const struct corpus_settings *settings, struct corpus_models *out) Q_MUST_USE;
void corpus_models_release(struct corpus_models *models);

/* One per thread. The models must outlive it. */
struct corpus_classifier {
    const struct corpus_models *models;
    struct fasttext_scratch *lang, *quality;
};

q_status corpus_classifier_init(struct corpus_classifier *classifier, const struct corpus_models *models) Q_MUST_USE;
void corpus_classifier_release(struct corpus_classifier *classifier); /* zeroed, or after a failure, too */

/* The language of the text and its score: of the model, the likeliest label and its probability, "und" and 0 where it knows nothing of the text; without
 * a model, the one with the largest share and that share. `shares` is what corpus_lang_identify said of the text. Where `stated` is not empty it
 * stands, and the score is that of this language, 0 where it is not among those found. Found is "en" for "en-GB" and "zh-Hans" for "zh", too. */
q_status corpus_classify_lang(struct corpus_classifier *classifier, q_string text, const struct corpus_langs *shares,
                              q_string stated, struct corpus_lang *out) Q_MUST_USE;

/* Probability of the label settings->quality_label, 0..1; 0 where the model knows nothing of the text, -1 without a model. */
q_status corpus_classify_quality(struct corpus_classifier *classifier, q_string text, double *out) Q_MUST_USE;

/* Probability with which a document of this quality is kept: (2 - quality)^-alpha, 1 for the best and for alpha 0. That is how GPT-3 sampled Common Crawl:
 * kept where a draw of the Pareto (Lomax) distribution with alpha = 9 passes 1 - quality (Brown et al. 2020, appendix A). */
double corpus_quality_share(double quality, double alpha);

#endif

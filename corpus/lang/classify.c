#include "corpus/lang/classify.h"

#include "base/check.h"

#include <math.h>
#include <stdio.h>

/* --- models ------------------------------------------------------------------------------------------------------------------------ */

static q_status load_lang(const char *path, struct corpus_models *models)
{
    Q_TRY(fasttext_load(path, &models->lang));
    const uint32_t labels = fasttext_label_count(models->lang);
    Q_TRY(q_alloc_zero(labels, sizeof *models->lang_tags, &models->lang_tags));
    for (uint32_t i = 0; i < labels; i++) {
        q_string label = fasttext_label(models->lang, i);
        if (!corpus_lang_tag(label.data, label.size, models->lang_tags[i]))
            return q_fail(Q_ERR_INPUT, "'%s': its label '%.*s' is no language; is it a model of languages?", path,
                          Q_STRING_ARGS(label));
    }
    return Q_OK;
}

static q_status load_quality(const struct corpus_settings *settings, struct corpus_models *models)
{
    Q_TRY(fasttext_load(settings->quality_model, &models->quality));
    const uint32_t labels = fasttext_label_count(models->quality);
    for (uint32_t i = 0; i < labels; i++)
        if (q_string_is(fasttext_label(models->quality, i), settings->quality_label)) {
            models->quality_label = i;
            return Q_OK;
        }
    return q_fail(Q_ERR_USAGE, "corpus.quality_label: '%s' has no label '%s', but %u others like '%.*s'",
                  settings->quality_model, settings->quality_label, labels,
                  Q_STRING_ARGS(fasttext_label(models->quality, 0)));
}

q_status corpus_models_load(const struct corpus_settings *settings, struct corpus_models *out)
{
    *out = (struct corpus_models){0};
    if (settings->lang_model)
        Q_TRY(load_lang(settings->lang_model, out));
    if (settings->quality_model)
        Q_TRY(load_quality(settings, out));
    return Q_OK;
}

void corpus_models_release(struct corpus_models *models)
{
    fasttext_release(models->lang);
    fasttext_release(models->quality);
    q_release(models->lang_tags);
    *models = (struct corpus_models){0};
}

q_status corpus_classifier_init(struct corpus_classifier *classifier, const struct corpus_models *models)
{
    *classifier = (struct corpus_classifier){.models = models};
    if (models->lang)
        Q_TRY(fasttext_scratch_create(models->lang, &classifier->lang));
    if (models->quality)
        Q_TRY(fasttext_scratch_create(models->quality, &classifier->quality));
    return Q_OK;
}

void corpus_classifier_release(struct corpus_classifier *classifier)
{
    fasttext_scratch_release(classifier->lang);
    fasttext_scratch_release(classifier->quality);
    *classifier = (struct corpus_classifier){0};
}

/* --- language ---------------------------------------------------------------------------------------------------------------------- */

/* A label's tag; of Chinese whose script the model leaves open, that which CLD2 finds more of. */
static const char *tag_of(const struct corpus_models *models, uint32_t label, const struct corpus_langs *shares)
{
    const char *tag = models->lang_tags[label];
    if (strcmp(tag, "zh") != 0)
        return tag;
    for (unsigned i = 0; i < shares->count; i++)
        if (strncmp(shares->langs[i].code, "zh-", 3) == 0)
            return strcmp(shares->langs[i].code, "zh-Hant") == 0 ? "zh-Hant" : "zh-Hans";
    return "zh-Hans";
}

static void set_lang(struct corpus_lang *out, const char *code, double score)
{
    snprintf(out->code, sizeof out->code, "%s", code);
    out->score = score;
}

/* Whether the language is followed by the code, subtag for subtag. */
static bool begins(q_string lang, q_string code)
{
    return lang.size <= code.size && memcmp(lang.data, code.data, lang.size) == 0 &&
           (lang.size == code.size || code.data[lang.size] == '-');
}

/* Whether a document stated to be in one language may be in that of the code: one says more than the other ("en-GB" is "en", "zh" is "zh-Hans" or
 * "zh-Hant"), and a region says nothing of the script ("zh-TW" is either), while another script is another code. */
static bool is_stated(q_string stated, const char *code)
{
    enum { SCRIPT_BYTES = 4 };
    const size_t primary = Q_MIN(q_string_find(stated, Q_STRING("-"), 0), stated.size);
    const size_t second = Q_MIN(q_string_find(stated, Q_STRING("-"), primary + 1), stated.size);
    const bool script = second > primary && second - primary - 1 == SCRIPT_BYTES;
    return begins(q_string_of(code), stated) ||
           begins(q_string_slice(stated, 0, script ? second : primary), q_string_of(code));
}

static void likeliest(const struct corpus_models *models, const float *probabilities, const struct corpus_langs *shares,
                      q_string stated, struct corpus_lang *out)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t i = 0; i < fasttext_label_count(models->lang); i++)
        if ((best == UINT32_MAX || probabilities[i] > probabilities[best]) &&
            (!stated.size || is_stated(stated, tag_of(models, i, shares))))
            best = i;
    if (best != UINT32_MAX)
        set_lang(out, tag_of(models, best, shares), (double)probabilities[best]);
}

q_status corpus_classify_lang(struct corpus_classifier *classifier, q_string text, const struct corpus_langs *shares,
                              q_string stated, struct corpus_lang *out)
{
    const struct corpus_models *models = classifier->models;
    const float *probabilities;
    set_lang(out, "und", 0);
    if (models->lang) {
        Q_TRY(fasttext_predict(models->lang, classifier->lang, text, &probabilities));
        if (probabilities)
            likeliest(models, probabilities, shares, stated, out);
        return Q_OK;
    }
    for (unsigned i = 0; i < shares->count; i++)
        if (!stated.size || is_stated(stated, shares->langs[i].code)) {
            *out = shares->langs[i];
            break;
        }
    return Q_OK;
}

/* --- quality ----------------------------------------------------------------------------------------------------------------------- */

q_status corpus_classify_quality(struct corpus_classifier *classifier, q_string text, double *out)
{
    const struct corpus_models *models = classifier->models;
    const float *probabilities;
    *out = -1;
    if (!models->quality)
        return Q_OK;
    Q_TRY(fasttext_predict(models->quality, classifier->quality, text, &probabilities));
    *out = probabilities ? (double)probabilities[models->quality_label] : 0;
    return Q_OK;
}

double corpus_quality_share(double quality, double alpha)
{
    return pow(2 - quality, -alpha);
}

/* Speaks a text as 16-bit samples on standard output, and says on standard error when each word is heard:
 *     speak models/wren-en "Turn left in 300 m." | aplay -q -f S16_LE -r 24000 */
#include <stdio.h>
#include <stdlib.h>

#include <syrinx.h>

static int failed(const char *what) {
    fprintf(stderr, "%s: %s\n", what, syrinx_last_error());
    return 1;
}

int main(int argc, char **argv) {
    syrinx_model *model;
    syrinx_session *session;
    syrinx_speech *speech;
    syrinx_speak_options options = {.struct_size = sizeof options, .lane = SYRINX_LANE_ANSWER};
    syrinx_word word = {sizeof word, NULL, 0, 0, 0, 0, 0, 0};
    int16_t *pcm;
    size_t samples;
    double rate_hz;
    int32_t status;

    if (argc < 3) {
        fprintf(stderr, "speak PACK TEXT [VOICE [SEED]]\n");
        return 2;
    }
    options.voice = argc > 3 ? argv[3] : NULL;
    if (argc > 4) {
        options.seed = strtoull(argv[4], NULL, 10);
        options.flags = SYRINX_SPEAK_SEED;
    }
    if (syrinx_model_open(argv[1], NULL, &model) < 0)
        return failed(argv[1]);
    if (syrinx_session_open(model, NULL, &session) < 0)
        return failed("session");
    if (syrinx_speak(session, argv[2], SYRINX_STRLEN, &options, &speech) < 0)
        return failed("speak");
    samples = syrinx_model_block_samples(model);
    rate_hz = syrinx_model_sample_rate(model);
    /* Each handle keeps alive what it needs. */
    syrinx_model_free(model);
    syrinx_session_free(session);

    pcm = malloc(samples * sizeof *pcm);
    if (!pcm)
        return 1;
    do {
        status = syrinx_speech_next_s16(speech, pcm, samples, NULL);
        if (status == SYRINX_OK)
            fwrite(pcm, sizeof *pcm, samples, stdout);
        while (syrinx_speech_next_word(speech, &word) == SYRINX_OK)
            fprintf(stderr, "%.2f %s\n", (double)word.sample_begin / rate_hz, word.text);
    } while (status == SYRINX_OK);
    if (status < 0)
        failed("next");
    free(pcm);
    syrinx_speech_free(speech);
    return status == SYRINX_DONE ? 0 : 1;
}

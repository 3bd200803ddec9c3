/* What a careless caller does: it ends in a number and a line, and the next call works. */
#include <pthread.h>

#include "check.h"

static void *fail_there(void *unused) {
    (void)unused;
    CHECK(strcmp(syrinx_last_error(), "") == 0);
    CHECK(syrinx_speech_finish(NULL) == SYRINX_BAD_ARGUMENT);
    SAYS("speech is NULL");
    return NULL;
}

static void null(syrinx_model *model, syrinx_session *session) {
    syrinx_model *no_model = NULL;
    syrinx_session *no_session = NULL;
    syrinx_speech *no_speech = NULL;
    syrinx_event event = {sizeof event, 0, 0, 0, 0, 0, 0, ""};
    float pcm[8];

    CHECK(syrinx_model_open(NULL, NULL, &no_model) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_model_open("/nowhere", NULL, NULL) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_session_open(NULL, NULL, &no_session) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_session_open(model, NULL, NULL) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_session_warm(NULL, NULL) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_speak(NULL, "x", 1, NULL, &no_speech) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_speak(session, NULL, 1, NULL, &no_speech) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_speak(session, NULL, 0, NULL, &no_speech) == SYRINX_BAD_TEXT);
    CHECK(syrinx_speak(session, "x", 1, NULL, NULL) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_speech_open(NULL, NULL, &no_speech) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_speech_push(NULL, "x", 1) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_speech_flush(NULL) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_speech_next(NULL, pcm, 8, NULL) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_speech_next_s16(NULL, NULL, 0, NULL) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_speech_next_word(NULL, NULL) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_speech_position(NULL, NULL, NULL) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_live_open(NULL, NULL, NULL) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_live_speak(NULL, "x", 1, NULL, NULL) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_utterance_open(NULL, NULL, NULL) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_utterance_push(NULL, "x", 1) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_utterance_next_event(NULL, 0, &event) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_utterance_cancel(NULL, NULL, NULL) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_render(NULL, pcm, 8, 1) == SYRINX_BAD_ARGUMENT);
    CHECK(pcm[7] == 0);
    CHECK(syrinx_render(NULL, NULL, 8, 1) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_live_underruns(NULL) == 0 && syrinx_live_sample_rate(NULL) == 0);
    CHECK(syrinx_model_sample_rate(NULL) == 0 && syrinx_model_block_samples(NULL) == 0);
    CHECK(!syrinx_model_name(NULL) && !syrinx_model_voice(NULL, 0));
    CHECK(!no_model && !no_session && !no_speech);
    syrinx_speech_cancel(NULL);
    syrinx_model_free(NULL);
    syrinx_session_free(NULL);
    syrinx_speech_free(NULL);
    syrinx_live_free(NULL);
    syrinx_renderer_free(NULL);
    syrinx_utterance_free(NULL);
}

static void sizes(syrinx_model *model, syrinx_session *session) {
    struct {
        syrinx_speak_options known;
        uint64_t later;
    } newer = {.known = {.struct_size = sizeof newer, .max_frames = 1}};
    struct {
        size_t struct_size;
        const char *voice;
    } older = {sizeof older, "nobody"};
    syrinx_speech *speech;
    syrinx_session *other;
    syrinx_session_options reserved = {sizeof reserved, 0, 1};
    syrinx_block block = {0, 0, 0, 0, 0, 0, 0, 0, 0};
    float pcm[4096];

    CHECK(syrinx_speech_open(session, &newer.known, &speech) == SYRINX_OK);
    CHECK(syrinx_speech_next(speech, pcm, 4096, &block) == SYRINX_BAD_ARGUMENT);
    SAYS("struct_size is 0");
    syrinx_speech_free(speech);
    newer.later = 1;
    CHECK(syrinx_speech_open(session, &newer.known, &speech) == SYRINX_BAD_ARGUMENT);
    SAYS("update it");
    newer.known.struct_size = 3;
    CHECK(syrinx_speech_open(session, &newer.known, &speech) == SYRINX_BAD_ARGUMENT);
    newer.known.struct_size = (size_t)-1;
    CHECK(syrinx_speech_open(session, &newer.known, &speech) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_speech_open(session, (const syrinx_speak_options *)(const void *)&older, &speech) == SYRINX_UNKNOWN_VOICE);
    SAYS(syrinx_model_voice(model, 0));
    CHECK(syrinx_session_open(model, &reserved, &other) == SYRINX_BAD_ARGUMENT);
    newer.known.struct_size = sizeof newer.known;
    newer.known.flags = 16;
    CHECK(syrinx_speech_open(session, &newer.known, &speech) == SYRINX_BAD_ARGUMENT);
    newer.known.flags = SYRINX_SPEAK_SSML | SYRINX_SPEAK_SSML_LENIENT;
    CHECK(syrinx_speech_open(session, &newer.known, &speech) == SYRINX_BAD_ARGUMENT);
    newer.known.flags = 0;
    newer.known.language = "tlh";
    CHECK(syrinx_speech_open(session, &newer.known, &speech) == SYRINX_UNSUPPORTED);
    newer.known.language = NULL;
    newer.known.lane = 3;
    CHECK(syrinx_speech_open(session, &newer.known, &speech) == SYRINX_BAD_OPTION);
}

/* A lexicon may go before the speech that uses it; marks come with their samples, pauses in silence. */
static void reading(syrinx_session *session) {
    syrinx_speak_options options = {.struct_size = sizeof options, .flags = SYRINX_SPEAK_SSML};
    syrinx_mark mark = {sizeof mark, NULL, 0};
    syrinx_lexicon *lexicon;
    syrinx_speech *speech;
    uint64_t samples = 0;
    int32_t code;
    syrinx_block block = {sizeof block, 0, 0, 0, 0, 0, 0, 0, 0};
    float pcm[4096];
    FILE *file = fopen("names.txt", "w");

    CHECK(file != NULL && fputs("Nguyen\twin\n", file) >= 0 && fclose(file) == 0);
    CHECK(syrinx_lexicon_open(NULL, &lexicon) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_lexicon_open("nowhere.txt", &lexicon) == SYRINX_IO);
    CHECK(syrinx_lexicon_open("names.txt", &lexicon) == SYRINX_OK);
    remove("names.txt");
    options.lexicon = lexicon;
    CHECK(syrinx_speak(session, "<speak>Nguyen<break time=\"1s\"/><mark name=\"here\"/>is in.</speak>", SYRINX_STRLEN,
                       &options, &speech) == SYRINX_OK);
    syrinx_lexicon_free(lexicon);
    syrinx_lexicon_free(NULL);
    options.lexicon = NULL;
    CHECK(syrinx_speech_next_mark(speech, &mark) == SYRINX_DONE);
    while (syrinx_speech_next(speech, pcm, 4096, &block) == SYRINX_OK) {
        samples += block.samples;
    }
    CHECK(syrinx_speech_next_mark(speech, &mark) == SYRINX_OK && strcmp(mark.name, "here") == 0);
    CHECK(mark.sample > 24000 && mark.sample < samples);
    CHECK(syrinx_speech_next_mark(speech, &mark) == SYRINX_DONE);
    syrinx_speech_free(speech);
    CHECK(syrinx_speak(session, "<speak>x", SYRINX_STRLEN, &options, &speech) == SYRINX_OK);
    while ((code = syrinx_speech_next(speech, pcm, 4096, NULL)) == SYRINX_OK) {
    }
    CHECK(code == SYRINX_BAD_TEXT);
    SAYS("<speak> has no end");
    syrinx_speech_free(speech);
}

static void order(const char *pack) {
    syrinx_model *model;
    syrinx_session *session;
    syrinx_speech *speech, *second = NULL;
    syrinx_block block = {sizeof block, 0, 0, 0, 0, 0, 0, 0, 0};
    syrinx_word word = {sizeof word, NULL, 0, 0, 0, 0, 0, 0};
    uint64_t chars = 9, bytes = 9;
    float pcm[4096];

    CHECK(syrinx_model_open(pack, NULL, &model) == SYRINX_OK);
    CHECK(syrinx_session_open(model, NULL, &session) == SYRINX_OK);
    CHECK(syrinx_speech_open(session, NULL, &speech) == SYRINX_OK);
    CHECK(syrinx_speech_open(session, NULL, &second) == SYRINX_BUSY);
    CHECK(syrinx_session_warm(session, NULL) == SYRINX_BUSY);
    CHECK(syrinx_speech_next(speech, pcm, 4096, &block) == SYRINX_NEED_TEXT && block.wait_ms == -1);
    CHECK(syrinx_speech_next(speech, NULL, 4096, &block) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_speech_next(speech, pcm, 1, &block) == SYRINX_BAD_ARGUMENT);
    SAYS("larger buffer");
    CHECK(syrinx_speech_push(speech, "caf\xc3", 4) == SYRINX_BAD_ARGUMENT);
    SAYS("from byte 3");
    CHECK(syrinx_speech_push(speech, "The caf\xc3\xa9 is open", SYRINX_STRLEN) == SYRINX_OK);
    CHECK(syrinx_speech_next(speech, pcm, 4096, &block) == SYRINX_NEED_TEXT && block.wait_ms >= 0);
    CHECK(syrinx_speech_finish(speech) == SYRINX_OK);
    CHECK(syrinx_speech_flush(speech) == SYRINX_OK);
    CHECK(syrinx_speech_push(speech, "x", 1) == SYRINX_ENDED);
    CHECK(syrinx_speech_next(speech, pcm, 4096, &block) == SYRINX_OK);
    CHECK(block.has_mark == 1 && block.mark_char_end == 16 && block.mark_byte_end == 17);
    /* What it needs lives on. */
    syrinx_model_free(model);
    syrinx_session_free(session);
    while (syrinx_speech_next(speech, pcm, 4096, NULL) == SYRINX_OK) {
    }
    CHECK(syrinx_speech_next(speech, pcm, 4096, NULL) == SYRINX_DONE);
    CHECK(syrinx_speech_position(speech, &chars, &bytes) == SYRINX_OK && chars == 16 && bytes == 17);
    CHECK(syrinx_speech_next_word(speech, &word) == SYRINX_OK && strcmp(word.text, "The") == 0);
    CHECK(syrinx_speech_next_word(speech, &word) == SYRINX_OK && strcmp(word.text, "caf\xc3\xa9") == 0);
    CHECK(word.char_begin == 4 && word.char_end == 8 && word.byte_end == 9);
    CHECK(syrinx_speech_next_word(speech, &word) == SYRINX_OK);
    CHECK(syrinx_speech_next_word(speech, &word) == SYRINX_OK && strcmp(word.text, "open") == 0);
    CHECK(syrinx_speech_next_word(speech, &word) == SYRINX_DONE);
    syrinx_speech_free(speech);
}

static void *cancel_there(void *speech) {
    syrinx_speech_cancel(speech);
    return NULL;
}

static void cancel(syrinx_session *session) {
    syrinx_speech *speech;
    pthread_t thread;
    float pcm[4096];
    CHECK(syrinx_speak(session, "This is a sentence of some length.", SYRINX_STRLEN, NULL, &speech) == SYRINX_OK);
    CHECK(syrinx_speech_next(speech, pcm, 4096, NULL) == SYRINX_OK);
    CHECK(pthread_create(&thread, NULL, cancel_there, speech) == 0 && pthread_join(thread, NULL) == 0);
    CHECK(syrinx_speech_next(speech, pcm, 4096, NULL) == SYRINX_CANCELLED);
    syrinx_speech_free(speech);
}

int main(int argc, char **argv) {
    syrinx_model *model;
    syrinx_session *session;
    pthread_t thread;
    syrinx_model_options broke = {sizeof broke, 0, 0, 0, 0, 1, NULL};
    syrinx_speak_options short_of_frames = {.struct_size = sizeof short_of_frames, .max_frames = 1};
    syrinx_speech *speech;
    float pcm[4096];

    CHECK(argc == 2 && syrinx_abi() == SYRINX_ABI && strlen(syrinx_version()) >= 5);
    CHECK(syrinx_model_open("/nowhere", NULL, &model) == SYRINX_BAD_PACK);
    SAYS("/nowhere");
    CHECK(pthread_create(&thread, NULL, fail_there, NULL) == 0 && pthread_join(thread, NULL) == 0);
    SAYS("/nowhere");
    CHECK(syrinx_model_open(argv[1], &broke, &model) == SYRINX_OUT_OF_MEMORY);
    CHECK(syrinx_model_open(argv[1], NULL, &model) == SYRINX_OK);
    CHECK(syrinx_session_open(model, NULL, &session) == SYRINX_OK);
    CHECK(syrinx_session_warm(session, "nobody") == SYRINX_UNKNOWN_VOICE);
    CHECK(syrinx_session_warm(session, NULL) == SYRINX_OK);
    CHECK(!syrinx_model_voice(model, 1000));
    null(model, session);
    sizes(model, session);
    reading(session);
    order(argv[1]);
    cancel(session);
    CHECK(syrinx_speak(session, "More than that.", SYRINX_STRLEN, &short_of_frames, &speech) == SYRINX_OK);
    CHECK(syrinx_speech_next(speech, pcm, 4096, NULL) == SYRINX_OK);
    CHECK(syrinx_speech_next(speech, pcm, 4096, NULL) == SYRINX_OUT_OF_BUDGET);
    CHECK(syrinx_speech_next(speech, pcm, 4096, NULL) == SYRINX_OUT_OF_BUDGET);
    syrinx_session_free(session);
    syrinx_speech_free(speech);
    syrinx_model_free(model);
    return 0;
}

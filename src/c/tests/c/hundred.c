/* Speaks a hundred sentences in every way: whole, pushed, cancelled, left in the middle. For valgrind. */
#include "check.h"

int main(int argc, char **argv) {
    syrinx_model *model;
    syrinx_session *session;
    syrinx_speech *speech;
    syrinx_word word = {sizeof word, NULL, 0, 0, 0, 0, 0, 0};
    float pcm[4096];
    int number, blocks, words = 0;

    CHECK(argc == 2 && syrinx_model_open(argv[1], NULL, &model) == SYRINX_OK);
    CHECK(syrinx_session_open(model, NULL, &session) == SYRINX_OK);
    for (number = 0; number < 100; number++) {
        CHECK(syrinx_speech_open(session, NULL, &speech) == SYRINX_OK);
        CHECK(syrinx_speech_push(speech, "Go", 2) == SYRINX_OK);
        CHECK(syrinx_speech_push(speech, " on.", SYRINX_STRLEN) == SYRINX_OK);
        CHECK(syrinx_speech_finish(speech) == SYRINX_OK);
        for (blocks = 0; syrinx_speech_next(speech, pcm, 4096, NULL) == SYRINX_OK; blocks++) {
            if (number % 4 == 1 && blocks == 2)
                syrinx_speech_cancel(speech);
            if (number % 4 == 2 && blocks == 2)
                break;
        }
        while (syrinx_speech_next_word(speech, &word) == SYRINX_OK)
            words++;
        syrinx_speech_free(speech);
    }
    CHECK(words == 100);
    syrinx_session_free(session);
    syrinx_model_free(model);
    return 0;
}

/* What a careless listener does: it ends in a number and a line, and the next call works. Packs: one that streams, one that
 * hears turn by turn, one that speaks. */
#include <math.h>
#include <pthread.h>

#include "check.h"

static void null(syrinx_ears *ears, syrinx_listener *listener) {
    syrinx_ears *no_ears = NULL;
    syrinx_listener *no_listener = NULL;
    syrinx_heard heard = {.struct_size = sizeof heard};
    syrinx_heard_word word = {.struct_size = sizeof word};
    float pcm[8] = {0};

    CHECK(syrinx_ears_open(NULL, NULL, &no_ears) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_ears_open("/nowhere", NULL, NULL) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_ears_open("/nowhere", NULL, &no_ears) < 0);
    SAYS("/nowhere");
    CHECK(syrinx_listener_open(NULL, NULL, &no_listener) == SYRINX_BAD_ARGUMENT);
    SAYS("ears is NULL");
    CHECK(syrinx_listener_open(ears, NULL, NULL) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_listener_feed(NULL, pcm, 8) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_listener_feed_s16(NULL, NULL, 0) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_listener_feed(listener, NULL, 8) == SYRINX_BAD_ARGUMENT);
    SAYS("pcm is NULL");
    CHECK(syrinx_listener_feed_s16(listener, NULL, 8) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_listener_feed(listener, pcm, (size_t)-1) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_listener_feed(listener, NULL, 0) == SYRINX_OK);
    CHECK(syrinx_listener_flush(NULL) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_listener_reset(NULL) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_listener_next(NULL, &heard) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_listener_next_word(NULL, &word) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_ears_sample_rate(NULL) == 0 && syrinx_ears_longest_delay_ms(NULL) == 0);
    CHECK(!syrinx_ears_name(NULL) && !syrinx_ears_language(NULL, 0) && !syrinx_ears_language(ears, 1000));
    CHECK(!no_ears && !no_listener);
    syrinx_ears_free(NULL);
    syrinx_listener_free(NULL);
}

static void options(syrinx_ears *streams, syrinx_ears *turns) {
    syrinx_listen_options options = {.struct_size = sizeof options};
    syrinx_listener *listener;

    options.delay_ms = 100;
    CHECK(syrinx_listener_open(streams, &options, &listener) == SYRINX_BAD_OPTION);
    SAYS("80");
    CHECK(syrinx_listener_open(turns, &options, &listener) == SYRINX_BAD_OPTION);
    SAYS("delay");
    options.delay_ms = 0;
    options.language = "tlh";
    CHECK(syrinx_listener_open(turns, &options, &listener) == SYRINX_BAD_OPTION);
    SAYS("tlh");
    CHECK(syrinx_listener_open(streams, &options, &listener) == SYRINX_BAD_OPTION);
    options.language = "\xff";
    CHECK(syrinx_listener_open(turns, &options, &listener) == SYRINX_BAD_ARGUMENT);
    options.language = NULL;
    options.phrases = "Syrinx\n\n  the harbour \n";
    CHECK(syrinx_listener_open(turns, &options, &listener) == SYRINX_BAD_OPTION);
    CHECK(syrinx_listener_open(streams, &options, &listener) == SYRINX_OK);
    syrinx_listener_free(listener);
    options.struct_size = 3;
    CHECK(syrinx_listener_open(streams, &options, &listener) == SYRINX_BAD_ARGUMENT);
    SAYS("struct_size is 3");
}

/* Texts outlive the word, are not there twice, and a struct that is too small is told before one is lost. */
static void texts(syrinx_listener *listener) {
    syrinx_heard heard = {.struct_size = 0};
    syrinx_heard_word word = {.struct_size = sizeof word};
    char first[64];
    uint32_t seed = 1, words, finals = 0;
    int i, second;
    float pcm[16000];

    for (second = 0; second < 5; second++) {
        for (i = 0; i < 16000; i++) {
            seed = seed * 1664525u + 1013904223u;
            pcm[i] = (float)(int32_t)seed / 2147483648.0f * 0.3f;
        }
        pcm[7] = NAN; /* is silence */
        pcm[8] = INFINITY;
        CHECK(syrinx_listener_feed(listener, pcm, 16000) == SYRINX_OK);
    }
    CHECK(syrinx_listener_flush(listener) == SYRINX_OK);
    CHECK(syrinx_listener_next(listener, &heard) == SYRINX_BAD_ARGUMENT);
    heard.struct_size = sizeof heard;
    while (syrinx_listener_next(listener, &heard) == SYRINX_OK) {
        CHECK(strlen(heard.text) > 0 && heard.start_ms <= heard.end_ms);
        CHECK(heard.is_final == 1); /* no open one is left behind a flush */
        finals++;
        snprintf(first, sizeof first, "%s", heard.text);
        for (words = 0; syrinx_listener_next_word(listener, &word) == SYRINX_OK; words++)
            CHECK(word.start_ms <= word.end_ms && strlen(word.text) > 0);
        CHECK(words == heard.words);
        CHECK(strncmp(first, heard.text, sizeof first - 1) == 0);
    }
    CHECK(finals > 0);
    CHECK(syrinx_listener_next(listener, NULL) == SYRINX_DONE);
    CHECK(syrinx_listener_next_word(listener, &word) == SYRINX_DONE);
    /* What was forgotten does not come. */
    CHECK(syrinx_listener_feed(listener, pcm, 16000) == SYRINX_OK);
    CHECK(syrinx_listener_reset(listener) == SYRINX_OK);
    CHECK(syrinx_listener_flush(listener) == SYRINX_OK);
    while (syrinx_listener_next(listener, &heard) == SYRINX_OK)
        CHECK(heard.is_final);
}

static void *feed(void *listener) {
    static int16_t pcm[1600];
    int i;
    for (i = 0; i < 20; i++) {
        CHECK(syrinx_listener_feed_s16(listener, pcm, 1600) == SYRINX_OK);
        syrinx_listener_next(listener, NULL);
    }
    return NULL;
}

int main(int argc, char **argv) {
    syrinx_ears *streams, *turns, *speaks = NULL;
    syrinx_ears_options flags = {sizeof flags, 4, 0};
    syrinx_listener *listener;
    pthread_t threads[3];
    int i;

    CHECK(argc == 4);
    CHECK(syrinx_ears_open(argv[1], &flags, &speaks) == SYRINX_BAD_ARGUMENT);
    CHECK(syrinx_ears_open(argv[3], NULL, &speaks) == SYRINX_UNSUPPORTED);
    SAYS("speaks");
    CHECK(!speaks);
    CHECK(syrinx_ears_open(argv[1], NULL, &streams) == SYRINX_OK);
    CHECK(syrinx_ears_open(argv[2], NULL, &turns) == SYRINX_OK);
    CHECK(syrinx_ears_sample_rate(streams) == 16000 && syrinx_ears_sample_rate(turns) == 16000);
    CHECK(syrinx_ears_longest_delay_ms(streams) > 0 && syrinx_ears_longest_delay_ms(turns) == 0);
    CHECK(strlen(syrinx_ears_name(streams)) > 0 && syrinx_ears_language(turns, 0));
    CHECK(syrinx_listener_open(streams, NULL, &listener) == SYRINX_OK);
    null(streams, listener);
    options(streams, turns);
    /* A listener outlives its ears. */
    syrinx_ears_free(streams);
    syrinx_ears_free(turns);
    texts(listener);
    for (i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, feed, listener) == 0);
    for (i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    syrinx_listener_free(listener);
    return 0;
}

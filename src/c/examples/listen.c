/* Writes what is said in 16-bit samples of standard input, a line for each text, and when each word was said:
 *     arecord -q -f S16_LE -r 16000 | listen packs/ears-base */
#include <stdio.h>

#include <syrinx.h>

static void show(syrinx_listener *listener) {
    syrinx_heard heard = {.struct_size = sizeof heard};
    syrinx_heard_word word = {.struct_size = sizeof word};
    while (syrinx_listener_next(listener, &heard) == SYRINX_OK) {
        if (!heard.is_final)
            continue; /* it comes again, with more */
        puts(heard.text);
        while (syrinx_listener_next_word(listener, &word) == SYRINX_OK)
            fprintf(stderr, "%.2f %s\n", (double)word.end_ms / 1e3, word.text);
    }
}

int main(int argc, char **argv) {
    syrinx_ears *ears = NULL;
    syrinx_listener *listener = NULL;
    int16_t pcm[1280];
    size_t samples;

    if (argc < 2 || syrinx_ears_open(argv[1], NULL, &ears) < 0 || syrinx_listener_open(ears, NULL, &listener) < 0) {
        fprintf(stderr, "listen PACK: %s\n", syrinx_last_error());
        return 1;
    }
    syrinx_ears_free(ears); /* the listener keeps alive what it needs */
    while ((samples = fread(pcm, sizeof *pcm, 1280, stdin)) > 0 &&
           syrinx_listener_feed_s16(listener, pcm, samples) == SYRINX_OK)
        show(listener);
    if (syrinx_listener_flush(listener) < 0)
        fprintf(stderr, "listen: %s\n", syrinx_last_error());
    show(listener);
    syrinx_listener_free(listener);
    return 0;
}

/* An audio callback of the caller's: prints a hash of what it is given, from the first sample that is not zero. */
#include <time.h>

#include "check.h"

enum { PERIOD = 240, CHANNELS = 2 };

static void wait_ms(long ms) {
    struct timespec time = {0, ms * 1000000};
    nanosleep(&time, NULL);
}

int main(int argc, char **argv) {
    syrinx_model *model;
    syrinx_live *live;
    syrinx_renderer *renderer;
    syrinx_utterance *utterance;
    syrinx_live_options options = {sizeof options, 0, 0, NULL, 0, 0, 0, 20};
    syrinx_event event = {sizeof event, 0, 0, 0, 0, 0, 0, ""};
    const char *text = "Caf\xc3\xa9 on the left.";
    float period[PERIOD * CHANNELS];
    int begun = 0, started = 0, clauses = 0, finished = 0;
    int32_t lane = SYRINX_LANE_NONE;
    uint64_t chars = 0, bytes = 0;
    FILE *heard;

    CHECK(argc == 3);
    heard = fopen(argv[2], "wb");
    CHECK(heard && syrinx_model_open(argv[1], NULL, &model) == SYRINX_OK);
    CHECK(syrinx_live_open_rendered(model, &options, 1, &live, &renderer) == SYRINX_BAD_OPTION);
    CHECK(syrinx_live_open_rendered(model, &options, syrinx_model_sample_rate(model), &live, &renderer) == SYRINX_OK);
    syrinx_model_free(model);
    CHECK(syrinx_live_sample_rate(live) == 24000);
    CHECK(syrinx_live_set_volume(live, 2, 1) == SYRINX_BAD_ARGUMENT && syrinx_live_set_volume(live, 1, 1) == SYRINX_OK);
    CHECK(syrinx_live_speak(live, text, SYRINX_STRLEN, NULL, &utterance) == SYRINX_OK);
    CHECK(syrinx_live_wait_lane(live, SYRINX_LANE_NONE, 60000, &lane) == SYRINX_OK && lane == SYRINX_LANE_ANSWER);
    while (!finished) {
        CHECK(syrinx_render(renderer, period, PERIOD, CHANNELS) == SYRINX_OK);
        for (int i = 0; i < PERIOD * CHANNELS; i += CHANNELS) {
            begun = begun || period[i] != 0;
            if (begun)
                fwrite(&period[i], sizeof(float), 1, heard);
        }
        while (syrinx_utterance_next_event(utterance, 0, &event) == SYRINX_OK) {
            started += event.kind == SYRINX_EVENT_STARTED;
            if (event.kind == SYRINX_EVENT_CLAUSE) {
                CHECK(event.char_end == 17 && event.byte_end == 18);
                clauses++;
            }
            finished += event.kind == SYRINX_EVENT_FINISHED;
        }
        wait_ms(1);
    }
    CHECK(started == 1 && clauses == 1 && syrinx_live_underruns(live) == 0);
    CHECK(syrinx_utterance_next_event(utterance, 0, &event) == SYRINX_DONE);
    CHECK(syrinx_utterance_position(utterance, &chars, &bytes) == SYRINX_OK && chars == 17 && bytes == 18);
    CHECK(syrinx_utterance_push(utterance, "x", 1) == SYRINX_ENDED);
    syrinx_utterance_free(utterance);

    CHECK(syrinx_utterance_open(live, NULL, &utterance) == SYRINX_OK);
    CHECK(syrinx_utterance_next_event(utterance, 5, &event) == SYRINX_TIMEOUT);
    CHECK(syrinx_utterance_push(utterance, "This one will not ", SYRINX_STRLEN) == SYRINX_OK);
    CHECK(syrinx_utterance_push(utterance, "be heard.", SYRINX_STRLEN) == SYRINX_OK);
    CHECK(syrinx_utterance_finish(utterance) == SYRINX_OK);
    CHECK(syrinx_utterance_cancel(utterance, &chars, &bytes) == SYRINX_OK && chars == 0 && bytes == 0);
    CHECK(syrinx_utterance_next_event(utterance, -1, &event) == SYRINX_OK && event.kind == SYRINX_EVENT_CANCELLED);
    /* Any order: the live speech goes first. */
    syrinx_live_free(live);
    CHECK(syrinx_render(renderer, period, PERIOD, CHANNELS) == SYRINX_OK && period[0] == 0);
    syrinx_utterance_free(utterance);
    syrinx_renderer_free(renderer);
    return fclose(heard);
}

/* Prints where each member of each struct is, for the Rust side to compare with its own. */
#include <stdio.h>

#include <syrinx.h>

#define STRUCT(type) printf(#type " %zu\n", sizeof(type))
#define MEMBER(type, member) printf(#type "." #member " %zu\n", offsetof(type, member))

int main(void) {
    STRUCT(syrinx_model_options);
    MEMBER(syrinx_model_options, flags);
    MEMBER(syrinx_model_options, threads);
    MEMBER(syrinx_model_options, parallel);
    MEMBER(syrinx_model_options, max_sessions);
    MEMBER(syrinx_model_options, memory_budget_bytes);
    MEMBER(syrinx_model_options, prefix_folder);
    STRUCT(syrinx_session_options);
    MEMBER(syrinx_session_options, context);
    MEMBER(syrinx_session_options, reserved);
    STRUCT(syrinx_speak_options);
    MEMBER(syrinx_speak_options, voice);
    MEMBER(syrinx_speak_options, seed);
    MEMBER(syrinx_speak_options, flags);
    MEMBER(syrinx_speak_options, lane);
    MEMBER(syrinx_speak_options, steps);
    MEMBER(syrinx_speak_options, guidance);
    MEMBER(syrinx_speak_options, max_frames);
    MEMBER(syrinx_speak_options, language);
    MEMBER(syrinx_speak_options, lexicon);
    MEMBER(syrinx_speak_options, speed);
    MEMBER(syrinx_speak_options, volume);
    STRUCT(syrinx_block);
    MEMBER(syrinx_block, sample);
    MEMBER(syrinx_block, samples);
    MEMBER(syrinx_block, has_mark);
    MEMBER(syrinx_block, wait_ms);
    MEMBER(syrinx_block, mark_char);
    MEMBER(syrinx_block, mark_char_end);
    MEMBER(syrinx_block, mark_byte);
    MEMBER(syrinx_block, mark_byte_end);
    STRUCT(syrinx_word);
    MEMBER(syrinx_word, text);
    MEMBER(syrinx_word, char_begin);
    MEMBER(syrinx_word, char_end);
    MEMBER(syrinx_word, byte_begin);
    MEMBER(syrinx_word, byte_end);
    MEMBER(syrinx_word, sample_begin);
    MEMBER(syrinx_word, sample_end);
    STRUCT(syrinx_mark);
    MEMBER(syrinx_mark, name);
    MEMBER(syrinx_mark, sample);
    STRUCT(syrinx_live_options);
    MEMBER(syrinx_live_options, flags);
    MEMBER(syrinx_live_options, context);
    MEMBER(syrinx_live_options, device);
    MEMBER(syrinx_live_options, period_ms);
    MEMBER(syrinx_live_options, ring_ms);
    MEMBER(syrinx_live_options, stuck_ms);
    MEMBER(syrinx_live_options, start_frames);
    STRUCT(syrinx_event);
    MEMBER(syrinx_event, kind);
    MEMBER(syrinx_event, detail);
    MEMBER(syrinx_event, char_begin);
    MEMBER(syrinx_event, char_end);
    MEMBER(syrinx_event, byte_begin);
    MEMBER(syrinx_event, byte_end);
    MEMBER(syrinx_event, message);
    STRUCT(syrinx_ears_options);
    MEMBER(syrinx_ears_options, flags);
    MEMBER(syrinx_ears_options, threads);
    STRUCT(syrinx_listen_options);
    MEMBER(syrinx_listen_options, delay_ms);
    MEMBER(syrinx_listen_options, pause_ms);
    MEMBER(syrinx_listen_options, recall_ms);
    MEMBER(syrinx_listen_options, phrase_bonus);
    MEMBER(syrinx_listen_options, phrases);
    MEMBER(syrinx_listen_options, language);
    STRUCT(syrinx_heard);
    MEMBER(syrinx_heard, text);
    MEMBER(syrinx_heard, language);
    MEMBER(syrinx_heard, start_ms);
    MEMBER(syrinx_heard, end_ms);
    MEMBER(syrinx_heard, is_final);
    MEMBER(syrinx_heard, words);
    STRUCT(syrinx_heard_word);
    MEMBER(syrinx_heard_word, text);
    MEMBER(syrinx_heard_word, start_ms);
    MEMBER(syrinx_heard_word, end_ms);
    return 0;
}

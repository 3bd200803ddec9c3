/*
 * Syrinx for C and all that can call C: offline speech on the device, and the other way round.
 *
 *     syrinx_model *model;  syrinx_session *session;  syrinx_speech *speech;
 *     syrinx_model_open("wren-en", NULL, &model);
 *     syrinx_session_open(model, NULL, &session);
 *     syrinx_speak(session, "Turn left.", SYRINX_STRLEN, NULL, &speech);
 *     float pcm[1920];                                  // syrinx_model_block_samples(model) of them
 *     while (syrinx_speech_next(speech, pcm, 1920, NULL) == SYRINX_OK) play(pcm);
 *
 * Everything is pulled: nothing here ever calls back. Every function may be called from any thread, and calls on one handle
 * wait for each other, but for those that say otherwise. Handles are freed in any order, each once, and not while another
 * call with them runs; what still needs another keeps it alive. NULL may be freed.
 *
 * Text is UTF-8 with a length in bytes, or SYRINX_STRLEN where it ends with a NUL. Positions are given in characters (Unicode
 * scalar values) and in bytes of the text pushed. Samples are mono, at the model's rate, but for those that are rendered.
 *
 * A struct's first member is its size, set by the caller: `syrinx_speak_options options = {sizeof options};`. All else may be
 * zero, which means: as the model says. A caller may be older than the library, or newer as long as the members that the
 * library does not know are zero. NULL in place of options means all of them zero.
 *
 * Functions that give int32_t return SYRINX_OK, another number above zero, or an error below zero; then syrinx_last_error()
 * says in one line what went wrong and what to do. What an `out` pointer was to receive is then untouched.
 */
#ifndef SYRINX_H
#define SYRINX_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Number of this interface, and of the shared library's name. It grows when a program must be compiled anew. */
#define SYRINX_ABI 0

/* In place of a text's length: it ends with a NUL. */
#define SYRINX_STRLEN SIZE_MAX

enum {
    SYRINX_OK = 0,
    SYRINX_DONE = 1,      /* nothing more comes */
    SYRINX_NEED_TEXT = 2, /* the text so far is spoken, or waits for the end of its sentence: push more, flush or finish */
    SYRINX_TIMEOUT = 3,   /* nothing came in time */

    SYRINX_BAD_PACK = -1,      /* absent, damaged or contradictory: get a good copy */
    SYRINX_NEWER_PACK = -2,    /* made for a newer runtime: update */
    SYRINX_BAD_TEXT = -3,      /* cannot be spoken as it is: change it */
    SYRINX_BAD_OPTION = -4,    /* out of its range: change it */
    SYRINX_UNKNOWN_VOICE = -5, /* the line lists those that there are */
    SYRINX_OUT_OF_BUDGET = -6, /* context or frame budget used up: shorten the text or raise the budget */
    SYRINX_OUT_OF_MEMORY = -7, /* the line says what to reduce */
    SYRINX_DEVICE = -8,        /* the sound device is absent, busy or gone */
    SYRINX_BACKEND = -9,       /* llama.cpp refused or failed */
    SYRINX_IO = -10,           /* the system refused to read or write a file */
    SYRINX_CANCELLED = -11,
    SYRINX_UNSUPPORTED = -12, /* not by this build */
    SYRINX_LICENCE = -13,     /* the pack's licence forbids the configured use */
    SYRINX_BUSY = -14,        /* taken, or a bounded queue is full: try later */
    SYRINX_ENDED = -15,       /* the speech has ended, or its text is complete: begin another */

    SYRINX_BAD_ARGUMENT = -100, /* NULL, a wrong struct_size, no UTF-8, a buffer that is too small: a fault of the caller's */
    SYRINX_PANIC = -101         /* a fault of the library's: free the handle, and report the line */
};

typedef struct syrinx_model syrinx_model;         /* weights, shared by all that is opened with it */
typedef struct syrinx_session syrinx_session;     /* speaks one text after another */
typedef struct syrinx_lexicon syrinx_lexicon;     /* how words are said */
typedef struct syrinx_speech syrinx_speech;       /* one text on its way to samples; one at a time per session */
typedef struct syrinx_live syrinx_live;           /* speech in real time */
typedef struct syrinx_renderer syrinx_renderer;   /* its samples, for an audio callback of the caller's */
typedef struct syrinx_utterance syrinx_utterance; /* one text on its way to the ear */
typedef struct syrinx_ears syrinx_ears;           /* weights of a pack that listens, shared likewise */
typedef struct syrinx_listener syrinx_listener;   /* one sound on its way to text */

/* ---- The library ---- */

/* SYRINX_ABI of the library that runs. */
uint32_t syrinx_abi(void);

/* As in "0.1.0". */
const char *syrinx_version(void);

/* Why the last call of this thread failed; "" where none did. Until the thread's next failure. */
const char *syrinx_last_error(void);

/* ---- A model ---- */

enum {
    SYRINX_MODEL_NO_VERIFY = 1, /* do not compare files with their hashes: only for very slow media */
    SYRINX_MODEL_COMMERCIAL = 2 /* refuse a pack whose licence forbids commercial use */
};

typedef struct syrinx_model_options {
    size_t struct_size;
    uint32_t flags;
    uint32_t threads;  /* of one session's work; 1 */
    uint32_t parallel; /* sessions that compute at the same time; 1, the others take turns by the frame */
    uint32_t max_sessions;
    uint64_t memory_budget_bytes; /* what is available */
    const char *prefix_folder;    /* where prefixes of voices are kept; in memory only */
} syrinx_model_options;

/* Opens a pack, a folder. */
int32_t syrinx_model_open(const char *folder, const syrinx_model_options *options, syrinx_model **out);
void syrinx_model_free(syrinx_model *model);

/* Samples per second; 0 for NULL. */
uint32_t syrinx_model_sample_rate(const syrinx_model *model);
/* Samples of a block, in which speech is made; 0 for NULL. */
size_t syrinx_model_block_samples(const syrinx_model *model);
/* The pack's name, and the name of its voice number `index`, the default first; NULL past the last. As long as the model. */
const char *syrinx_model_name(const syrinx_model *model);
const char *syrinx_model_voice(const syrinx_model *model, size_t index);

/* ---- Speech to buffers ---- */

typedef struct syrinx_session_options {
    size_t struct_size;
    uint32_t context; /* positions of a clause: voice, text and frames together; the model's, at most 2048 */
    uint32_t reserved;
} syrinx_session_options;

int32_t syrinx_session_open(const syrinx_model *model, const syrinx_session_options *options, syrinx_session **out);
/* Computes a voice's prefix now, so that the first text in it starts sooner. `voice`: NULL is the default. */
int32_t syrinx_session_warm(syrinx_session *session, const char *voice);
void syrinx_session_free(syrinx_session *session);

/* A lexicon's file: W3C's PLS, or two columns. */
int32_t syrinx_lexicon_open(const char *path, syrinx_lexicon **out);
/* What is spoken with it goes on. */
void syrinx_lexicon_free(syrinx_lexicon *lexicon);

enum {
    SYRINX_SPEAK_SEED = 1,            /* `seed` counts */
    SYRINX_SPEAK_WHOLE_SENTENCES = 2, /* whole sentences from the start, also where text comes in pieces */
    SYRINX_SPEAK_SSML = 4,            /* the text is SSML, and what is not heard as it is written is SYRINX_BAD_TEXT */
    SYRINX_SPEAK_SSML_LENIENT = 8     /* the text is SSML, and what is not known in it is passed over */
};

enum { /* importance: a higher lane goes before a lower one */
    SYRINX_LANE_NONE = -2, /* nobody speaks */
    SYRINX_LANE_CHATTER = -1,
    SYRINX_LANE_ANSWER = 0,
    SYRINX_LANE_NAVIGATION = 1,
    SYRINX_LANE_ALERT = 2
};

typedef struct syrinx_speak_options {
    size_t struct_size;
    const char *voice; /* the model's first */
    uint64_t seed;     /* the same seed, text and voice give the same samples */
    uint32_t flags;
    int32_t lane;
    uint32_t steps;      /* of the flow head */
    float guidance;      /* 1 is none, and half the work */
    uint64_t max_frames; /* 80 ms each, after which speech is cut; no limit */
    const char *language; /* such as "de" or "en-US", by whose rules numbers, dates and the like are read; the model's */
    const syrinx_lexicon *lexicon;
    float speed;  /* 0.5 to 4, without change of pitch; 1 */
    float volume; /* up to 4, as a factor; 1 */
} syrinx_speak_options;

/* Speaks a whole text. */
int32_t syrinx_speak(syrinx_session *session, const char *text, size_t length, const syrinx_speak_options *options,
                     syrinx_speech **out);
/* Begins a speech whose text is pushed, in pieces that may be cut up anywhere between characters. */
int32_t syrinx_speech_open(syrinx_session *session, const syrinx_speak_options *options, syrinx_speech **out);
int32_t syrinx_speech_push(syrinx_speech *speech, const char *text, size_t length);
/* The text is complete. */
int32_t syrinx_speech_finish(syrinx_speech *speech);
/* Speaks what has been pushed without waiting for the end of the sentence, but for a last word that may go on. */
int32_t syrinx_speech_flush(syrinx_speech *speech);

typedef struct syrinx_block {
    size_t struct_size;
    uint64_t sample;   /* number of its first sample in the speech */
    uint64_t samples;  /* samples written */
    int32_t has_mark;  /* a clause of the text begins with its first sample, and the next four members say which */
    int32_t wait_ms;   /* with SYRINX_NEED_TEXT: when a speaker would flush; -1 where no text waits */
    uint64_t mark_char, mark_char_end;
    uint64_t mark_byte, mark_byte_end;
} syrinx_block;

/*
 * Computes the next block. `capacity`: samples of room, at least syrinx_model_block_samples(). `block` may be NULL.
 * SYRINX_OK, SYRINX_NEED_TEXT, SYRINX_DONE, SYRINX_CANCELLED; SYRINX_OUT_OF_BUDGET where something was left unsaid.
 */
int32_t syrinx_speech_next(syrinx_speech *speech, float *pcm, size_t capacity, syrinx_block *block);
int32_t syrinx_speech_next_s16(syrinx_speech *speech, int16_t *pcm, size_t capacity, syrinx_block *block);

/* Stops it before its next block. Waits for nothing: also for a signal handler. */
void syrinx_speech_cancel(const syrinx_speech *speech);

/* What has been spoken with the blocks given out so far. Does not wait for a block. Either pointer may be NULL. */
int32_t syrinx_speech_position(const syrinx_speech *speech, uint64_t *chars, uint64_t *bytes);

typedef struct syrinx_word {
    size_t struct_size;
    const char *text; /* as it was pushed, with its punctuation; until the next call for this speech */
    uint64_t char_begin, char_end;
    uint64_t byte_begin, byte_end;
    uint64_t sample_begin, sample_end;
} syrinx_word;

/*
 * The next word of the clauses that have come to their end, SYRINX_DONE where there is none yet. The first word of a clause
 * begins exactly with it, the last ends with it; in between, times are estimates by the pace of the clause.
 */
int32_t syrinx_speech_next_word(syrinx_speech *speech, syrinx_word *word);

typedef struct syrinx_mark {
    size_t struct_size;
    const char *name; /* of SSML's `mark`; until the next call for this speech */
    uint64_t sample;  /* before which it stands; exact between sentences and beside a pause */
} syrinx_mark;

/* The next mark that has been passed, SYRINX_DONE where there is none yet. */
int32_t syrinx_speech_next_mark(syrinx_speech *speech, syrinx_mark *mark);
void syrinx_speech_free(syrinx_speech *speech);

/* ---- Speech in real time ---- */

enum {
    SYRINX_LIVE_KEEP_ALIVE = 1, /* inaudible pulses in silence, for sinks that sleep */
    SYRINX_LIVE_GOVERNOR = 2    /* trade quality for continuity where the machine is too slow */
};

typedef struct syrinx_live_options {
    size_t struct_size;
    uint32_t flags;
    uint32_t context;   /* as of a session */
    const char *device; /* as `syrinx devices` lists them; the system's */
    uint32_t period_ms; /* time per period that is asked for */
    uint32_t ring_ms;   /* speech that may wait for the device; 4000 */
    uint32_t stuck_ms;  /* time after which the model counts as stuck; 10000 */
    uint32_t start_frames; /* frames to have before a clause begins; as many as the machine's pace asks for */
} syrinx_live_options;

/* Speaks through a sound device. */
int32_t syrinx_live_open(const syrinx_model *model, const syrinx_live_options *options, syrinx_live **out);
/* Speaks through an audio callback of the caller's, at its rate. */
int32_t syrinx_live_open_rendered(const syrinx_model *model, const syrinx_live_options *options, uint32_t sample_rate_hz,
                                  syrinx_live **out, syrinx_renderer **renderer);
void syrinx_live_free(syrinx_live *live);

/*
 * For the caller's audio callback: writes `frames` times `channels` interleaved samples, speech or silence. It neither
 * allocates, frees, locks nor calls the system, and leaves syrinx_last_error() alone. By one thread at a time: another gets
 * silence and SYRINX_BUSY.
 */
int32_t syrinx_render(syrinx_renderer *renderer, float *out, size_t frames, uint32_t channels);
/* Frames between the return of syrinx_render() and the ear, by which positions lag; 0. As syrinx_render(), by one at a time. */
int32_t syrinx_renderer_set_latency(syrinx_renderer *renderer, uint64_t frames);
/* Not while syrinx_render() runs. Speech then waits for ever: free the live speech too. */
void syrinx_renderer_free(syrinx_renderer *renderer);

int32_t syrinx_live_warm(const syrinx_live *live, const char *voice);
int32_t syrinx_live_pause(const syrinx_live *live, int32_t paused);
/* 0 to 1, reached by a ramp; `duck` lowers speech under something else. */
int32_t syrinx_live_set_volume(const syrinx_live *live, float volume, float duck);
int32_t syrinx_live_cancel_all(const syrinx_live *live);
/*
 * Waits until the lane that has the ear is another than `known`, and says which has it: to lower music for speech. SYRINX_OK,
 * or SYRINX_TIMEOUT where none came in time; for ever with a negative time.
 */
int32_t syrinx_live_wait_lane(const syrinx_live *live, int32_t known, int32_t timeout_ms, int32_t *lane);
/* Samples per second of the device; how often samples ran out within a clause. 0 for NULL. */
uint32_t syrinx_live_sample_rate(const syrinx_live *live);
uint64_t syrinx_live_underruns(const syrinx_live *live);

/* Speaks a whole text, or one that is pushed. */
int32_t syrinx_live_speak(const syrinx_live *live, const char *text, size_t length, const syrinx_speak_options *options,
                          syrinx_utterance **out);
int32_t syrinx_utterance_open(const syrinx_live *live, const syrinx_speak_options *options, syrinx_utterance **out);
int32_t syrinx_utterance_push(const syrinx_utterance *utterance, const char *text, size_t length);
int32_t syrinx_utterance_finish(const syrinx_utterance *utterance);
int32_t syrinx_utterance_flush(const syrinx_utterance *utterance);
/* Stops within one period. Where it was: as syrinx_utterance_position(); SYRINX_EVENT_CANCELLED gives the final place. */
int32_t syrinx_utterance_cancel(const syrinx_utterance *utterance, uint64_t *chars, uint64_t *bytes);
/* What has been heard; after the last event, what was. Either pointer may be NULL. */
int32_t syrinx_utterance_position(const syrinx_utterance *utterance, uint64_t *chars, uint64_t *bytes);
/* Freed, its text is complete, and goes on being spoken. Cancel it first where it is not to. */
void syrinx_utterance_free(syrinx_utterance *utterance);

enum {
    SYRINX_EVENT_STARTED = 1,      /* the first sample was heard */
    SYRINX_EVENT_CLAUSE = 2,       /* the first sample of the clause char_begin..char_end */
    SYRINX_EVENT_UNDERRUN = 3,     /* samples ran out at char_begin */
    SYRINX_EVENT_GUARD = 4,        /* a clause went astray; detail 1: it is spoken once more, 0: it was left */
    SYRINX_EVENT_QUALITY = 5,      /* the governor changed the quality; detail 0: full, 1: fewer steps, 2: no guidance */
    SYRINX_EVENT_HEAT = 6,         /* the board's heat; detail: rungs given up */
    SYRINX_EVENT_DEVICE_LOST = 7,  /* speech waits for the device */
    SYRINX_EVENT_DEVICE_BACK = 8,  /* speech goes on at the clause that was interrupted */
    SYRINX_EVENT_INTERRUPTED = 9,  /* something more important is spoken first; char_begin characters were heard */
    SYRINX_EVENT_FINISHED = 10,    /* last: all was heard */
    SYRINX_EVENT_OUT_OF_BUDGET = 11, /* last: char_begin characters were heard, `message` says what was left */
    SYRINX_EVENT_CANCELLED = 12,   /* last: char_begin characters were heard */
    SYRINX_EVENT_FAILED = 13,      /* last: `message` says why */
    SYRINX_EVENT_OTHER = 14,       /* one that this header does not know */
    SYRINX_EVENT_MARK = 15         /* SSML's mark was reached; `message` is its name */
};

typedef struct syrinx_event {
    size_t struct_size;
    int32_t kind;
    int32_t detail;
    uint64_t char_begin, char_end;
    uint64_t byte_begin, byte_end;
    char message[256]; /* for people; "" where the kind has none; cut where it is longer */
} syrinx_event;

/* Waits so long for the next event; for ever with a negative time. SYRINX_OK, SYRINX_TIMEOUT, SYRINX_DONE after the last. */
int32_t syrinx_utterance_next_event(const syrinx_utterance *utterance, int32_t timeout_ms, syrinx_event *event);

/* ---- Listening ---- */

enum {
    SYRINX_EARS_NO_VERIFY = 1, /* as of a model */
    SYRINX_EARS_COMMERCIAL = 2
};

typedef struct syrinx_ears_options {
    size_t struct_size;
    uint32_t flags;
    uint32_t threads; /* of each listener; 1 */
} syrinx_ears_options;

/* Opens a pack that listens, a folder; one that speaks is SYRINX_UNSUPPORTED. */
int32_t syrinx_ears_open(const char *folder, const syrinx_ears_options *options, syrinx_ears **out);
void syrinx_ears_free(syrinx_ears *ears);

/* Samples per second that it hears; 0 for NULL. */
uint32_t syrinx_ears_sample_rate(const syrinx_ears *ears);
/* The longest delay that may be asked for; 0 where the pack hears turn by turn, and for NULL. */
uint32_t syrinx_ears_longest_delay_ms(const syrinx_ears *ears);
/* The pack's name, and the tag of its language number `index`; NULL past the last. As long as the ears. */
const char *syrinx_ears_name(const syrinx_ears *ears);
const char *syrinx_ears_language(const syrinx_ears *ears, size_t index);

typedef struct syrinx_listen_options {
    size_t struct_size;
    uint32_t delay_ms;  /* from the end of a word to its text: 80 to 2400 in steps of 80; the pack's */
    uint32_t pause_ms;  /* silence that ends a text; 800 */
    uint32_t recall_ms; /* how far back a text is remembered while it goes on; 160 s */
    float phrase_bonus; /* what a token that continues a phrase is likelier by, in natural logarithms; 2 */
    const char *phrases;  /* that are expected, one in each line; for packs that answer while somebody speaks; none */
    const char *language; /* such as "en", for packs that hear turn by turn; the model tells */
} syrinx_listen_options;

int32_t syrinx_listener_open(const syrinx_ears *ears, const syrinx_listen_options *options, syrinx_listener **out);
/* Hears samples, mono, in pieces of any length: full scale is 1, or 32768. Computes before it returns; then ask for texts. */
int32_t syrinx_listener_feed(syrinx_listener *listener, const float *pcm, size_t samples);
int32_t syrinx_listener_feed_s16(syrinx_listener *listener, const int16_t *pcm, size_t samples);
/* What was said has an end here: its text comes now. What follows is heard afresh. */
int32_t syrinx_listener_flush(syrinx_listener *listener);
/* Forgets what was heard and has not ended. Times go on. */
int32_t syrinx_listener_reset(syrinx_listener *listener);

typedef struct syrinx_heard {
    size_t struct_size;
    const char *text;          /* until the next call of syrinx_listener_next() for this listener, as is `language` */
    const char *language;      /* that was found in it; NULL where the pack does not tell */
    uint64_t start_ms, end_ms; /* from the listener's first sample */
    int32_t is_final;          /* 1: it stays. 0: more may follow, and it comes again with it */
    uint32_t words;
} syrinx_heard;

/* The next text; SYRINX_DONE where there is none yet. Of one that is not final, its last state. `heard` may be NULL. */
int32_t syrinx_listener_next(syrinx_listener *listener, syrinx_heard *heard);

typedef struct syrinx_heard_word {
    size_t struct_size;
    const char *text; /* until the next call of this function for this listener */
    uint64_t start_ms, end_ms; /* estimates: of a pack that streams the end is within 80 ms */
} syrinx_heard_word;

/* The next word of the text that syrinx_listener_next() has given last; SYRINX_DONE behind its last. */
int32_t syrinx_listener_next_word(syrinx_listener *listener, syrinx_heard_word *word);
void syrinx_listener_free(syrinx_listener *listener);

#ifdef __cplusplus
}
#endif
#endif

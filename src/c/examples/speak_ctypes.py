"""Speaks a text as 16-bit samples on standard output, with nothing but Python's own library:

    python3 speak_ctypes.py libsyrinx.so.0 models/wren-en "Turn left." | aplay -q -f S16_LE -r 24000
"""

import ctypes
import sys


def main(library, pack, text):
    syrinx = ctypes.CDLL(library)
    syrinx.syrinx_last_error.restype = ctypes.c_char_p
    syrinx.syrinx_model_block_samples.restype = ctypes.c_size_t

    def check(status):
        if status < 0:
            raise SystemExit(syrinx.syrinx_last_error().decode())
        return status

    model, session, speech = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    check(syrinx.syrinx_model_open(pack.encode(), None, ctypes.byref(model)))
    check(syrinx.syrinx_session_open(model, None, ctypes.byref(session)))
    utf8 = text.encode()
    check(syrinx.syrinx_speak(session, utf8, ctypes.c_size_t(len(utf8)), None, ctypes.byref(speech)))
    samples = syrinx.syrinx_model_block_samples(model)
    pcm = (ctypes.c_int16 * samples)()
    while check(syrinx.syrinx_speech_next_s16(speech, pcm, ctypes.c_size_t(samples), None)) == 0:
        sys.stdout.buffer.write(bytes(pcm))
    syrinx.syrinx_speech_free(speech)
    syrinx.syrinx_session_free(session)
    syrinx.syrinx_model_free(model)


if __name__ == "__main__":
    main(*sys.argv[1:])

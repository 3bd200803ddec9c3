// What a QAudioSink would read, to standard output: qt PACK TEXT
#include <cstdio>

#include "../../examples/qt_speech.h"

int main(int, char **argv) {
    syrinx_model *model = nullptr;
    syrinx_session *session = nullptr;
    if (syrinx_model_open(argv[1], nullptr, &model) < 0 || syrinx_session_open(model, nullptr, &session) < 0) return 1;
    const QString text = QString::fromUtf8(argv[2]);
    QtSpeech speech(session, text);
    syrinx_session_free(session);
    syrinx_model_free(model);
    while (!speech.atEnd()) {
        const QByteArray piece = speech.read(1'000); // no whole number of blocks
        fwrite(piece.constData(), 1, size_t(piece.size()), stdout);
    }
    return speech.position(text) == text.size() ? 0 : 2;
}

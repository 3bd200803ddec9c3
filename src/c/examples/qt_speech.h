// A QIODevice that speaks: hand it to a QAudioSink of 24 kHz, one channel, QAudioFormat::Int16.
//     QtSpeech speech(session, "Turn left.");  sink.start(&speech);
#pragma once

#include <cstring>

#include <QIODevice>
#include <QString>

#include <syrinx.h>

class QtSpeech : public QIODevice {
    syrinx_speech *speech = nullptr;
    QByteArray block; // what is computed and not read yet
    bool over = false;

  public:
    QtSpeech(syrinx_session *session, const QString &text, qsizetype block_samples = 1920)
        : block_bytes(block_samples * qsizetype(sizeof(qint16))) {
        const QByteArray utf8 = text.toUtf8();
        if (syrinx_speak(session, utf8.constData(), size_t(utf8.size()), nullptr, &speech) < 0)
            setErrorString(QString::fromUtf8(syrinx_last_error()));
        else
            open(QIODevice::ReadOnly);
    }
    ~QtSpeech() override { syrinx_speech_free(speech); }

    // From any thread: nothing more is computed.
    void cancel() { syrinx_speech_cancel(speech); }
    // QString counts in UTF-16: this many of its units have been given out.
    qsizetype position(const QString &text) const {
        uint64_t bytes = 0;
        syrinx_speech_position(speech, nullptr, &bytes);
        return QString::fromUtf8(text.toUtf8().left(qsizetype(bytes))).size();
    }
    bool isSequential() const override { return true; }
    bool atEnd() const override { return over && block.isEmpty(); }
    qint64 bytesAvailable() const override { return block.size() + (over ? 0 : block_bytes) + QIODevice::bytesAvailable(); }

  protected:
    qint64 readData(char *to, qint64 most) override {
        if (block.isEmpty() && !over) {
            block.resize(block_bytes);
            const size_t samples = size_t(block_bytes) / sizeof(qint16);
            syrinx_block made = {};
            made.struct_size = sizeof made;
            const int32_t status = syrinx_speech_next_s16(speech, reinterpret_cast<int16_t *>(block.data()), samples, &made);
            over = status != SYRINX_OK;
            block.resize(over ? 0 : qsizetype(made.samples * sizeof(qint16)));
            if (status < 0) setErrorString(QString::fromUtf8(syrinx_last_error()));
        }
        if (atEnd()) return -1;
        const qint64 count = qMin(most, qint64(block.size()));
        memcpy(to, block.constData(), size_t(count));
        block.remove(0, count);
        return count;
    }
    qint64 writeData(const char *, qint64) override { return -1; }

  private:
    const qsizetype block_bytes;
};

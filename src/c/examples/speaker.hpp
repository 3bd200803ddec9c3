// Syrinx in C++17: text in, blocks of samples out, errors thrown. Copy it, and make it your own.
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <syrinx.h>

namespace syrinx {

struct Error : std::runtime_error {
    std::int32_t status;
    explicit Error(std::int32_t status) : std::runtime_error(syrinx_last_error()), status(status) {}
};

inline std::int32_t check(std::int32_t status) {
    if (status < 0) throw Error(status);
    return status;
}

template <auto Free> struct Freed {
    template <class Handle> void operator()(Handle *handle) const { Free(handle); }
};

// One text on its way to samples. Any thread may cancel it.
class Speech {
    std::unique_ptr<syrinx_speech, Freed<syrinx_speech_free>> speech;

  public:
    explicit Speech(syrinx_speech *speech) : speech(speech) {}
    void push(std::string_view text) { check(syrinx_speech_push(speech.get(), text.data(), text.size())); }
    void finish() { check(syrinx_speech_finish(speech.get())); }
    void cancel() { syrinx_speech_cancel(speech.get()); }
    // Fills `pcm` with a block: false where the text so far is spoken.
    bool next(std::vector<float> &pcm) {
        return check(syrinx_speech_next(speech.get(), pcm.data(), pcm.size(), nullptr)) == SYRINX_OK;
    }
};

// Speaks one text after another.
class Speaker {
    std::unique_ptr<syrinx_model, Freed<syrinx_model_free>> model;
    std::unique_ptr<syrinx_session, Freed<syrinx_session_free>> session;

  public:
    explicit Speaker(const std::string &pack) {
        syrinx_model *opened;
        check(syrinx_model_open(pack.c_str(), nullptr, &opened));
        model.reset(opened);
        syrinx_session *begun;
        check(syrinx_session_open(opened, nullptr, &begun));
        session.reset(begun);
    }
    std::size_t block_samples() const { return syrinx_model_block_samples(model.get()); }
    std::uint32_t sample_rate() const { return syrinx_model_sample_rate(model.get()); }
    Speech speech(const syrinx_speak_options *options = nullptr) {
        syrinx_speech *speech;
        check(syrinx_speech_open(session.get(), options, &speech));
        return Speech(speech);
    }
};

} // namespace syrinx

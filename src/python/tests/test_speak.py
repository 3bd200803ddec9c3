"""Promises: the samples of the program, text in pieces, words, errors by their kind."""

import gc
import subprocess
import threading
import time
import wave

import numpy
import pytest

import syrinx

TEXT = "Turn left in 300 m. Then keep right at the café."


def test_the_samples_are_the_programs(model, program, tmp_path):
    out = tmp_path / "out.wav"
    pack = syrinx.default_pack()
    subprocess.run([program, "say", TEXT, "--pack", pack, "--seed", "7", "-o", out], check=True, capture_output=True)
    with wave.open(str(out)) as file:
        expected = numpy.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert numpy.array_equal(syrinx.to_int16(model.speak(TEXT, seed=7).samples()), expected)


def test_speed_and_volume_are_the_programs(model, program, tmp_path):
    out = tmp_path / "out.wav"
    options = ["--speed", "1.5", "--volume", "0.5"]
    pack = syrinx.default_pack()
    subprocess.run([program, "say", TEXT, "--pack", pack, "-o", out, *options], check=True, capture_output=True)
    with wave.open(str(out)) as file:
        expected = numpy.frombuffer(file.readframes(file.getnframes()), "<i2")
    speech = model.speak(TEXT, speed=1.5, volume=0.5)
    assert numpy.array_equal(syrinx.to_int16(speech.samples()), expected)
    assert speech.words[-1].end == pytest.approx(len(expected) / model.sample_rate)
    with pytest.raises(syrinx.Error, match="0.5 to 4"):
        model.speak(TEXT, speed=9)


def test_blocks_are_arrays_of_their_own(model):
    blocks = list(model.speak("Go on."))
    assert all(block.dtype == numpy.float32 and block.shape == (model.block_samples,) for block in blocks)
    blocks[0] *= 0.5  # may be written


def test_text_in_pieces_is_the_same_speech(model):
    whole = model.speak(TEXT, whole_sentences=True).samples()
    letters = model.speak(iter(TEXT), whole_sentences=True).samples()
    assert numpy.array_equal(whole, letters)


def test_tokens_are_spoken_as_they_come(model):
    asked = []

    def tokens():
        for token in ["This is ", "the first sentence. ", "And here ", "is the second one."]:
            asked.append(token)
            yield token

    speech = model.speak(tokens())
    next(speech)
    assert len(asked) < 4, "it has not waited for all of the text"
    assert len(speech.samples()) > 0 and speech.ending == "finished"


def test_text_may_be_pushed(model):
    speech = model.speak()
    assert list(speech) == []
    speech.push("Turn le")
    speech.push("ft.")
    speech.finish()
    assert len(list(speech)) > 3
    with pytest.raises(syrinx.Error) as error:
        speech.push("more")
    assert error.value.kind == "ended"


def test_a_generator_that_fails_ends_the_speech_with_its_own_error(model):
    def tokens():
        yield "Well, "
        raise RuntimeError("the language model has gone")

    speech = model.speak(tokens())
    with pytest.raises(RuntimeError, match="has gone"):
        speech.samples()
    assert speech.ending == "cancelled" and list(speech) == []


def test_words_are_those_of_the_text_in_order(model):
    speech = model.speak(TEXT)
    seconds = len(speech.samples()) / model.sample_rate
    words = speech.words
    assert [word.text for word in words] == TEXT.split()
    assert all(TEXT[word.position : word.position_end] == word.text for word in words)
    assert words[0].start == 0 and words[-1].end == pytest.approx(seconds)
    assert all(one.end <= two.start for one, two in zip(words, words[1:]))
    assert speech.position == len(TEXT)


def test_it_may_be_cancelled_from_another_thread(model):
    speech = model.speak("It goes on and on and on, and on, and on, for quite some time.")
    next(speech)
    thread = threading.Thread(target=speech.cancel)
    thread.start()
    thread.join()
    assert list(speech) == [] and speech.ending == "cancelled"


def test_an_iterator_may_be_pulled_from_changing_threads(model):
    expected = model.speak(TEXT).samples()
    speech, blocks = model.speak(TEXT), []

    def pull():
        blocks.append(next(speech, None))

    while not blocks or blocks[-1] is not None:
        thread = threading.Thread(target=pull)
        thread.start()
        thread.join()
    assert numpy.array_equal(numpy.concatenate(blocks[:-1]), expected)


def test_threads_that_pull_one_generator_at_once_share_its_blocks(model):
    expected = model.speak(TEXT, whole_sentences=True).samples()
    speech, blocks = model.speak((letter for letter in TEXT), whole_sentences=True), []
    threads = [threading.Thread(target=lambda: blocks.extend(speech)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(map(len, blocks)) == len(expected) and speech.ending == "finished"


def test_python_goes_on_while_speech_is_computed(model):
    """Whoever holds the interpreter's lock for a block stops this counter for as long."""
    stop, longest = threading.Event(), 0.0

    def speak():
        for _ in range(3):
            model.speak(TEXT, steps=32).samples()
        stop.set()

    thread = threading.Thread(target=speak)
    thread.start()
    turns = 0
    while not stop.is_set():
        turns += 1
        time.sleep(0)
    thread.join()
    assert turns > 1000


def test_speeches_side_by_side_are_those_that_are_alone(model):
    texts = ["Turn left at the light.", "The doors are closing.", "Mind the gap, please."]
    alone = [model.speak(text).samples() for text in texts]
    speeches = [model.speak(text) for text in texts]
    together = [[] for _ in texts]
    while any(speech.ending is None for speech in speeches):
        for speech, blocks in zip(speeches, together):
            blocks.extend(block for block in [next(speech, None)] if block is not None)
    assert all(numpy.array_equal(one, numpy.concatenate(other)) for one, other in zip(alone, together))


def test_a_speech_that_is_dropped_gives_its_place_back():
    model = syrinx.Model()
    for _ in range(100):  # a model has 64 places
        next(model.speak("This is left in the middle."))
    gc.collect()
    speech = model.speak("Go on.")
    del model
    assert len(speech.samples()) > 0, "it keeps alive what it needs"


def test_a_file_is_written(model, tmp_path):
    path = tmp_path / "out.wav"
    seconds = model.save(path, TEXT, voice=model.voices[-1])
    with wave.open(str(path)) as file:
        assert file.getparams()[:3] == (1, 2, model.sample_rate)
        assert file.getnframes() / model.sample_rate == seconds > 1


@pytest.mark.parametrize(
    "kind, options",
    [
        ("unknown_voice", {"text": "Go.", "voice": "nobody"}),
        ("bad_text", {"text": ""}),
        ("bad_text", {"text": " ?! "}),
        ("bad_option", {"text": "Go.", "steps": 0}),
        ("busy", {"text": "a" * (1 << 20) + "b"}),
    ],
)
def test_errors_say_what_the_caller_can_do(model, kind, options):
    with pytest.raises(syrinx.Error) as error:
        model.speak(**options)
    assert error.value.kind == kind and "\n" not in str(error.value)


def test_a_budget_that_is_used_up_is_an_error_after_the_samples(model):
    speech, blocks = model.speak(TEXT, max_seconds=0.4), []
    with pytest.raises(syrinx.Error) as error:
        blocks.extend(iter(speech))
    assert error.value.kind == "out_of_budget" and "keep right" in str(error.value)


def test_a_pack_that_is_none_is_refused(tmp_path):
    with pytest.raises(syrinx.Error) as error:
        syrinx.Model(tmp_path)
    assert error.value.kind == "bad_pack"


def test_what_is_not_text_is_refused(model):
    with pytest.raises(TypeError):
        model.speak(7)
    with pytest.raises(TypeError):
        model.speak([7]).samples()
    with pytest.raises(UnicodeEncodeError):
        model.speak("\ud800")


def test_nothing_of_a_sound_system_is_loaded():
    import syrinx._syrinx

    loaded = subprocess.run(["ldd", syrinx._syrinx.__file__], check=True, capture_output=True, text=True).stdout
    assert "libc." in loaded and "asound" not in loaded and "pulse" not in loaded


def test_ssml_pauses_and_its_marks_have_their_time(model):
    speech = model.speak('<speak>One.<break time="500ms"/><mark name="two"/>Two.</speak>', ssml="strict")
    samples = speech.samples()
    (mark,) = speech.marks
    at = round(mark.time * model.sample_rate)
    assert mark.name == "two" and not samples[at - 12_000 : at].any()
    with pytest.raises(syrinx.Error) as error:
        model.speak("<speak>One", ssml="strict").samples()
    assert error.value.kind == "bad_text"
    with pytest.raises(ValueError):
        model.speak("One", ssml="loud")


def test_a_lexicon_says_how_a_word_is_said_and_a_language_how_a_number_is(model, tmp_path):
    lexicon = tmp_path / "names.txt"
    lexicon.write_text("Nguyen\twin\n")
    assert numpy.array_equal(model.speak("Nguyen.", lexicon=lexicon).samples(), model.speak("win.").samples())
    dreizehn = model.speak("13", language="de").samples()
    assert numpy.array_equal(dreizehn, model.speak("dreizehn").samples())
    with pytest.raises(syrinx.Error) as error:
        model.speak("13", language="tlh")
    assert error.value.kind == "unsupported"

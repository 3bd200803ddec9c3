"""Stage `evaluate`: which part says the wrong words.

In: the teacher's `heldout/` speech, `codec.pt`, `language.pt`. Out: word error rates in log.md.
`codec` compares the teacher's audio with the codec's: whole, and with the acoustic part zero or guessed. `swap` feeds the language
model the true past and exchanges true for predicted parts one at a time. `free` lets it run alone. `reading` compares
the phones it says, without any sound, with the teacher's: a judge for the first hours, when nothing can be heard yet.
"""

import numpy as np
import soundfile
import torch
from rapidfuzz.distance import Levenshtein

from . import acoustics
from . import codes as code_table
from .acoustics import SPECTRUM
from .checkpoint import load_average
from .frames import SILENCE
from .judge import Words
from .language import untrained
from .quality import NAMES, mean_marks, written
from .speech import Speech
from .train_codec import of_checkpoint


class Bench:
    """Codec, judge and the first `count` held-out utterances."""

    def __init__(self, home, count):
        torch.manual_seed(0)
        self.home, codes = home, code_table.load(home)
        values = acoustics.load(home)
        trained, self.codec_step = of_checkpoint(home.folder("codec") / "codec.pt", codes, values)
        self.codec, self.predictor, self.codes = trained.codec, trained.predictor, codes
        self.speech = Speech(home, "heldout")
        self.count = min(count, len(self.speech))
        self.judge = Words(home, torch.get_num_threads())
        self.sounds = {}

    def utterances(self):
        """(text, voice, teacher's audio, codes, acoustic values as the format keeps them) of each."""
        for i in range(self.count):
            text, voice, audio, codes, values = self.speech.utterance(i)
            yield text, voice, audio.numpy(), codes, self.codec.values(self.codec.levels(values))

    def decode(self, codes, acoustic):
        return self.codec.decode(codes[None], acoustic[None])[0].numpy()

    def add(self, kind, text, audio):
        self.sounds.setdefault(kind, []).append((text, audio))
        folder = self.home.folder(f"heard/{kind}")
        soundfile.write(folder / f"{len(self.sounds[kind]) - 1:03}.wav", audio, 24_000)

    def report(self, title, show=False):
        rates = {kind: self.judge.errors(pairs, show) for kind, pairs in self.sounds.items()}
        scores = {kind: written(mean_marks([audio for _, audio in pairs])) for kind, pairs in self.sounds.items()}
        self.home.log(
            f"{title}, {self.count} held-out utterances: word error / {' / '.join(NAMES)} "
            + ", ".join(f"{kind} {rate:.1%} / {' / '.join(scores[kind])}" for kind, rate in rates.items())
        )


@torch.inference_mode()
def codec(home, count):
    bench = Bench(home, count)
    for text, voice, audio, codes, values in bench.utterances():
        bench.add("teacher", text, audio)
        bench.add("codec", text, bench.decode(codes, values))
        guess = bench.predictor(codes[None], torch.tensor([voice]))[0]
        for kind, spectrum in (("guessed", guess), ("zero", torch.zeros_like(guess))):
            bench.add(kind, text, bench.decode(codes, torch.cat([values[:, :SPECTRUM], spectrum], -1)))
    bench.report(f"codec step {bench.codec_step}")


def language_model(bench):
    model = untrained(bench.home)
    return model, load_average(bench.home.folder("language") / "language.pt", model)


@torch.inference_mode()
def swap(home, count):
    bench = Bench(home, count)
    model, step = language_model(bench)
    right, total, error = 0, 0, []
    for text, voice, _, codes, acoustic in bench.utterances():
        hidden = model.states(text, voice, codes, bench.codec.levels(acoustic).long())
        guessed = model.logits(hidden)[:, 1:].argmax(-1)
        drawn = model.flow.sample(hidden, torch.randn(len(hidden), model.codec.value_dim)).clamp(-1, 1)
        drawn = bench.codec.values(bench.codec.levels(drawn))
        right, total = right + int((guessed == codes).sum()), total + len(codes)
        error.append(float((drawn - acoustic).square().mean() / acoustic.var()))
        bench.add("true-true", text, bench.decode(codes, acoustic))
        bench.add("true-zero", text, bench.decode(codes, torch.zeros_like(acoustic)))
        bench.add("true-flow", text, bench.decode(codes, drawn))
        bench.add("guessed-true", text, bench.decode(guessed, acoustic))
        bench.add("guessed-flow", text, bench.decode(guessed, drawn))
    bench.report(
        f"swap (codes-acoustics), language step {step}, codec step {bench.codec_step}, "
        f"codes right {right / total:.1%}, flow error {np.mean(error):.2f} of variance"
    )


def phones(codes, table):
    """The phones said, each once however long, silence left out."""
    said = [phone for code in codes for phone in table.pairs[int(code)]]
    return [phone for phone, before in zip(said, ["", *said]) if phone not in (before, SILENCE)]


@torch.inference_mode()
def reading(home, count, show=False):
    table = code_table.load(home)
    model = untrained(home)
    step = load_average(home.folder("language") / "language.pt", model)
    wrong = total = 0
    ratio, endless = [], []
    speech = Speech(home, "heldout")
    for i in range(min(count, len(speech))):
        text, voice, _, codes, _ = speech.utterance(i)
        made, _, ended = model.speak(text, voice, 3 * len(codes) + 10, mute=True)
        wanted, said = phones(codes, table), phones(made, table)
        wrong, total = wrong + Levenshtein.distance(wanted, said), total + len(wanted)
        ratio.append(len(made) / len(codes))
        endless += [] if ended else [i]
        if show:
            print(f"  {text}\n    {''.join(wanted)}\n    {''.join(said)}", flush=True)
    home.log(
        f"reading without sound, language step {step}, {len(ratio)} held-out utterances: phone error {wrong / total:.1%}, "
        f"length {np.mean(ratio):.2f} of the teacher's, no end {endless}"
    )


@torch.inference_mode()
def free(home, count, zero=False, show=False):
    bench = Bench(home, count)
    model, step = language_model(bench)
    failures, ratio = [], []
    for i, (text, voice, _, true_codes, _) in enumerate(bench.utterances()):
        limit = 3 * len(true_codes) + 10
        codes, levels, ended = model.speak(text, voice, limit, torch.Generator(torch.get_default_device()).manual_seed(i))
        ratio.append(len(codes) / len(true_codes))
        if not ended or not 0.5 < ratio[-1] < 2:
            failures.append(i)
        values = bench.codec.values(levels)
        bench.add("free", text, bench.decode(codes, torch.zeros_like(values) if zero else values))
    bench.report(
        f"free running, language step {step}, codec step {bench.codec_step}, acoustics {'zero' if zero else 'drawn'}, "
        f"length {np.mean(ratio):.2f} of the teacher's, wrong ends {failures}",
        show,
    )


def run(home, what, count, zero=False, show=False):
    """One of the evaluations by its name."""
    match what:
        case "free":
            free(home, count, zero, show)
        case "reading":
            reading(home, count, show)
        case "codec":
            codec(home, count)
        case "swap":
            swap(home, count)

"""Stage `codec`: train encoder and decoder on 1.6 s crops of the corpus.

In: `corpus/`, `codes.json`. Out: `codec.pt`. In 40 % of the clips the decoder has to speak from the codes: the acoustic
values are zero, or what phones and voice let one guess (zero alone leaves four voices averaged, which no judge
understands). Elsewhere they are rounded, noised by half a level or left alone, so discrete and continuous values serve.
"""

import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import codes as code_table
from .checkpoint import State, rate
from .codec import Codec, Predictor
from .codes import Frames
from .corpus import entries
from .sizes import FRAME_SAMPLES
from .spectra import MelDistance
from .teacher import UNIT_SAMPLES, VOICES

CROP_FRAMES = 20
ZERO_SHARE, GUESS_SHARE = 0.15, 0.25
PEAK_RATE, WARMUP_STEPS = 8e-4, 300
SAVE_STEPS = 250
WEIGHTS = {"wave": 0.5, "phones": 0.1, "predict": 0.1}
VOICE_IDS = {name: i for i, name in enumerate(VOICES)}


class Speech:
    """The corpus as (audio, codes, voice) per utterance; silence before and after is trimmed to the frames."""

    def __init__(self, home, codes, stage="corpus"):
        self.folder, self.clips, self.pcm = home.folder(stage), [], {}
        for entry in entries(self.folder):
            frames = Frames(entry)
            self.clips.append((entry, codes.encode(frames), entry["start"] + frames.first_unit * UNIT_SAMPLES))

    def audio(self, part):
        if part not in self.pcm:
            self.pcm[part] = np.memmap(self.folder / f"{part}.pcm", dtype="<i2", mode="r")
        return self.pcm[part]

    def cut(self, index, first, count):
        """Frames first .. first + count of one utterance, padded with silence: (audio, codes)."""
        entry, codes, start = self.clips[index]
        start += first * FRAME_SAMPLES
        stop = min(start + count * FRAME_SAMPLES, entry["start"] + entry["samples"])
        audio = self.audio(entry["part"])[start:stop].astype(np.float32) / 32_768
        return np.pad(audio, (0, count * FRAME_SAMPLES - len(audio))), codes[first : first + count]

    def batch(self, rng, size, silence):
        """Crops drawn in proportion to length: audio [size, samples], codes [size, frames], voices [size]."""
        lengths = np.array([len(codes) for _, codes, _ in self.clips])
        audio, codes, voices = [], [], []
        for index in rng.choice(len(self.clips), size, p=lengths / lengths.sum()):
            first = rng.integers(0, max(1, lengths[index] - CROP_FRAMES + 1))
            sound, named = self.cut(index, first, CROP_FRAMES)
            audio.append(sound)
            codes.append(np.pad(named, (0, CROP_FRAMES - len(named)), constant_values=silence))
            voices.append(VOICE_IDS[self.clips[index][0]["voice"]])
        return (torch.from_numpy(np.stack(audio)), torch.from_numpy(np.stack(codes)).long(), torch.tensor(voices))


def disturbed(codec, acoustic, guess):
    """Per clip: zero, the guess, rounded (gradient passed through), noised, or as it is."""
    half = 1 / (codec.sizes.acoustic_levels - 1)
    rounded = acoustic + (codec.values(codec.levels(acoustic)) - acoustic).detach()
    noised = acoustic + (torch.rand_like(acoustic) * 2 - 1) * half
    kind, part = torch.rand(2, len(acoustic), 1, 1)
    spoken = torch.where(kind < 0.5, rounded, torch.where(kind < 0.75, noised, acoustic))
    spoken = torch.where(part < ZERO_SHARE + GUESS_SHARE, guess.detach().to(spoken.dtype), spoken)
    return spoken * (part >= ZERO_SHARE)


class Trained(nn.Module):
    def __init__(self, codes):
        super().__init__()
        self.codec = Codec(codes)
        self.predictor = Predictor(codes, len(VOICES), self.codec.sizes)


def run(home, minutes, batch_size, threads, decay_steps=None):
    torch.set_num_threads(threads)
    codes = code_table.load(home)
    model = Trained(codes)
    codec = model.codec
    optimiser = torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, betas=(0.8, 0.99), weight_decay=1e-3, fused=True)
    state = State(home.folder("codec") / "codec.pt", model, optimiser)
    distance = MelDistance()
    speech = Speech(home, codes)
    rng = np.random.default_rng(state.step)
    decay_from = state.step if decay_steps else None
    began, reported = time.time(), []
    while state.goes_on(began, minutes, decay_from, decay_steps):
        for group in optimiser.param_groups:
            group["lr"] = rate(state.step, PEAK_RATE, WARMUP_STEPS, decay_from, decay_steps or 1)
        audio, named, voices = speech.batch(rng, batch_size, codes.silence)
        with torch.autocast("cpu", torch.bfloat16):
            semantic, acoustic = codec.encode(audio)
            guess = model.predictor(named, voices)
            made = codec.decode(named, disturbed(codec, acoustic, guess))
        made = made.float()
        mel = distance(made, audio)
        phones = F.cross_entropy(codec.recognise(semantic).flatten(0, 1), named.flatten())
        predict = F.mse_loss(guess.float(), acoustic)
        loss = (
            5 * mel
            + WEIGHTS["wave"] * F.l1_loss(made, audio)
            + WEIGHTS["phones"] * phones
            + WEIGHTS["predict"] * predict * codec.sizes.acoustic_dim
        )
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        state.advance()
        reported.append([mel.item(), phones.item(), predict.item(), acoustic.detach().var(0).mean().item()])
        if state.step % 50 == 0:
            mean = np.mean(reported[-50:], 0)
            print(
                f"{state.step} {(time.time() - began) / 60:.1f} min mel {mean[0]:.3f} phones {mean[1]:.3f} "
                f"predict {mean[2]:.4f} of {mean[3]:.4f}",
                flush=True,
            )
        if state.step % SAVE_STEPS == 0:
            state.save()
            speech = Speech(home, codes)
    state.save()
    home.log(f"codec: step {state.step}, {(time.time() - began) / 60:.0f} minutes, mel {np.mean(reported[-200:], 0)[0]:.3f}")

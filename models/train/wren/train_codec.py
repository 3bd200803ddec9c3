"""Stage `codec`: train the decoder on 1.6 s crops of the corpus; stage `acoustics`: fit the values it speaks from.

In: `corpus/`, `codes.json`, `acoustics.npz`, and once there is a language model, `drawn.npz`. Out: `codec.pt`. The decoder hears
its values rounded, noised, drawn towards what phones and voice let one guess, or as the flow head drew them, because that is
what it will be given.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import acoustics as acoustic_values
from . import codes as code_table
from .acoustics import PITCH, SPECTRUM, VOICE, VOICE_IDS
from .checkpoint import Schedule, State, train
from .codec import Codec, Predictor
from .corpus import entries
from .frames import Frames
from .pitch import half_frames
from .precision import autocast
from .sizes import FRAME_SAMPLES, CodecSizes
from .spectra import MelDistance
from .teacher import VOICES

DRAWN = "drawn.npz"
CROP_FRAMES = 20
GUESS_SHARE, NOISE = 0.5, 0.08
LOOSE_SHARE, LOOSE_NOISE = 0.25, 0.25
DRAWN_SHARE = 0.5
PEAK_RATE, WARMUP_STEPS = 1e-3, 300
WAVE_WEIGHT, PREDICT_WEIGHT = 3.0, 0.2


def drawn_values(home):
    """What the flow drew for the first clips of the corpus, [frames, acoustic_dim] each; nothing before stage `drawn` has run."""
    path = home.folder(".") / DRAWN
    if not path.exists():
        return []
    with np.load(path) as stored:
        return np.split(CodecSizes().values(stored["levels"].astype(np.float32)), stored["ends"][:-1])


class Clip:
    """One utterance: its entry, codes and acoustic values per frame, and where its first frame starts in the samples."""

    def __init__(self, entry, codes):
        frames = Frames(entry)
        self.entry, self.codes = entry, codes.encode(frames)
        self.frames, self.start = frames, entry["start"] + frames.first_sample
        self.voice = VOICE_IDS[entry["voice"]]
        self.values = self.drawn = None

    def __len__(self):
        return len(self.codes)

    def pitch_hz(self):
        """Of half frames [2 * frames]."""
        return half_frames(self.entry["pitch_hz"], self.frames.first_sample, len(self))


class Speech:
    """The corpus as clips; silence before and after is trimmed to the frames."""

    def __init__(self, home, codes, acoustics=None, stage="corpus", drawn=()):
        self.folder, self.codes, self.acoustics, self.drawn = home.folder(stage), codes, acoustics, drawn
        self.clips, self.pcm = [], {}
        self.extend()

    def extend(self):
        """Take in what the corpus has gained."""
        self.pcm = {}
        for i, entry in enumerate(entries(self.folder)):
            if i < len(self.clips):
                continue
            clip = Clip(entry, self.codes)
            if self.acoustics is not None:
                columns = self.acoustics.columns(self.cut(clip, 0, len(clip))[0])
                clip.values = self.acoustics.values(columns, clip.codes, self.codes, clip.voice, clip.pitch_hz())
                clip.drawn = self.drawn[i] if i < len(self.drawn) else clip.values
            self.clips.append(clip)
        self.lengths = np.array([len(clip) for clip in self.clips])

    def audio(self, part):
        if part not in self.pcm:
            self.pcm[part] = np.memmap(self.folder / f"{part}.pcm", dtype="<i2", mode="r")
        return self.pcm[part]

    def cut(self, clip, first, count):
        """Audio of the frames first .. first + count, padded with silence, and how many frames there are."""
        start = clip.start + first * FRAME_SAMPLES
        before = max(0, clip.entry["start"] - start)
        stop = min(start + count * FRAME_SAMPLES, clip.entry["start"] + clip.entry["samples"])
        audio = self.audio(clip.entry["part"])[start + before : stop].astype(np.float32) / 32_768
        return np.pad(audio, (before, count * FRAME_SAMPLES - before - len(audio))), min(count, len(clip) - first)

    def batch(self, rng, size, silence):
        """Crops drawn in proportion to length: audio [size, samples], codes [size, frames], values and the flow's values [size,
        frames, acoustic_dim], voices [size], and whether a crop is the beginning of its utterance [size]."""
        made = []
        for index in rng.choice(len(self.clips), size, p=self.lengths / self.lengths.sum()):
            clip = self.clips[index]
            first = int(rng.integers(0, max(1, len(clip) - CROP_FRAMES + 1)))
            audio, count = self.cut(clip, first, CROP_FRAMES)
            rest = CROP_FRAMES - count
            codes = np.pad(clip.codes[first : first + count], (0, rest), constant_values=silence)
            both = [np.pad(v[first : first + count], ((0, rest), (0, 0)), mode="edge") for v in (clip.values, clip.drawn)]
            for values in both:
                values[count:, VOICE + 1 :] = 0
            made.append((audio, codes.astype(np.int64), *both, clip.voice, first == 0))
        return tuple(torch.from_numpy(np.stack(arrays)) for arrays in zip(*made))


def disturbed(codec, values, drawn, guess):
    """As a flow head gives them. Per clip: some way towards the guess, noised, rounded, in some clips far off, so that the words
    stay in the codes; or some way towards what the flow drew."""
    share, amount, kind, loose = torch.rand(4, len(values), 1, 1)
    loose = loose < LOOSE_SHARE
    draw = (loose | (torch.rand(len(values), 1, 1) < GUESS_SHARE)) * share
    spectrum = torch.lerp(values[..., SPECTRUM:], guess.detach().to(values.dtype), draw)
    noise = torch.where(loose, LOOSE_NOISE, NOISE)
    noised = spectrum + torch.randn_like(spectrum) * noise * amount
    spectrum = torch.where(loose | (kind < 0.5), noised, codec.values(codec.levels(spectrum)))
    flow = torch.lerp(values[..., SPECTRUM:], drawn[..., SPECTRUM:], share.sqrt())
    spectrum = torch.where(torch.rand(len(values), 1, 1) < DRAWN_SHARE, flow, spectrum)
    pitch = codec.values(codec.levels(values[..., PITCH]))  # exactly: the phase of the sound depends on it
    voice = values[..., VOICE : VOICE + 1] + torch.randn_like(values[..., :1]) * loose * NOISE
    return torch.cat([voice, pitch, spectrum], -1)


class Trained(nn.Module):
    def __init__(self, codes, acoustics):
        super().__init__()
        self.codec = Codec(codes, acoustics)
        self.predictor = Predictor(codes, len(VOICES), self.codec.sizes)


def fit(home):
    """Stage `acoustics`."""
    codes = code_table.load(home)
    speech = Speech(home, codes)
    acoustic_values.fit(home, codes, ((speech.cut(clip, 0, len(clip))[0], clip.codes, clip.voice) for clip in speech.clips))


def optimiser_of(model):
    return torch.optim.AdamW(model.parameters(), lr=PEAK_RATE, betas=(0.8, 0.99), weight_decay=1e-3, fused=True)


def run(home, minutes, batch_size, threads, decay_steps=None):
    torch.set_num_threads(threads)
    codes, acoustics = code_table.load(home), acoustic_values.load(home)
    model = Trained(codes, acoustics)
    codec, distance = model.codec, MelDistance()
    state = State(home.folder("codec") / "codec.pt", model, optimiser_of(model))
    speech = Speech(home, codes, acoustics, drawn=drawn_values(home))
    rng = np.random.default_rng(state.step)

    def losses():
        audio, named, values, flow, voices, begins = speech.batch(rng, batch_size, codes.silence)
        with autocast():
            guess = model.predictor(named, voices)
            made = codec.decode(named, disturbed(codec, values, flow, guess))
        made = made.float()
        # what came before a crop is unknown: its first frame counts only where nothing came before
        unknown = (torch.arange(made.shape[1]) < FRAME_SAMPLES) & ~begins[:, None]
        made, audio = made.masked_fill(unknown, 0), audio.masked_fill(unknown, 0)
        mel = distance(made, audio)
        wave = F.l1_loss(made, audio) / audio.abs().mean()
        predict = F.mse_loss(guess.float(), values[..., SPECTRUM:])
        loss = mel + WAVE_WEIGHT * wave + PREDICT_WEIGHT * predict
        return loss, {"mel": mel, "wave": wave, "predict": predict, "of": values[..., SPECTRUM:].var()}

    train(home, "codec", state, Schedule(minutes, PEAK_RATE, WARMUP_STEPS, decay_steps), losses, speech.extend)

"""Speech with its codes and acoustic values, for the codec's stages.

In: `tokens/<stage>-*.npz`, the samples they point into (`<stage>/*.pcm`), and once there is a language model, `drawn.npz`. Out:
random crops, and single utterances for evaluation. All of it lies on the default device, samples as 16-bit integers (an hour is
173 MB), and a crop is a gather there: a GPU never waits for it.
"""

import numpy as np
import torch

from . import alphabet
from . import codes as code_table
from .acoustics import VOICE
from .precision import placed
from .sizes import FRAME_SAMPLES, CodecSizes

DRAWN = "drawn.npz"
FULL_SCALE = 32_768


class Speech:
    """Utterances of a stage: voice, first, begin, end, frame_start and frame_count [utterances], codes [frames], values and drawn
    [frames, value_dim], and pcm [samples], which `first` (of the first frame), `begin` and `end` (of the sound) point into."""

    def __init__(self, home, stage="corpus"):
        self.silence = code_table.load(home).silence
        paths = sorted(home.folder("tokens").glob(f"{stage}-*.npz"))
        if not paths:
            raise SystemExit(f"no tokens of {stage}: run `tokens {stage}` first")
        parts = [np.load(path) for path in paths]
        sounds = [home.folder(stage) / f"{path.stem.removeprefix(f'{stage}-')}.pcm" for path in paths]
        lengths = [path.stat().st_size // 2 for path in sounds]
        starts = np.cumsum([0, *lengths])
        self.pcm = torch.empty(int(starts[-1]), dtype=torch.int16)
        for path, start, length in zip(sounds, starts, lengths):
            self.pcm[start : start + length] = torch.from_numpy(np.fromfile(path, "<i2", length))

        def joined(name, dtype, shifts=None):
            arrays = [part[name].astype(dtype) for part in parts]
            return np.concatenate([a + s for a, s in zip(arrays, shifts)] if shifts is not None else arrays)

        self.texts = [text for part in parts for text in split_texts(part)]
        self.voice = placed(joined("voice", np.int64))
        self.first, self.begin, self.end = (placed(joined(name, np.int64, starts)) for name in ("first", "begin", "end"))
        counts = np.concatenate([np.diff(part["frame_ends"], prepend=0) for part in parts]).astype(np.int64)
        self.frame_end = placed(np.cumsum(counts))
        self.frame_count = placed(counts)
        self.frame_start = self.frame_end - self.frame_count
        self.frames = int(counts.sum())
        self.codes = placed(joined("codes", np.int64))
        self.values = placed(joined("values", np.float32))
        self.drawn = self.with_drawn(home.folder(".") / DRAWN, counts) if stage == "corpus" else self.values

    def with_drawn(self, path, counts):
        """What the flow drew for as many utterances as it did, the true values of the others."""
        if not path.exists():
            return self.values
        with np.load(path) as stored:
            levels, frames = placed(stored["levels"]), int(counts[: int(stored["utterances"])].sum())
        if len(levels) != frames:
            raise SystemExit(f"{path.name} is of another corpus: it has {len(levels)} frames, its utterances {frames}")
        return torch.cat([CodecSizes().values(levels.float()), self.values[frames:]])

    def __len__(self):
        return len(self.texts)

    def draw(self, size, frames):
        """Utterances [size] in proportion to length, and in each a first frame of a crop of so many frames [size]."""
        clips = torch.searchsorted(self.frame_end, torch.randint(self.frames, (size,)), right=True)
        choices = (self.frame_count[clips] - frames + 1).clamp(min=1)
        starts = (torch.rand(size) * choices).long()
        return clips, torch.minimum(starts, choices - 1)  # the product may be rounded up

    def crops(self, clips, starts, frames):
        """Of `frames` frames each, from the frames `starts` of the utterances `clips` on: audio [n, samples], codes [n, frames],
        true and drawn values [n, frames, value_dim]. Outside the utterance there is silence, in the same voice."""
        place = (self.first[clips] + starts * FRAME_SAMPLES)[:, None] + torch.arange(frames * FRAME_SAMPLES)
        sounds = (place >= self.begin[clips, None]) & (place < self.end[clips, None])
        audio = self.pcm[place.clamp(0, len(self.pcm) - 1)].float() / FULL_SCALE * sounds
        frame = starts[:, None] + torch.arange(frames)
        count = self.frame_count[clips, None]
        index = self.frame_start[clips, None] + torch.minimum(frame, count - 1)
        inside = frame < count
        codes = self.codes[index].masked_fill(~inside, self.silence)
        kept = inside[..., None] | (torch.arange(self.values.shape[1]) <= VOICE)
        return audio, codes, self.values[index] * kept, self.drawn[index] * kept

    def utterance(self, i):
        """(text, voice, audio [samples], codes [frames], values [frames, value_dim]) of the whole utterance i."""
        whole = (torch.tensor([i]), torch.tensor([0]), int(self.frame_count[i]))
        audio, codes, values, _ = (t[0] for t in self.crops(*whole))
        return self.texts[i], int(self.voice[i]), audio, codes, values


def split_texts(part):
    ends = part["text_ends"]
    return [alphabet.text(part["text"][a:b]) for a, b in zip([0, *ends[:-1]], ends)]

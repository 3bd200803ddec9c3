"""What the language model reads: all utterances on the device that trains it, and batches of them.

In: `tokens/<stage>-<part>.npz`. Out: batches [batch, width], made there from utterance numbers alone, so that a GPU waits for
nothing. A step is recorded once for each shape of batch: widths are few, and as many utterances always go with a width.
"""

from dataclasses import dataclass

import numpy as np
import torch

from .acoustics import levels
from .precision import placed

IGNORED = -100
STEP, LONGEST, MOST_WIDTHS = 32, 640, 10  # positions


@dataclass(frozen=True)
class Batch:
    """[batch, width] each, where nothing else is said. A position is asked for the frame after it, in the end for END."""

    rows: torch.Tensor  # of Language.table
    targets: torch.Tensor  # columns of the logits; IGNORED in prompt and padding
    places: torch.Tensor  # of the letter that the frame asked for speaks, -1 in silence
    framed: torch.Tensor  # whether a frame is fed back here
    levels: torch.Tensor  # [batch, width, value_dim] of the frame fed back; of none where it has no sound
    audible: torch.Tensor  # [batch]: whether the utterance has sound
    heard: torch.Tensor  # [batch]: whether that is fed back
    letters: torch.Tensor  # [batch]: length of the text


def stored(home, stage):
    """(text tokens, voice, codes, places, levels or None) of every utterance, part by part in the order of their names."""
    for path in sorted(home.folder("tokens").glob(f"{stage}-*.npz")):
        with np.load(path) as file:
            part = {name: file[name] for name in file.files}
        texts = np.split(part["text"], part["text_ends"][:-1])
        codes, places = (np.split(part[name], part["frame_ends"][:-1]) for name in ("codes", "places"))
        sounds = [None] * len(texts)
        if "values" in part:
            sounds = np.split(levels(part["values"].astype(np.float32)), part["frame_ends"][:-1])
        yield from zip(texts, part["voice"].tolist(), codes, places, sounds)


class Utterances:
    """All utterances of some stages. Positions and the levels of frames lie in a row; `stages` says which utterances are whose."""

    def __init__(self, home, stages, model):
        rows, targets, places, prompts, self.stages = [], [], [], [], {}
        sounds = [np.zeros((1, model.codec.value_dim), np.uint8)]  # first the levels of no frame
        for stage in stages:
            first = len(rows)
            for text, voice, codes, spoken, sound in stored(home, stage):
                prompt = model.prompt_rows((text + np.int64(model.sizes.n_special_tokens)).tolist(), voice)
                unasked, codes = len(prompt) - 1, codes.astype(np.int16)
                rows.append(np.concatenate([np.array(prompt, np.int16), codes + np.int16(model.first_code)]))
                targets.append(np.pad(codes + np.int16(1), (unasked, 1), constant_values=(IGNORED, 0)))
                places.append(np.pad(spoken, (unasked, 1), constant_values=-1))
                prompts.append(len(prompt))
                sounds.append(sound if sound is not None else sounds[0][:0])
            self.stages[stage] = np.arange(first, len(rows))
        self.lengths = np.array([len(r) for r in rows], np.int64)
        heard = np.array([len(s) for s in sounds], np.int64)
        self.empty_prompt = model.prompt_length(0)
        self.rows, self.targets, self.places = (placed(np.concatenate(made)) for made in (rows, targets, places))
        self.levels = placed(np.concatenate(sounds))
        self.start, self.length = placed(np.cumsum(self.lengths) - self.lengths), placed(self.lengths)
        self.prompt = placed(np.array(prompts, np.int64))
        self.sound, self.audible = placed(np.cumsum(heard)[:-1]), placed(heard[1:] > 0)

    def batch(self, ids, width):
        """Utterances `ids` [batch], padded to `width` with what is at the beginning of all, which is asked for nothing."""
        place = torch.arange(width)
        at = (self.start[ids, None] + place) * (place < self.length[ids, None])
        frame = place - self.prompt[ids, None]
        framed = (frame >= 0) & (place < self.length[ids, None])
        audible = self.audible[ids]
        sound = (self.sound[ids, None] + frame) * (framed & audible[:, None])
        return Batch(
            rows=self.rows[at].long(),
            targets=self.targets[at].long(),
            places=self.places[at].float(),
            framed=framed,
            levels=self.levels[sound].long(),
            audible=audible,
            heard=audible,
            letters=self.prompt[ids] - self.empty_prompt,
        )


def rounded(length):
    return -(-length // STEP) * STEP


class Batches:
    """Random batches of about `tokens` positions. `weights` says how often each utterance comes, of any length."""

    def __init__(self, lengths, weights, tokens):
        kept = np.flatnonzero((weights > 0) & (lengths <= LONGEST))
        left_out = int((weights > 0).sum()) - len(kept)
        if left_out:
            print(f"{left_out} utterances of more than {LONGEST} positions left out", flush=True)
        self.groups, shares, group = [], [], []
        enough = lengths[kept].sum() / MOST_WIDTHS
        for width in range(STEP, LONGEST + 1, STEP):
            group += kept[rounded(lengths[kept]) == width].tolist()
            if group and (lengths[group].sum() >= enough or width == LONGEST):
                # the group's widest may be narrower than this
                width = int(rounded(lengths[group].max()))
                size = max(1, tokens // width)
                reach = np.cumsum(weights[group])
                shares.append(reach[-1] / size)
                self.groups.append((placed(np.array(group)), placed(reach / reach[-1]), size, torch.arange(width)))
                group = []
        self.shares = np.array(shares) / sum(shares)

    def draw(self, rng):
        """Utterances [batch], and the positions [width] that they are padded to."""
        members, reach, size, positions = self.groups[rng.choice(len(self.groups), p=self.shares)]
        chosen = torch.searchsorted(reach, torch.rand(size, dtype=reach.dtype))
        return members[chosen.clamp(max=len(members) - 1)], positions

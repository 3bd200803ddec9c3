"""Stage `drawn`: the corpus as the flow head would colour it.

In: `corpus/`, `language.pt`. Out: `drawn.npz`, acoustic levels of every clip of the corpus, drawn by the flow from the true past.
A flow's values differ from the true ones in their own way: half of the spectrum's variance is open to it, and a decoder that
has met nothing but true values, and noise that knows nothing of speech, takes what the flow made up for words. So it is shown
what it will be given, with the sound that it should have been.
"""

import numpy as np
import torch

from . import acoustics
from . import codes as code_table
from .acoustics import levels
from .checkpoint import load_average
from .language import Language
from .precision import autocast
from .teacher import VOICES
from .train_codec import DRAWN, Speech


@torch.inference_mode()
def draw(model, clip):
    """Levels [frames, acoustic_dim] of one clip."""
    codes = torch.from_numpy(clip.codes).long()
    with autocast():
        states = model.states(clip.entry["text"], clip.voice, codes, torch.from_numpy(levels(clip.values)).long())
        values = model.flow.sample(states.float(), torch.randn(len(codes), model.codec.acoustic_dim))
    return levels(values.float().clamp(-1, 1).numpy())


def run(home, threads):
    torch.set_num_threads(threads)
    table = code_table.load(home)
    model = Language(table, len(VOICES))
    step = load_average(home.folder("language") / "language.pt", model)
    clips = Speech(home, table, acoustics.load(home)).clips
    drawn = [draw(model, clip) for clip in clips]
    np.savez(home.folder(".") / DRAWN, levels=np.concatenate(drawn), ends=np.cumsum([len(d) for d in drawn]))
    home.log(f"drawn: {len(drawn)} clips, language step {step}")

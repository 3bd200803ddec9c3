"""Stage `drawn`: the corpus as the flow head would colour it.

In: the corpus's `tokens/`, `language.pt`. Out: `drawn.npz`, acoustic levels of the frames of the first `utterances` of the corpus,
drawn by the flow from the true past. A flow's values differ from the true ones in their own way: half of the spectrum's variance
is open to it, and a decoder that has met nothing but true values, and noise that knows nothing of speech, takes what the flow made
up for words. So it is shown what it will be given, with the sound that it should have been.
"""

import numpy as np
import torch

from .acoustics import levels
from .checkpoint import load_average
from .language import untrained
from .precision import autocast
from .speech import DRAWN
from .train_language import embedded
from .utterances import Utterances

BATCH, FLOW_BATCH = 128, 8_000  # utterances, frames
FRAMES_PER_HOUR = 45_000


@torch.inference_mode()
def draw(model, data, ids):
    """Levels [frames, value_dim] of utterances, one after another."""
    batch = data.batch(torch.tensor(ids.tolist()), int(data.lengths[ids].max()))
    x = embedded(model, batch)
    with autocast():
        hidden, _ = model.backbone(x)
        states = hidden[batch.targets > 0].float()
        noise = torch.randn(len(states), model.codec.value_dim)
        values = torch.cat([model.flow.sample(*some) for some in zip(states.split(FLOW_BATCH), noise.split(FLOW_BATCH))])
    return levels(values.float().clamp(-1, 1).cpu().numpy())


def run(home, limit_hours):
    model = untrained(home)
    step = load_average(home.folder("language") / "language.pt", model)
    data = Utterances(home, ("corpus",), model)
    frames = data.lengths - data.prompt.cpu().numpy()
    count = len(frames)
    if limit_hours:
        count = int(np.searchsorted(np.cumsum(frames), limit_hours * FRAMES_PER_HOUR, side="right"))
    drawn = [None] * count
    by_length = np.argsort(data.lengths[:count])
    for first in range(0, count, BATCH):
        ids = by_length[first : first + BATCH]
        for i, made in zip(ids, np.split(draw(model, data, ids), np.cumsum(frames[ids])[:-1])):
            drawn[i] = made
    np.savez(home.folder(".") / DRAWN, levels=np.concatenate(drawn), utterances=count)
    home.log(f"drawn: {count} utterances, {frames[:count].sum() / FRAMES_PER_HOUR:.2f} h, language step {step}")

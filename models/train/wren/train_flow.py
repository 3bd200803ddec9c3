"""Stage `flow`: the flow head learns acoustic values that a finished language model has never met, and nothing else changes.

In: `language.pt`, whose backbone stays as it is, and the corpus's `tokens/`. Out: `language.pt` with another flow head. The states
before every frame of the corpus are computed once for each of several ways to corrupt what is fed back. Velocities of the values
that the head knew are learnt from the head as it was, which has heard far more speech than there is here; those of the others from
the corpus.
"""

import copy

import numpy as np
import torch
import torch.nn.functional as F

from .checkpoint import Schedule, State, Step, adamw, load_average, train
from .language import untrained
from .precision import autocast
from .train_language import ABSENT_STATE, HELD_OUT, LARGEST_GRADIENT, corrupted, embedded
from .utterances import Utterances

PEAK_RATE, WARMUP_STEPS, AVERAGE_DECAY, WEIGHT_DECAY = 5e-4, 50, 0.997, 1e-2
CORRUPTIONS, AT_ONCE = 4, 16  # utterances


@torch.no_grad()
def states_of(model, data, ids, corrupt):
    """States before the frames of utterances [frames, dim], and the values of these frames [frames, value_dim]."""
    states, values = [], []
    by_length = sorted(ids, key=lambda i: data.lengths[i])
    for some in np.array_split(by_length, max(1, len(ids) // AT_ONCE)):
        batch = data.batch(torch.tensor(some.tolist()), int(data.lengths[some].max()) + 1)
        fed = corrupted(model, batch) if corrupt else batch
        with autocast():
            hidden, _ = model.backbone(embedded(model, fed))
        asked = batch.targets > 0
        states.append(hidden[asked].float())
        # the frame asked for at a position is fed back at the next one
        values.append(model.codec.values(batch.levels.roll(-1, 1)[asked].float()))
    return torch.cat(states), torch.cat(values)


def losses(flow, known, before, states, values):
    """Mean squared errors of the velocities: of the `known` first values from those of `before`, of the others from speech."""
    moment, noise = torch.rand(len(states)), torch.randn_like(values)
    x = torch.lerp(noise, values, moment[:, None])
    states = states * (torch.rand(len(states), 1) >= ABSENT_STATE)
    with autocast():
        with torch.no_grad():
            wanted = before(x, moment, states).float()[:, :known]
        velocity = flow(x, moment, states).float()
    return F.mse_loss(velocity[:, :known], wanted), F.mse_loss(velocity[:, known:], (values - noise)[:, known:])


def known_values(flow):
    """Values at the front that the head has a velocity for."""
    return int((flow.acoustic_codebook_output.weight.abs().sum(1) > 0).sum())


def run(home, minutes, decay_minutes, batch):
    model = untrained(home)
    path = home.folder("language") / "language.pt"
    load_average(path, model)
    known, before = known_values(model.flow), copy.deepcopy(model.flow)
    if known == model.codec.value_dim:
        raise SystemExit(f"the flow head of {path.name} has all {known} values: nothing is left for this stage")
    data = Utterances(home, ("corpus",), model)
    ids = data.stages["corpus"]
    learnt = [states_of(model, data, ids[HELD_OUT:], True) for _ in range(CORRUPTIONS)]
    states, values = (torch.cat(part) for part in zip(*learnt))
    held_out = states_of(model, data, ids[:HELD_OUT], False)
    print(f"{len(states)} states of {len(ids) - HELD_OUT} utterances, {known} of {model.codec.value_dim} values known", flush=True)
    optimiser = adamw(model.flow.parameters(), PEAK_RATE, (0.9, 0.98), WEIGHT_DECAY)
    state = State(home.folder("language") / "flow.pt", model.flow, optimiser, AVERAGE_DECAY)

    def work():
        drawn = torch.randint(len(states), (batch,))
        old, new = losses(model.flow, known, before, states[drawn], values[drawn])
        optimiser.zero_grad()
        (old + new).backward()
        torch.nn.utils.clip_grad_norm_(model.flow.parameters(), LARGEST_GRADIENT)
        optimiser.step()
        return {"known": old.detach(), "new": new.detach()}

    def measured():
        with torch.no_grad():
            old, new = losses(model.flow, known, before, *held_out)
        print(f"held-out: known {old:.4f}, new {new:.4f}", flush=True)

    step = Step(work)
    train(home, "flow", state, Schedule(minutes, decay_minutes, PEAK_RATE, WARMUP_STEPS), lambda now: step(), measured)
    measured()
    saved = torch.load(path, weights_only=True, map_location=torch.get_default_device())
    for name, value in state.average.items():
        for part in ("model", "average"):
            saved[part][f"flow.{name}"] = value
    torch.save(saved, path)

"""Stage `language`: train backbone and flow head.

In: `tokens/`. Out: `language.pt`. Text-only utterances teach reading: their frames are fed back with the acoustic part
left out. Spoken ones also teach the flow. Fed-back codes are corrupted, so the model survives its own mistakes; one
head of the two middle layers is rewarded for looking at the text being spoken, so alignment is found in minutes.
"""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from .checkpoint import Optimisers, Schedule, State, Step, adamw, train
from .language import untrained
from .muon import Muon
from .precision import autocast, on_gpu
from .utterances import IGNORED, Batches, Utterances, rounded

# a CPU's time goes with the positions; a GPU needs many to be busy, beyond these only fewer steps come of more
CPU_TOKENS, GPU_TOKENS = 2_000, 16_384
PEAK_RATE, WARMUP_STEPS = 2e-3, 200
WEIGHT_DECAY, LARGEST_GRADIENT = 0.02, 1.0
AVERAGE_DECAY = 0.999
GUIDE_WIDTH, GUIDE_WEIGHT, OUTSIDE = 2.0, 0.3, -30.0
WRONG_CODES, MOVED_LEVELS, SILENT_FEEDBACK = 0.1, 0.5, 0.3
ABSENT_STATE, FLOW_SHARE = 0.1, 0.25
HELD_OUT, MEASURED = 64, 16  # utterances


def corrupted(model, batch):
    """The batch with wrong codes and moved levels fed back, and some of its sound not heard again."""
    wrong = batch.framed & (torch.rand(batch.rows.shape) < WRONG_CODES)
    others = torch.randint_like(batch.rows, model.first_code, model.first_code + len(model.semantic.own))
    moved = torch.randint_like(batch.levels, -2, 3) * (torch.rand(*batch.rows.shape, 1) < MOVED_LEVELS)
    return replace(
        batch,
        rows=torch.where(wrong, others, batch.rows),
        levels=(batch.levels + moved).clamp(0, model.codec.acoustic_levels - 1),
        heard=batch.audible & (torch.rand(batch.audible.shape) >= SILENT_FEEDBACK),
    )


def embedded(model, batch):
    """Embeddings [batch, width, dim] of the prompt and of every frame as the model would hear it again."""
    sounds = batch.framed & batch.heard[:, None]
    return F.embedding(batch.rows, model.table()) + model.sound_rows(batch.levels) * sounds[..., None]


def guidance(seen, batch, first):
    """Minus the log of the attention mass under a Gaussian around the place being spoken; text begins at position `first`."""
    letters = torch.arange(batch.rows.shape[1]) - first
    weight = -((letters - batch.places[..., None]) ** 2) / (2 * GUIDE_WIDTH**2)
    in_text = (letters >= 0) & (letters < batch.letters[:, None])
    weight = weight.masked_fill(~in_text[:, None], OUTSIDE)
    looked = sum(torch.logsumexp(attention + weight, -1) for attention in seen) / len(seen)
    spoken = batch.places >= 0
    return -(looked * spoken).sum() / spoken.sum().clamp(min=1)


def flow_loss(model, hidden, batch):
    """Mean squared error of the velocity: a fixed number of draws among the frames with sound, each from the state before it."""
    asked = ((batch.targets > 0) & batch.audible[:, None]).flatten()
    draws = max(1, int(FLOW_SHARE * len(asked)))
    count = asked.cumsum(0)
    rank = (torch.rand(draws) * count[-1]).long()
    at = torch.searchsorted(count, rank, right=True).clamp(max=len(asked) - 2)
    states = hidden.flatten(0, 1)[at].float() * (torch.rand(draws, 1) >= ABSENT_STATE)
    wanted = model.codec.values(batch.levels.flatten(0, 1)[at + 1].float())
    moment, noise = torch.rand(draws), torch.randn_like(wanted)
    with autocast():
        velocity = model.flow(torch.lerp(noise, wanted, moment[:, None]), moment, states)
    return F.mse_loss(velocity.float(), wanted - noise) * (count[-1] > 0)


def losses(model, data, ids, width, corrupt=True):
    """Of utterances `ids` padded to `width`: cross-entropy of the codes, guidance, error of the flow, and share of codes right."""
    batch = data.batch(ids, width)
    x = embedded(model, corrupted(model, batch) if corrupt else batch)
    middle = len(model.layers) // 2
    with autocast():
        hidden, seen = model.backbone(x, watched=(middle - 1, middle))
        logits = model.logits(hidden).float()
    reading = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), ignore_index=IGNORED)
    right = (logits.argmax(-1) == batch.targets).sum() / (batch.targets != IGNORED).sum()
    look = guidance(seen, batch, model.prompt_length(0) - 2)
    return reading, look, flow_loss(model, hidden, batch), right


@torch.inference_mode()
def measure(model, data, ids):
    """Held-out cross-entropy, accuracy and flow error, nothing corrupted."""
    results = []
    for some in np.array_split(ids, max(1, len(ids) // MEASURED)):
        width = int(rounded(data.lengths[some].max()))
        results.append(torch.stack(losses(model, data, torch.tensor(some.tolist()), width, corrupt=False)))
    return torch.stack(results).mean(0).tolist()


def optimisers(model):
    """Muon for the matrices of the layers, AdamW for everything else; one learning rate fits both."""
    matrices = [p for name, p in model.named_parameters() if "layers." in name and p.ndim == 2]
    rest = [p for name, p in model.named_parameters() if not ("layers." in name and p.ndim == 2)]
    return Optimisers(Muon(matrices, PEAK_RATE, WEIGHT_DECAY), adamw(rest, PEAK_RATE, (0.9, 0.98), WEIGHT_DECAY))


def step_on(model, data, optimiser):
    """A whole step on utterances [batch], padded to positions [width], that can be recorded."""

    def work(ids, positions):
        optimiser.zero_grad()
        reading, look, flow, right = losses(model, data, ids, len(positions))
        (reading + GUIDE_WEIGHT * look + flow).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
        optimiser.step()
        return {"reading": reading.detach(), "look": look.detach(), "flow": flow.detach(), "right": right}

    return Step(work)


def weights_of(data, share_spoken):
    """How often each utterance is drawn: the first of each stage never, the others of a stage equally often."""
    weights = np.zeros(len(data.lengths))
    for stage, share in (("corpus", share_spoken), ("script", 1 - share_spoken)):
        learnt = data.stages[stage][HELD_OUT:]
        weights[learnt] = share / max(1, len(learnt))
    return weights


def run(home, minutes, decay_minutes, tokens, share_spoken):
    model = untrained(home)
    state = State(home.folder("language") / "language.pt", model, optimisers(model), AVERAGE_DECAY)
    data = Utterances(home, ("corpus", "script"), model)
    batches = Batches(data.lengths, weights_of(data, share_spoken), tokens or (GPU_TOKENS if on_gpu() else CPU_TOKENS))
    print(", ".join(f"{len(ids)} utterances of {stage}" for stage, ids in data.stages.items()), flush=True)
    rng, stepped = np.random.default_rng(state.step), step_on(model, data, state.optimiser)

    def measured():
        for stage, ids in data.stages.items():
            if len(ids):
                reading, _, flow, right = measure(model, data, ids[:HELD_OUT])
                print(f"held-out {stage}: reading {reading:.3f} flow {flow:.4f} right {right:.3f}", flush=True)

    schedule = Schedule(minutes, decay_minutes, PEAK_RATE, WARMUP_STEPS)
    train(home, "language", state, schedule, lambda _: stepped(*batches.draw(rng)), measured)

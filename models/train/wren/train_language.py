"""Stage `language`: train backbone and flow head.

In: `tokens/`. Out: `language.pt`. Text-only utterances teach reading: their frames are fed back with the acoustic part
left out. Spoken ones also teach the flow. Fed-back codes are corrupted, so the model survives its own mistakes; one
head of two middle layers is rewarded for looking at the text being spoken, so alignment is found in minutes.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from . import codes as code_table
from .checkpoint import Optimisers, Schedule, State, train
from .language import Language
from .precision import autocast
from .teacher import VOICES

PEAK_RATE, WARMUP_STEPS = 2e-3, 200
WEIGHT_DECAY = 0.02
GUIDED_LAYERS, GUIDE_WIDTH, GUIDE_WEIGHT = (3, 4), 2.0, 0.3
WRONG_CODES, MOVED_LEVELS, SILENT_FEEDBACK = 0.1, 0.5, 0.3
ABSENT_STATE, NOISE_DRAWS = 0.1, 1
IGNORED = -100


class Utterances:
    """All parts of some stages; the first `held_out` utterances of each stage are for measuring."""

    def __init__(self, home, stages, held_out=64):
        self.items, self.kept_back = [], []
        for stage in stages:
            read = list(self.read(home, stage))
            self.kept_back += read[:held_out]
            self.items += read[held_out:]

    @staticmethod
    def read(home, stage):
        for path in sorted(home.folder("tokens").glob(f"{stage}-*.npz")):
            part = np.load(path)
            arrays = {name: part[name] for name in part.files}
            text = np.split(arrays["text"], arrays["text_ends"][:-1])
            frames = {
                name: np.split(arrays[name], arrays["frame_ends"][:-1]) for name in ("codes", "places", "levels") if name in arrays
            }
            for i, letters in enumerate(text):
                item = {name: values[i] for name, values in frames.items()}
                yield item | {"text": letters, "voice": int(arrays["voice"][i])}

    def __len__(self):
        return len(self.items)


def length(item):
    return len(item["text"]) + len(item["codes"])


def buckets(rng, utterances, share_spoken, tokens):
    """Endless batches of similar length, about `tokens` positions each."""
    spoken, scripted = utterances
    while True:
        pool = []
        for source, share in ((spoken, share_spoken), (scripted, 1 - share_spoken)):
            if len(source):
                pool += [source.items[i] for i in rng.integers(0, len(source), int(512 * share))]
        pool.sort(key=length)
        groups, group = [], []
        for item in pool:
            if group and (len(group) + 1) * (length(item) + 17) > tokens:
                groups.append(group)
                group = []
            group.append(item)
        groups.append(group)
        for i in rng.permutation(len(groups)):
            yield groups[i]


def fed_back(model, batch, corrupt):
    """Embeddings of every frame of the batch as the model would hear them again, split by utterance."""
    codes = torch.from_numpy(np.concatenate([item["codes"] for item in batch])).long()
    if corrupt:
        codes = torch.where(torch.rand(len(codes)) < WRONG_CODES, torch.randint(len(model.semantic.own), codes.shape), codes)
    fed = model.frame_rows(codes)
    lengths = [len(item["codes"]) for item in batch]
    starts = np.cumsum([0, *lengths])
    audible = [b for b, item in enumerate(batch) if "levels" in item and not (corrupt and torch.rand(()) < SILENT_FEEDBACK)]
    if audible:
        levels = torch.from_numpy(np.concatenate([batch[b]["levels"] for b in audible])).long()
        if corrupt:
            moved = torch.randint(-2, 3, levels.shape) * (torch.rand(len(levels), 1) < MOVED_LEVELS)
            levels = (levels + moved).clamp(0, model.codec.acoustic_levels - 1)
        frames = torch.cat([torch.arange(starts[b], starts[b + 1]) for b in audible])
        fed = fed.index_add(0, frames, model.sound_rows(levels))
    return fed.split(lengths)


def collate(model, batch, corrupt=True):
    """Embeddings, targets, and what guidance and flow need to find their frames."""
    sequences, targets, guides, rows, places, values = [], [], [], [], [], []
    for b, (item, fed) in enumerate(zip(batch, fed_back(model, batch, corrupt))):
        codes = torch.from_numpy(item["codes"]).long()
        tokens = torch.from_numpy(item["text"]).long() + model.sizes.n_special_tokens
        prompt = model.prompt(tokens, item["voice"])
        sequences.append(torch.cat([prompt, fed]))
        target = torch.full((len(sequences[-1]),), IGNORED)
        target[len(prompt) - 1 : -1] = codes + 1
        target[-1] = 0
        targets.append(target)
        spoken = torch.from_numpy(item["places"].astype(np.float32))
        heard = spoken >= 0
        guides.append(torch.full((int(heard.sum()),), b))
        rows.append(len(prompt) - 1 + torch.arange(len(codes))[heard])
        places.append(spoken[heard])
        if "levels" in item:
            values.append((b, model.codec.values(torch.from_numpy(item["levels"]).float())))
    x = nn.utils.rnn.pad_sequence(sequences, batch_first=True)
    target = nn.utils.rnn.pad_sequence(targets, batch_first=True, padding_value=IGNORED)
    return x, target, (torch.cat(guides), torch.cat(rows), torch.cat(places)), values


def guidance(seen, guide, first, batch_lengths):
    """Minus the log of the attention mass under a Gaussian around the place being spoken."""
    batch, row, place = guide
    loss = 0.0
    for attention in seen:
        picked = attention[batch, row]
        letters = torch.arange(picked.shape[1])[None] - first
        weight = -((letters - place[:, None]) ** 2) / (2 * GUIDE_WIDTH**2)
        weight = weight.masked_fill((letters < 0) | (letters >= batch_lengths[batch][:, None]), -30.0)
        loss = loss - torch.logsumexp(picked + weight, -1).mean()
    return loss / len(seen)


def flow_loss(model, hidden, targets, values):
    """Mean squared error of the velocity, several noise draws per frame."""
    states, wanted = [], []
    for b, known in values:
        start = int((targets[b] != IGNORED).nonzero()[0])
        states.append(hidden[b, start : start + len(known)])
        wanted.append(known)
    states, wanted = torch.cat(states).float(), torch.cat(wanted)
    states = (states * (torch.rand(len(states), 1) >= ABSENT_STATE)).repeat(NOISE_DRAWS, 1)
    wanted = wanted.repeat(NOISE_DRAWS, 1)
    moment, noise = torch.rand(len(wanted)), torch.randn_like(wanted)
    mixed = torch.lerp(noise, wanted, moment[:, None])
    with autocast():
        velocity = model.flow(mixed, moment, states)
    return F.mse_loss(velocity.float(), wanted - noise)


def losses(model, batch, corrupt=True):
    x, target, guide, values = collate(model, batch, corrupt)
    with autocast():
        hidden, seen = model.backbone(x, watched=GUIDED_LAYERS)
    wanted = target != IGNORED
    logits = model.logits(hidden[wanted].float())
    reading = F.cross_entropy(logits, target[wanted])
    right = (logits.argmax(-1) == target[wanted]).float().mean()
    look = guidance(seen, guide, model.sizes.voice_rows + 3, torch.tensor([len(item["text"]) for item in batch]))
    flow = flow_loss(model, hidden, target, values) if values else torch.zeros(())
    return reading, look, flow, right


@torch.inference_mode()
def measure(model, utterances):
    """Held-out cross-entropy, accuracy and flow error, nothing corrupted."""
    results = [
        [x.item() for x in losses(model, group, corrupt=False)]
        for group in (utterances.kept_back[i : i + 8] for i in range(0, len(utterances.kept_back), 8))
    ]
    return np.mean(results, 0)


def optimisers(model):
    """Muon for the matrices of the layers, AdamW for everything else; one learning rate fits both."""
    matrices = [p for name, p in model.named_parameters() if "layers." in name and p.ndim == 2]
    rest = [p for name, p in model.named_parameters() if not ("layers." in name and p.ndim == 2)]
    return Optimisers(
        torch.optim.Muon(matrices, lr=PEAK_RATE, weight_decay=WEIGHT_DECAY, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY, fused=True),
    )


def run(home, minutes, tokens, threads, decay_steps=None, flow_only=False, share_spoken=0.3):
    torch.set_num_threads(threads)
    model = Language(code_table.load(home), len(VOICES))
    state = State(home.folder("language") / "language.pt", model, optimisers(model))
    if flow_only:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name.startswith("flow."))
    utterances = Utterances(home, ("corpus", "sketch")), Utterances(home, ("script",))
    print(f"{len(utterances[0])} spoken, {len(utterances[1])} scripted utterances", flush=True)
    source = buckets(np.random.default_rng(state.step), utterances, 1.0 if flow_only else share_spoken, tokens)

    def drawn():
        reading, look, flow, right = losses(model, next(source))
        return reading + GUIDE_WEIGHT * look + flow, {"reading": reading, "look": look, "flow": flow, "right": right}

    def measured():
        for name, kind in zip(("with sound", "script"), utterances):
            if kind.kept_back:
                reading, look, flow, right = measure(model, kind)
                print(f"held-out {name}: reading {reading:.3f} flow {flow:.4f} right {right:.3f}", flush=True)

    train(home, "language", state, Schedule(minutes, PEAK_RATE, WARMUP_STEPS, decay_steps), drawn, measured)

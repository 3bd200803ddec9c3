"""Stage `phones`: a finished language model learns to read phones beside letters, and its flow head goes on as it is.

In: `language.pt`, and `tokens/` of the same utterances twice, in letters and with words as phones (`tokens --beside`). Out:
`reading.pt`, the same with other rows of phones and another lower half of layers. What the flow head and the codes hang on stays:
norm, head, rows of codes and of voices, the upper half. The states before frames are pulled to those that the model, as it was, has
for the same utterance in letters, wherever its code was right there: so the flow head sees what it knows. Phones begin as the
letters that they are mostly written with.
"""

import copy
from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F

from .alphabet import CHARACTERS, PHONES, TOKENS
from .checkpoint import Schedule, State, load_average, train
from .language import untrained
from .precision import autocast, on_gpu
from .tokens import BESIDE
from .train_language import GUIDE_WEIGHT, HELD_OUT, LARGEST_GRADIENT, corrupted, embedded, flow_loss, guidance
from .utterances import IGNORED, Batches, Utterances, rounded

PEAK_RATE, WARMUP_STEPS, AVERAGE_DECAY, WEIGHT_DECAY = 3e-4, 10, 0.99, 0.0
PHONES_RATE = 10.0  # times that of the layers
PULL_WEIGHT, PULL_STEPS = 2.0, 2  # in every second step, since it costs a third of one
AT_ONCE, MEASURED, MEASURED_SAVES = 8, 24, 3  # utterances, and saves between two measures
PHONES_SHARE, SPOKEN_SHARE = 0.75, 0.1  # of utterances
WRITTEN = dict(
    pair.split("=")
    for pair in (
        "A=ay I=i O=o Q=o S=s T=t W=ow Y=oy æ=a ç=h ð=th ø=o ŋ=ng œ=o ɐ=u ɑ=ao ɒ=o ɔ=oa ɕ=sh ɖ=d ə=ea ɚ=er ɛ=e ɜ=eu ɟ=d ɡ=g ɣ=g "
        "ɤ=u ɥ=w ɨ=i ɪ=i ɯ=u ɰ=w ɲ=n ɳ=n ɴ=n ɸ=f ɹ=r ɻ=r ɽ=r ɾ=t ʁ=r ʂ=s ʃ=sh ʈ=t ʊ=uo ʋ=v ʌ=u ʎ=l ʒ=sj ʔ=t ʝ=y ʣ=z ʤ=jg ʥ=j ʦ=s "
        "ʧ=ch ʨ=ch ʰ=h ʲ=y β=v θ=th χ=h ᵊ=e ᵝ=u ᵻ=ie ꭧ=ch j=y y=u"
    ).split()
)


@torch.no_grad()
def begin(model):
    """Rows of phones out of those of the letters that write them; marks of stress and length begin as vowels, halved."""
    rows, special = model.tok_embeddings.weight, model.sizes.n_special_tokens

    def letters(text):
        return rows[[special + byte for byte in text.encode()]].mean(0)

    for phone in PHONES:
        marks = not (phone in WRITTEN or phone.isascii())
        rows[special + TOKENS[CHARACTERS[phone]]] = letters("aeiou") / 2 if marks else letters(WRITTEN.get(phone, phone))


def in_letters(data, spoken, written):
    """For each utterance the same in letters: itself, or its twin. Of a stage that grew in between what has no twin is left out."""
    twin = np.arange(len(data.lengths))
    for stage in written:
        both = min(len(data.stages[name]) for name in (stage, BESIDE + stage))
        data.stages |= {name: data.stages[name][:both] for name in (stage, BESIDE + stage)}
        twin[data.stages[BESIDE + stage]] = data.stages[stage]
    return twin


def seen_by(before, data, batch, twins):
    """States [frames, dim] of the model as it was, for the frames of a corrupted batch in letters; whether its codes are right."""
    letters = data.batch(torch.tensor(twins.tolist()), int(rounded(data.lengths[twins].max())))
    rows, levels = letters.rows.clone(), letters.levels.clone()
    rows[letters.framed], levels[letters.framed] = batch.rows[batch.framed], batch.levels[batch.framed]
    hidden, _ = before.backbone(embedded(before, replace(letters, rows=rows, levels=levels, heard=batch.heard)))
    asked = letters.targets != IGNORED
    hidden = hidden[asked].float()
    return hidden, before.logits(hidden).argmax(-1) == letters.targets[asked]


def losses(model, before, data, twin, ids, corrupt=True, pulled=True):
    """Of utterances `ids` [batch]: cross-entropy of the codes, guidance, distance to the states of before in parts of their own
    square (0 unless `pulled`), and share of codes right; then the states and the batch."""
    batch = data.batch(torch.tensor(ids.tolist()), int(rounded(data.lengths[ids].max())))
    fed = corrupted(model, batch) if corrupt else batch
    middle, asked = len(model.layers) // 2, batch.targets != IGNORED
    with autocast():
        hidden, seen = model.backbone(embedded(model, fed), watched=(middle - 1, middle))
        logits = model.logits(hidden[asked]).float()
    targets, pull = batch.targets[asked], torch.zeros(())
    if pulled:
        with autocast(), torch.no_grad():
            wanted, right_before = seen_by(before, data, fed, twin[ids])
        distance = (hidden[asked].float() - wanted).square().mean(1) / wanted.square().mean()
        pull = (distance * right_before).sum() / right_before.sum().clamp(min=1)
    look = guidance(seen, batch, model.prompt_length(0) - 2)
    return F.cross_entropy(logits, targets), look, pull, (logits.argmax(-1) == targets).float().mean(), hidden, batch


@torch.no_grad()
def measure(model, before, data, twin, ids):
    """Held-out cross-entropy, distance to before, share of codes right, and error of the flow; nothing corrupted."""
    results = []
    for some in np.array_split(ids, max(1, len(ids) // AT_ONCE)):
        reading, _, pull, right, hidden, batch = losses(model, before, data, twin, some, corrupt=False)
        results.append(torch.stack([reading, pull, right, flow_loss(model, hidden, batch)]))
    return torch.stack(results).mean(0).tolist()


def weights_of(data):
    """How often each utterance is drawn; the first of each stage never."""
    weights = np.zeros(len(data.lengths))
    for stage, ids in data.stages.items():
        share = PHONES_SHARE if stage.startswith(BESIDE) else 1 - PHONES_SHARE
        share *= SPOKEN_SHARE if stage.endswith("corpus") else 1 - SPOKEN_SHARE
        weights[ids[HELD_OUT:]] = share / max(1, len(ids) - HELD_OUT)
    return weights


def lower(model):
    return model.layers[: len(model.layers) // 2]


def optimiser_of(model):
    """AdamW of the layers and, faster, the rows of text: gradients are masked to those of phones."""
    parts = ((list(lower(model).parameters()), 1.0), ([model.tok_embeddings.weight], PHONES_RATE))
    groups = [{"params": params, "lr": torch.tensor(PEAK_RATE), "times": times} for params, times in parts]
    return torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY, fused=True, capturable=on_gpu())


def run(home, minutes, decay_minutes, tokens):
    model = untrained(home)
    path = home.folder("language") / "language.pt"
    load_average(path, model)
    begin(model)
    before = copy.deepcopy(model)
    for parameter in (*before.parameters(), *model.parameters()):
        parameter.requires_grad_(False)
    for parameter in (*lower(model).parameters(), model.tok_embeddings.weight):
        parameter.requires_grad_(True)
    first_phone = model.sizes.n_special_tokens + min(TOKENS.values())
    optimiser = optimiser_of(model)
    state = State(home.folder("language") / "phones.pt", model, optimiser, AVERAGE_DECAY)
    written = [stage for stage in ("script", "corpus") if list(home.folder("tokens").glob(f"{stage}-*.npz"))]
    data = Utterances(home, [*written, *(BESIDE + stage for stage in written)], model)
    twin = in_letters(data, BESIDE, written)
    batches = Batches(data.lengths, weights_of(data), tokens)
    print(", ".join(f"{len(ids)} utterances of {stage}" for stage, ids in data.stages.items()), flush=True)
    rng, saves = np.random.default_rng(state.step), 0

    def work(ids):
        optimiser.zero_grad()
        pulled = state.step % PULL_STEPS == 0
        reading, look, pull, right, *_ = losses(model, before, data, twin, ids.cpu().numpy(), pulled=pulled)
        (reading + GUIDE_WEIGHT * look + PULL_WEIGHT * pull).backward()
        model.tok_embeddings.weight.grad[:first_phone] = 0
        torch.nn.utils.clip_grad_norm_([p for p in model.parameters() if p.requires_grad], LARGEST_GRADIENT)
        optimiser.step()
        return {"reading": reading.detach(), "look": look.detach(), "pull": pull.detach(), "right": right}

    def measured(every=MEASURED_SAVES):
        nonlocal saves
        saves += 1
        if saves % every:
            return
        current = {name: p.detach().clone() for name, p in model.named_parameters()}
        model.load_state_dict(state.average, strict=False)
        for stage, ids in data.stages.items():
            reading, pull, right, flow = measure(model, before, data, twin, ids[:MEASURED])
            print(f"held-out {stage}: reading {reading:.3f} right {right:.3f} pull {pull:.4f} flow {flow:.4f}", flush=True)
        model.load_state_dict(current, strict=False)

    schedule = Schedule(minutes, decay_minutes, PEAK_RATE, WARMUP_STEPS)
    train(home, "phones", state, schedule, lambda now: work(batches.draw(rng)[0]), measured)
    measured(every=1)
    saved = torch.load(path, weights_only=True, map_location=torch.get_default_device())
    for part in ("model", "average"):
        saved[part].update(state.average)
    torch.save(saved, home.folder("language") / "reading.pt")

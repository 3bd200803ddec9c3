"""Training state on disk, resumable; the moving average of weights that evaluation uses; and the loop that all training stages
share."""

import os
import signal
import time
from dataclasses import dataclass

import torch

from .precision import on_gpu

SAVE_SECONDS, REPORT_SECONDS = 150, 20
WARM_STEPS = 3


class Optimisers:
    """Several optimisers, each with its own parameters, as one."""

    def __init__(self, *parts):
        self.parts = parts

    @property
    def param_groups(self):
        return [group for part in self.parts for group in part.param_groups]

    def zero_grad(self):
        for part in self.parts:
            part.zero_grad()

    def step(self):
        for part in self.parts:
            part.step()

    def state_dict(self):
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, saved):
        for part, state in zip(self.parts, saved, strict=True):
            part.load_state_dict(state)


def adamw(parameters, peak, betas, weight_decay):
    """AdamW whose learning rate is a tensor, so that a recorded step reads it anew."""
    return torch.optim.AdamW(
        parameters, lr=torch.tensor(peak), betas=betas, weight_decay=weight_decay, fused=True, capturable=on_gpu()
    )


class State:
    """Model, optimiser, averaged weights and step under one file, replaced in one rename."""

    def __init__(self, path, model, optimiser, decay=0.997):
        self.path, self.model, self.optimiser, self.decay = path, model, optimiser, decay
        self.step = 0
        if path.exists():
            saved = torch.load(path, weights_only=True, map_location=torch.get_default_device())
            model.load_state_dict(saved["model"])
            optimiser.load_state_dict(saved["optimiser"])
            torch.set_rng_state(saved["random"].cpu())
            self.step = saved["step"]
            self.average = saved["average"]
        else:
            self.average = {name: p.detach().clone() for name, p in model.named_parameters()}
        self.stopped = False
        for asked in (signal.SIGTERM, signal.SIGINT):
            signal.signal(asked, self.stop)

    def stop(self, *_):
        """Asked to end: the step under way is finished and saved."""
        self.stopped = True

    @torch.no_grad()
    def advance(self):
        self.step += 1
        weight = 1 - min(self.decay, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.average.values()), [p.detach() for p in self.model.parameters()], weight)

    def save(self):
        part = self.path.with_suffix(".part")
        torch.save(
            {
                "model": self.model.state_dict(),
                "optimiser": self.optimiser.state_dict(),
                "step": self.step,
                "average": self.average,
                "random": torch.get_rng_state(),
            },
            part,
        )
        os.replace(part, self.path)


def load_average(path, model):
    """Load the averaged weights for use; returns the step."""
    saved = torch.load(path, weights_only=True, map_location=torch.get_default_device())
    model.load_state_dict(saved["average"], strict=False)
    model.eval()
    return saved["step"]


class Step:
    """One training step on a batch, a tuple of tensors: `work(*batch)` computes losses and gradients, steps the optimiser, and
    gives figures to report, {name: tensor}.

    A model this small keeps a GPU waiting for its thousands of kernels to be started one by one. There the work is recorded
    once for each shape of batch, and replayed. It must not wait for the GPU nor branch on what it holds; figures are valid
    until the next step, as all recordings share their memory.
    """

    def __init__(self, work):
        self.work, self.recorded, self.seen = work, {}, {}
        self.pool = torch.cuda.graph_pool_handle() if on_gpu() else None

    def __call__(self, *batch):
        if not on_gpu():
            return self.work(*batch)
        shape = tuple(t.shape for t in batch)
        if shape in self.recorded:
            inputs, graph, figures = self.recorded[shape]
            for mine, given in zip(inputs, batch):
                mine.copy_(given)
            graph.replay()
            return figures
        self.seen[shape] = self.seen.get(shape, 0) + 1
        if self.seen[shape] < WARM_STEPS:  # what is set up on first use cannot be recorded
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                figures = self.work(*batch)
            torch.cuda.current_stream().wait_stream(aside)
            return figures
        inputs, graph = tuple(t.clone() for t in batch), torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self.pool):
            figures = self.work(*inputs)
        self.recorded[shape] = inputs, graph, figures
        graph.replay()
        return figures


@dataclass(frozen=True)
class Schedule:
    """How long a run is, and its learning rate: linear warm-up, constant, and over the last `decay_minutes` of the run linear decay
    to a fiftieth."""

    minutes: float
    decay_minutes: float
    peak: float
    warmup_steps: int

    def rate(self, step, minutes):
        """Of a step that begins `minutes` into the run."""
        value = self.peak * min(1.0, (step + 1) / self.warmup_steps)
        if self.decay_minutes:
            value *= min(1.0, max(0.02, (self.minutes - minutes) / self.decay_minutes))
        return value


def train(home, stage, state, schedule, step, saved=lambda: None):
    """Step, save and report until the schedule's end or a signal. `step(minutes)` draws a batch, steps on it, `minutes` into the
    run, and gives figures to report, {name: tensor}; `saved` is called after every save on the way."""
    began = last_report = last_save = time.time()
    sums, counts, count = {}, {}, 0

    def summary():
        mean = {name: float(total) / counts[name] for name, total in sums.items()}
        return f"step {state.step}, {(time.time() - began) / 60:.1f} min, " + ", ".join(f"{n} {v:.4f}" for n, v in mean.items())

    while not state.stopped and (now := time.time()) - began < 60 * schedule.minutes:
        minutes = (now - began) / 60
        for group in state.optimiser.param_groups:
            group["lr"].fill_(schedule.rate(state.step, minutes) * group.get("times", 1.0))
        figures = step(minutes)
        state.advance()
        if now - last_report > REPORT_SECONDS and count:
            print(summary(), flush=True)
            sums, counts, count, last_report = {}, {}, 0, now
        for name, value in figures.items():
            sums[name] = sums[name] + value.detach() if name in sums else value.detach().clone()
            counts[name] = counts.get(name, 0) + 1
        count += 1
        if now - last_save > SAVE_SECONDS:
            state.save()
            saved()
            last_save = now
    state.save()
    if count:
        home.log(f"{stage}: {summary()}")

"""Training state on disk, resumable to the step; the moving average of weights that evaluation uses; and the loop that all
training stages share."""

import os
import signal
import time
from dataclasses import dataclass

import numpy as np
import torch

SAVE_STEPS, REPORT_STEPS = 250, 50


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


class State:
    """Model, optimiser, averaged weights and step under one file, replaced in one rename."""

    def __init__(self, path, model, optimiser, decay=0.997):
        self.path, self.model, self.optimiser, self.decay = path, model, optimiser, decay
        self.step = 0
        if path.exists():
            saved = torch.load(path, weights_only=True)
            model.load_state_dict(saved["model"])
            optimiser.load_state_dict(saved["optimiser"])
            torch.set_rng_state(saved["random"])
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
    saved = torch.load(path, weights_only=True)
    model.load_state_dict(saved["average"], strict=False)
    model.eval()
    return saved["step"]


def rate(step, peak, warmup, decay_from=None, decay_steps=1):
    """Learning rate: linear warm-up, constant, then linear decay to a twentieth once `decay_from` is given."""
    value = peak * min(1.0, (step + 1) / warmup)
    if decay_from is not None and step > decay_from:
        value *= max(0.05, 1 - (step - decay_from) / decay_steps)
    return value


@dataclass(frozen=True)
class Schedule:
    """How long a run is, and its learning rate. With `decay_steps` the rate falls from the first step, and the run ends there."""

    minutes: float
    peak: float
    warmup_steps: int
    decay_steps: int | None = None


def train(home, stage, state, schedule, losses, saved=lambda: None):
    """Step, save and report until the schedule's end or a signal. `losses` draws a batch and gives the loss and what to report of
    it, {name: number}; `saved` is called after every save on the way."""
    decay_from = state.step if schedule.decay_steps else None
    began, reported = time.time(), []

    def summary(count):
        mean = {name: np.mean([r[name] for r in reported[-count:]]) for name in reported[-1]}
        return f"step {state.step}, {(time.time() - began) / 60:.1f} min, " + ", ".join(f"{n} {v:.4f}" for n, v in mean.items())

    while not state.stopped and time.time() - began < 60 * schedule.minutes:
        if schedule.decay_steps and state.step >= decay_from + schedule.decay_steps:
            break
        for group in state.optimiser.param_groups:
            group["lr"] = rate(state.step, schedule.peak, schedule.warmup_steps, decay_from, schedule.decay_steps or 1)
        loss, figures = losses()
        state.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
        state.optimiser.step()
        state.advance()
        reported.append({name: value.item() for name, value in figures.items()})
        if state.step % REPORT_STEPS == 0:
            print(summary(REPORT_STEPS), flush=True)
        if state.step % SAVE_STEPS == 0:
            state.save()
            saved()
    state.save()
    if reported:
        home.log(f"{stage}: {summary(200)}")

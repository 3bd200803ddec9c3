"""Training state on disk, resumable to the step; and the moving average of weights that evaluation uses."""

import os
import signal
import time

import torch


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

    def __init__(self, path, model, optimiser, decay=0.999):
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

    def goes_on(self, began, minutes, decay_from, decay_steps):
        done = decay_steps and self.step >= decay_from + decay_steps
        return not self.stopped and not done and time.time() - began < 60 * minutes

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

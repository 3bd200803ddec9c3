"""Muon (Jordan et al. 2024): momentum, orthogonalised, for the matrices of the layers.

Matrices of one shape are orthogonalised together: one after another, hundreds of small products would take longer than the rest
of a step on a GPU. Scaled to the root mean square of an AdamW step (Liu et al. 2025), so that one learning rate fits both.
"""

import torch

COEFFICIENTS, ITERATIONS = (3.4445, -4.7750, 2.0315), 5
MOMENTUM, RMS = 0.95, 0.2


def orthogonal(x):
    """Newton-Schulz towards the nearest orthogonal matrices of x [n, rows, columns], in BF16."""
    a, b, c = COEFFICIENTS
    tall = x.shape[1] > x.shape[2]
    x = x.transpose(1, 2) if tall else x
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(ITERATIONS):
        square = x @ x.transpose(1, 2)
        x = a * x + (b * square + c * square @ square) @ x
    return x.transpose(1, 2) if tall else x


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters, peak, weight_decay):
        shapes = {}
        for p in parameters:
            shapes.setdefault(p.shape, []).append(p)
        super().__init__([{"params": group} for group in shapes.values()], {"lr": torch.tensor(peak), "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            wanted = [p for p in group["params"] if p.grad is not None]
            if not wanted:
                continue
            for p in wanted:
                if "momentum" not in self.state[p]:
                    self.state[p]["momentum"] = torch.zeros_like(p)
            held = [self.state[p]["momentum"] for p in wanted]
            gradients = [p.grad for p in wanted]
            torch._foreach_lerp_(held, gradients, 1 - MOMENTUM)
            moved = torch._foreach_lerp(gradients, held, MOMENTUM)
            rows, columns = wanted[0].shape
            rate = group["lr"]
            turned = orthogonal(torch.stack(moved)).float() * (rate * -RMS * max(rows, columns) ** 0.5)
            torch._foreach_mul_(wanted, 1 - rate * group["weight_decay"])
            torch._foreach_add_(wanted, list(turned.unbind()))

"""Where tensors live, and the type of number that is multiplied fastest there.

`--device` sets torch's default device before a stage begins, and everything that a stage makes follows it. A CPU with BF16
instructions is more than twice as fast with them; another one emulates them, and is fifty times as slow.
"""

import torch

INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")
FASTEST = torch.bfloat16 if any(torch.cpu.get_capabilities().get(name) for name in INSTRUCTIONS) else torch.float32


def on_gpu():
    return torch.get_default_device().type == "cuda"


def autocast(enabled=True):
    """Products in the fastest type, everything else in float32."""
    kind = torch.get_default_device().type
    return torch.autocast(kind, torch.bfloat16, enabled=enabled and (kind == "cuda" or FASTEST is torch.bfloat16))


def placed(array):
    """A NumPy array as a tensor on the default device."""
    return torch.from_numpy(array).to(torch.get_default_device())

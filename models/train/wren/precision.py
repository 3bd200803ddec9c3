"""The type of number that a CPU multiplies fastest.

A CPU with BF16 instructions is more than twice as fast with them; another one emulates them, and is fifty times as slow.
"""

import torch

INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16")
FASTEST = torch.bfloat16 if any(torch.cpu.get_capabilities().get(name) for name in INSTRUCTIONS) else torch.float32


def autocast():
    """Products in the fastest type, everything else in float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=FASTEST is torch.bfloat16)

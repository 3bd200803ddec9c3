"""Layers shared by codec, backbone and flow head; parameter names are those of the Voxtral checkpoint.

In and out: [batch, time, width]. No biases anywhere.
"""

import torch
import torch.nn.functional as F
from torch import nn

from .precision import on_gpu


class RMSNorm(nn.Module):
    def __init__(self, dim, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.eps = eps

    def forward(self, x):
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.eps)


class FeedForward(nn.Module):
    """w2(silu(w1 x) * w3 x)."""

    def __init__(self, dim, hidden_dim):
        super().__init__()
        self.w1 = nn.Linear(dim, hidden_dim, bias=False)
        self.w2 = nn.Linear(hidden_dim, dim, bias=False)
        self.w3 = nn.Linear(dim, hidden_dim, bias=False)

    def forward(self, x):
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class Projections(nn.Module):
    """Query, key, value and output of one attention; with `norm_eps`, queries and keys are normalised over their
    whole width before the split into heads."""

    def __init__(self, dim, n_heads, n_kv_heads, head_dim, norm_eps=None):
        super().__init__()
        self.n_heads, self.n_kv_heads, self.head_dim = n_heads, n_kv_heads, head_dim
        self.wq = nn.Linear(dim, n_heads * head_dim, bias=False)
        self.wk = nn.Linear(dim, n_kv_heads * head_dim, bias=False)
        self.wv = nn.Linear(dim, n_kv_heads * head_dim, bias=False)
        self.wo = nn.Linear(n_heads * head_dim, dim, bias=False)
        if norm_eps is not None:
            self.q_norm = RMSNorm(n_heads * head_dim, norm_eps)
            self.k_norm = RMSNorm(n_kv_heads * head_dim, norm_eps)

    def split(self, x):
        """[batch, heads, time, head_dim] each."""
        q, k, v = self.wq(x), self.wk(x), self.wv(x)
        if hasattr(self, "q_norm"):
            q, k = self.q_norm(q), self.k_norm(k)
        return tuple(t.unflatten(2, (-1, self.head_dim)).transpose(1, 2) for t in (q, k, v))

    def join(self, heads):
        return self.wo(heads.transpose(1, 2).flatten(2))


class WindowLayer(nn.Module):
    """Codec layer: attention over the last `window` + 1 positions with ALiBi slopes, and layer scales.

    Not causal in the encoder, where the window reaches to both sides."""

    def __init__(self, dim, n_heads, hidden_dim, window, norm_eps, qk_norm_eps, causal=True):
        super().__init__()
        self.attention_norm = RMSNorm(dim, norm_eps)
        self.attention = Projections(dim, n_heads, n_heads, dim // n_heads, qk_norm_eps)
        self.attention_scale = nn.Parameter(torch.full((dim,), 0.1))
        self.ffn_norm = RMSNorm(dim, norm_eps)
        self.feed_forward = FeedForward(dim, hidden_dim)
        self.ffn_scale = nn.Parameter(torch.full((dim,), 0.1))
        self.window, self.causal = window, causal
        slopes = (2.0 ** (-8.0 / n_heads)) ** torch.arange(n_heads)
        self.register_buffer("slopes", slopes, persistent=False)

    def bias(self, queries, keys):
        """[heads, queries, keys] of positions; keys before the beginning, at places below 0, are not seen."""
        back = queries[:, None] - keys[None, :]
        seen = (back >= 0) & (back <= self.window) if self.causal else back.abs() <= self.window
        bias = -self.slopes[:, None, None] * back.abs()
        return bias.masked_fill(~seen | (keys < 0), float("-inf"))

    def attend(self, q, k, v, bias):
        """[..., positions, head_dim] each. By hand: at these lengths twice as fast as the fused kernel with a bias."""
        scores = (q @ k.transpose(-1, -2)).float() / q.shape[-1] ** 0.5 + bias
        return scores.softmax(-1).to(v.dtype) @ v

    def heads(self, q, k, v):
        """[batch, heads, time, head_dim] each. Long sounds in blocks as long as the window, each of which sees itself and the one
        before: a fifth of the scores at 160 positions."""
        length, block = q.shape[2], self.window
        place = torch.arange(length)
        if not self.causal or length % block or length <= 2 * block:
            return self.attend(q, k, v, self.bias(place, place))
        count = length // block
        bias = torch.stack([self.bias(place[:block], place[:block] + shift) for shift in (-block, 0)], 2).flatten(2)
        inside = place[block : 2 * block]
        bias = torch.stack([bias] + [self.bias(inside, place[: 2 * block])] * (count - 1), 1)
        q, k, v = (t.unflatten(2, (count, block)) for t in (q, k, v))
        k, v = (torch.cat([F.pad(t, (0, 0, 0, 0, 1, 0))[:, :, :-1], t], 3) for t in (k, v))
        return self.attend(q, k, v, bias).flatten(2, 3)

    def forward(self, x):
        q, k, v = self.attention.split(self.attention_norm(x))
        x = x + self.attention_scale * self.attention.join(self.heads(q, k, v))
        return x + self.ffn_scale * self.feed_forward(self.ffn_norm(x))


def rotations(positions, head_dim, theta):
    """Complex factors [time, head_dim / 2] for adjacent-pair rotary positions."""
    rates = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    angles = (positions.double()[..., None] * rates).float()
    return torch.polar(torch.ones_like(angles), angles)


def rotate(x, turn):
    pairs = torch.view_as_complex(x.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * turn).flatten(-2).to(x.dtype)


def shared_out(x, count):
    """Each head [batch, heads, time, head_dim] `count` times in a row."""
    return x[:, :, None].expand(-1, -1, count, -1, -1).flatten(1, 2)


def attend(q, k, v, causal):
    """[batch, heads, time, head_dim] each."""
    if causal and on_gpu():
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    # by hand: at a CPU's batches two to three times as fast as the fused kernel, as with the flow's three tokens
    shape = (q.shape[2], k.shape[2])
    bias = torch.full(shape, float("-inf")).triu(1) if causal else torch.zeros(shape)
    bias = bias.to(q.dtype).expand(q.shape[0] * q.shape[1], *shape)
    scores = torch.baddbmm(bias, q.flatten(0, 1), k.flatten(0, 1).transpose(1, 2), alpha=q.shape[-1] ** -0.5)
    return (scores.softmax(-1) @ v.flatten(0, 1)).unflatten(0, q.shape[:2])


class Layer(nn.Module):
    """Pre-norm layer of the backbone (causal, rotary) or of the flow head (neither)."""

    def __init__(self, sizes):
        super().__init__()
        self.attention_norm = RMSNorm(sizes.dim, sizes.norm_eps)
        self.attention = Projections(sizes.dim, sizes.n_heads, sizes.n_kv_heads, sizes.head_dim)
        self.ffn_norm = RMSNorm(sizes.dim, sizes.norm_eps)
        self.feed_forward = FeedForward(sizes.dim, sizes.hidden_dim)

    def forward(self, x, turn=None, cache=None, watch=None):
        """`turn` makes the layer rotary and causal; `cache` = {} keeps keys and values (one prompt, then
        one position at a time); `watch` = (head, list) collects that head's log attention [batch, query, key]."""
        q, k, v = self.attention.split(self.attention_norm(x))
        if turn is not None:
            q, k = rotate(q, turn), rotate(k, turn)
        if cache is not None:
            if cache:
                k, v = torch.cat([cache["k"], k], 2), torch.cat([cache["v"], v], 2)
            cache.update(k=k, v=v)
        causal = turn is not None and q.shape[2] > 1
        shared = self.attention.n_heads // self.attention.n_kv_heads
        if watch is not None:
            head, seen = watch
            scores = (q[:, head] @ k[:, head // shared].transpose(1, 2)).float() / q.shape[-1] ** 0.5
            future = torch.ones(scores.shape[1:], dtype=torch.bool).triu(1)
            seen.append(scores.masked_fill(future, -1e4).log_softmax(-1))
        heads = attend(q, shared_out(k, shared), shared_out(v, shared), causal)
        x = x + self.attention.join(heads)
        return x + self.feed_forward(self.ffn_norm(x))

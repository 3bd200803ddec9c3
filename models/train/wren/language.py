"""The language model: a causal backbone that writes semantic codes, and a flow head that adds the acoustic values.

In: the prompt [BOS][BEGIN_AUDIO] voice rows [NEXT_AUDIO_TEXT] text [REPEAT_AUDIO_TEXT][BEGIN_AUDIO], then one
embedding per frame already made (the sum of its code rows). Out: a hidden state per position; from it the next
frame's semantic code (END closes the utterance) and, by seven Euler steps of the flow, its acoustic values.
Arithmetic and parameter names are those of the Voxtral format; semantic rows are factored by phone as in the codec.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from . import acoustics
from . import codes as code_table
from .alphabet import tokens
from .codec import Codebook
from .layers import Layer, RMSNorm, rotations
from .sizes import CodecSizes, LanguageSizes
from .teacher import VOICES

BOS, AUDIO, BEGIN_AUDIO, REPEAT_AUDIO_TEXT, NEXT_AUDIO_TEXT = 1, 24, 25, 35, 36
FLOW_STEPS, GUIDANCE = 7, 1.2


def text_tokens(text, sizes):
    """Token ids of letters and phones (`alphabet`)."""
    return [sizes.n_special_tokens + token for token in tokens(text)]


class Flow(nn.Module):
    """Velocity of the acoustic values from three tokens: the values, the time, the backbone's state."""

    def __init__(self, sizes, input_dim, value_dim):
        super().__init__()
        self.dim = sizes.dim
        self.input_projection = nn.Linear(value_dim, sizes.dim, bias=False)
        self.time_projection = nn.Linear(sizes.dim, sizes.dim, bias=False)
        self.llm_projection = nn.Linear(input_dim, sizes.dim, bias=False)
        self.layers = nn.ModuleList(Layer(sizes) for _ in range(sizes.n_layers))
        self.norm = RMSNorm(sizes.dim, sizes.norm_eps)
        self.acoustic_codebook_output = nn.Linear(sizes.dim, value_dim, bias=False)

    def forward(self, x, time, hidden):
        """x [n, value_dim], time [n] in 0 .. 1, hidden [n, input_dim] -> velocity [n, value_dim]."""
        half = self.dim // 2
        angle = time[:, None] * torch.exp(-math.log(10_000.0) * torch.arange(half) / half)
        wave = torch.cat([angle.cos(), angle.sin()], -1)
        z = torch.stack([self.input_projection(x), self.time_projection(wave), self.llm_projection(hidden)], 1)
        for layer in self.layers:
            z = layer(z)
        return self.acoustic_codebook_output(self.norm(z[:, 0]))

    def sample(self, hidden, noise, steps=FLOW_STEPS, guidance=GUIDANCE):
        x, absent = noise, torch.zeros_like(hidden)
        for i in range(steps):
            time = torch.full((2 * len(x),), i / steps)
            with_state, without = self(x.repeat(2, 1), time, torch.cat([hidden, absent])).chunk(2)
            x = x + (guidance * with_state + (1 - guidance) * without) / steps
        return x


class Language(nn.Module):
    def __init__(self, codes, voices, sizes=LanguageSizes(), codec=CodecSizes()):
        super().__init__()
        dim = sizes.backbone.dim
        self.sizes, self.codec = sizes, codec
        self.tok_embeddings = nn.Embedding(sizes.vocabulary, dim)
        self.voices = nn.Parameter(torch.randn(voices, sizes.voice_rows, dim) * 0.3)
        self.semantic = Codebook(codes, dim, 0.3)
        self.acoustic = nn.Embedding(codec.value_dim * codec.acoustic_levels, dim)
        self.layers = nn.ModuleList(Layer(sizes.backbone) for _ in range(sizes.backbone.n_layers))
        self.norm = RMSNorm(dim, sizes.backbone.norm_eps)
        self.head = Codebook(codes, dim, 0.5 / dim**0.5)
        self.end = nn.Parameter(torch.zeros(dim))
        self.flow = Flow(sizes.flow, dim, codec.value_dim)
        nn.init.normal_(self.tok_embeddings.weight, std=0.5)
        nn.init.normal_(self.acoustic.weight, std=0.1)
        for layer in [*self.layers, *self.flow.layers]:
            for out in (layer.attention.wo, layer.feed_forward.w2):
                nn.init.normal_(out.weight, std=0.02)
        self.first_code = sizes.vocabulary + voices * sizes.voice_rows
        self.register_buffer("offsets", torch.arange(codec.value_dim) * codec.acoustic_levels, persistent=False)

    def table(self):
        """Every row that a position's embedding begins with: text tokens, voices, then from `first_code` on the semantic codes."""
        return torch.cat([self.tok_embeddings.weight, self.voices.flatten(0, 1), self.semantic.rows()])

    def prompt_rows(self, tokens, voice):
        """Rows of `table` that make up one utterance's prompt."""
        own = self.sizes.vocabulary + voice * self.sizes.voice_rows
        voice_rows = range(own, own + self.sizes.voice_rows)
        return [BOS, BEGIN_AUDIO, *voice_rows, NEXT_AUDIO_TEXT, *map(int, tokens), REPEAT_AUDIO_TEXT, BEGIN_AUDIO]

    def prompt(self, tokens, voice):
        """Embeddings [prompt, dim] of one utterance's prompt."""
        return self.table()[torch.tensor(self.prompt_rows(tokens, voice))]

    def prompt_length(self, text_length):
        return text_length + self.sizes.voice_rows + 5

    def frame_rows(self, codes, levels=None):
        """Sum of code rows: codes [...], levels [..., value_dim] or None for a frame whose sound is not known."""
        rows = self.semantic.rows()[codes]
        return rows if levels is None else rows + self.sound_rows(levels)

    def sound_rows(self, levels):
        """Sum of the rows of levels [..., value_dim], as a product: gathered, they would need twenty times the memory."""
        chosen = torch.zeros(*levels.shape[:-1], self.acoustic.num_embeddings)
        return chosen.scatter_(-1, levels + self.offsets, 1.0) @ self.acoustic.weight

    def backbone(self, x, start=0, caches=None, watched=()):
        """[batch, time, dim] -> states after the final norm, and the watched heads' log attention."""
        turn = rotations(torch.arange(start, start + x.shape[1]), self.sizes.backbone.head_dim, self.sizes.backbone.rope_theta)
        seen = []
        for i, layer in enumerate(self.layers):
            x = layer(x, turn, None if caches is None else caches[i], (0, seen) if i in watched else None)
        return self.norm(x), seen

    def states(self, text, voice, codes, levels):
        """The state [frames, dim] before each frame, the true frames being fed back: codes [frames], levels [frames,
        value_dim]."""
        prompt = self.prompt(text_tokens(text, self.sizes), voice)
        hidden, _ = self.backbone(torch.cat([prompt, self.frame_rows(codes, levels)])[None])
        return hidden[0, len(prompt) - 1 : -1]

    def logits(self, hidden):
        """Column 0 is END, column 1 + c is code c."""
        return F.linear(hidden, torch.cat([self.end[None], self.head.rows()]))

    @torch.inference_mode()
    def speak(self, text, voice, max_frames, generator=None, mute=False):
        """Free-running synthesis: (codes [frames], levels [frames, value_dim], ended). With `mute` no sound is drawn
        and none is fed back, as for text-only utterances: levels is then empty."""
        caches = [{} for _ in self.layers]
        x = self.prompt(text_tokens(text, self.sizes), voice)[None]
        codes, levels, place, ended = [], [], 0, False
        while len(codes) < max_frames:
            hidden, _ = self.backbone(x, place, caches)
            place += x.shape[1]
            hidden = hidden[0, -1:]
            scores = self.logits(hidden)[0]
            if not codes:
                scores[0] = -torch.inf
            ended = bool(scores.argmax() == 0)
            if ended:
                break
            codes.append(int(scores.argmax()) - 1)
            if not mute:
                noise = torch.randn(1, self.codec.value_dim, generator=generator)
                values = self.flow.sample(hidden, noise)[0].clamp(-1, 1)
                levels.append(torch.round((values + 1) / 2 * (self.codec.acoustic_levels - 1)).long())
            x = self.frame_rows(torch.tensor([codes[-1]]), None if mute else levels[-1][None])[None]
        levels = torch.stack(levels) if levels else torch.empty(0, self.codec.value_dim, dtype=torch.long)
        return torch.tensor(codes), levels, ended


def untrained(home):
    """The language model of the working folder's tables of codes and acoustic values."""
    return Language(code_table.load(home), len(VOICES), codec=acoustics.load(home).sizes)

"""Stage `hiss`: makes room for noise in a finished decoder, without changing what it says.

In: a finished pack without noise codes, the corpus. Out: `codec.pt` whose noise codes reach the last layers, for `codec --keep`.
The stream between two blocks of the decoder has 256 numbers, and speech hardly moves some directions of it. Noise is led along
those: the first convolution writes it there, each upsampling hands it on, mixed differently for every patch, and the layers on the
way are made deaf to it. What is trained afterwards, the last layers and the output, can learn to hear it.
"""

import torch
import torch.nn.functional as F

from . import acoustics
from . import codes as code_table
from .checkpoint import State
from .speech import Speech
from .train_codec import Trained, optimiser_of
from .warm import finished_codec, set_convolution

DIRECTIONS = (12, 12, 12, 16)  # of the stream of each stage
POWER = 0.3  # of the noise, in the least that a stage's stream has
CLIPS, FRAMES = 24, 40
FIRST = "decoder.decoder_blocks.0.conv.parametrizations.weight.original1"


def moments(decoder, latent):
    """For each stage the second moments [dim, dim] of its stream, summed over all places where that is read, each in units of its
    power, and the least power."""
    x, found = latent, []
    for i, block in enumerate(decoder.decoder_blocks):
        if i % 2 == 0:
            x = block(x)
            continue
        read = []
        norms = [norm for layer in block.layers for norm in (layer.attention_norm, layer.ffn_norm)]
        hooks = [norm.register_forward_pre_hook(lambda _, given, read=read: read.append(given[0].flatten(0, 1))) for norm in norms]
        x = block(x)
        for hook in hooks:
            hook.remove()
        read.append(x.flatten(0, 1))
        found.append((sum(of.T @ of / of.square().sum() for of in read), min(of.square().mean() for of in read)))
    return found


def deafen(layer, quiet):
    """Take the directions `quiet` out of what a layer reads."""
    for norm, parts in (
        (layer.attention_norm, [layer.attention.wq, layer.attention.wk, layer.attention.wv]),
        (layer.ffn_norm, [layer.feed_forward.w1, layer.feed_forward.w3]),
    ):
        for part in parts:
            read = part.weight * norm.weight
            part.weight.copy_((read - read @ quiet @ quiet.T) / norm.weight)


def mixing(inputs, outputs):
    """Random [inputs, outputs], of rank `inputs` <= `outputs`: each output of power 1 for inputs of power 1."""
    return torch.linalg.qr(torch.randn(outputs, inputs))[0].T * (outputs / inputs) ** 0.5


def lead_noise(codec, quiet, power):
    """Columns of the noise codes, and upsamplings that hand noise on from stage to stage."""
    blocks, sizes = codec.decoder.decoder_blocks, codec.sizes
    spread = [(POWER * p * sizes.dim / q.shape[1]) ** 0.5 for p, q in zip(power, quiet)]  # of one direction
    weight = blocks[0].conv.weight.clone()  # [dim, latent, kernel]
    weight[:, -sizes.noise_dim :] = 0
    of_codes = float(codec.noise((10_000,)).std())
    weight[:, -sizes.noise_dim :, -1] = quiet[0] @ mixing(sizes.noise_dim, quiet[0].shape[1]).T * spread[0] / of_codes
    set_convolution(blocks[0].conv, weight)
    for i in range(1, len(sizes.kernels)):
        conv = blocks[2 * i].conv
        weight = conv.weight.clone()  # [in, out, kernel]
        weight -= torch.einsum("ij,jok->iok", quiet[i - 1] @ quiet[i - 1].T, weight)
        taps = sizes.kernels[i] // sizes.strides[i]
        for k in range(sizes.kernels[i]):
            mixed = mixing(quiet[i - 1].shape[1], quiet[i].shape[1]) * (spread[i] / spread[i - 1] / taps**0.5)
            weight[:, :, k] += quiet[i - 1] @ mixed @ quiet[i].T
        set_convolution(conv, weight)


@torch.no_grad()
def fill(codec, finished, latent):
    """A finished decoder in `codec`, which has noise codes beside; `latent` [batch, frames, dim] is what it is given in speech."""
    found = moments(finished.decoder, latent)
    quiet = [torch.linalg.eigh(moment)[1][:, :count] for (moment, _), count in zip(found, DIRECTIONS)]
    weights = finished.state_dict()
    weights[FIRST] = F.pad(weights[FIRST], (0, 0, 0, codec.sizes.noise_dim))
    codec.load_state_dict(weights)
    for directions, stage in zip(quiet, codec.decoder.decoder_blocks[1::2]):
        for layer in stage.layers:
            deafen(layer, directions)
    out = codec.decoder.output_proj.conv
    set_convolution(out, out.weight - torch.einsum("ock,cd->odk", out.weight, quiet[-1] @ quiet[-1].T))
    lead_noise(codec, quiet, [power for _, power in found])


@torch.no_grad()
def run(home, pack):
    path = home.folder("codec") / "codec.pt"
    if path.exists():
        raise SystemExit(f"{path} exists: training goes on from there; move it away to start from the pack")
    codes, tables = code_table.load(home), acoustics.load(home)
    finished, trained, speech = finished_codec(pack, codes, tables), Trained(codes, tables, lapped=False), Speech(home)
    _, named, values, _ = speech.crops(*speech.draw(CLIPS, FRAMES), FRAMES)
    latent = torch.cat([finished.codebook.rows()[named], finished.values(finished.levels(values))], -1)
    fill(trained.codec, finished, latent)
    State(path, trained, optimiser_of(trained)).save()
    wanted, silent = finished.decoder(latent), torch.zeros(*named.shape, trained.codec.sizes.noise_dim)
    made = [trained.codec.decoder(torch.cat([latent, noise], -1)) for noise in (silent, trained.codec.noise(named.shape))]
    of_error = [10 * float(torch.log10(wanted.square().mean() / (sound - wanted).square().mean())) for sound in made]
    home.log(f"hiss: the decoder of {pack} to {of_error[0]:.1f} dB, with noise to {of_error[1]:.1f} dB")

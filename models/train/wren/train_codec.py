"""Stage `codec`: train the decoder on 1.6 s crops of the corpus.

In: `tokens/` and `corpus/`, `codes.json`, `acoustics.npz`, and once there is a language model, `drawn.npz`. Out: `codec.pt`. The
decoder hears its values rounded, noised, drawn towards what phones and voice let one guess, or as the flow head drew them,
because that is what it will be given. Every clip is spoken twice, with different noise, and the loss is the energy distance
(Gritsenko et al. 2020): far from the teacher is bad, far from itself is good. A decoder that is only pulled to the teacher gives
the median of what cannot be known, and no use is made of noise. Then a critic joins (`critic.py`).
"""

import torch
import torch.nn.functional as F
from torch import nn

from . import acoustics as acoustic_values
from . import codes as code_table
from .acoustics import PITCH, SPECTRUM, VOICE
from .checkpoint import Schedule, State, Step, adamw, load_average, train
from .codec import Codec, Predictor
from .critic import Critic, persuasion, scoring
from .precision import autocast, on_gpu
from .sizes import FRAME_SAMPLES
from .spectra import GRAIN_WEIGHT, HARMONICS_WEIGHT, LowPass, Spectra, apart
from .speech import Speech
from .teacher import VOICES

CROP_FRAMES = 20
GUESS_SHARE, NOISE = 0.5, 0.08
LOOSE_SHARE, LOOSE_NOISE = 0.25, 0.25
DRAWN_SHARE = 0.5
PEAK_RATE, WARMUP_STEPS, BETAS = 1e-3, 300, (0.8, 0.99)
AVERAGE_DECAY, LARGEST_GRADIENT = 0.999, 1.0
WAVE_WEIGHT, PREDICT_WEIGHT = 3.0, 0.2
LAST_LAYERS, KEPT_WEIGHT = 2, 3.0  # of a finished decoder: what is trained; of `wave`
OUTPUT = "codec.decoder.output_proj.conv.parametrizations.weight.original1"

CRITIC_FROM = 0.35  # of the minutes of a run that begins anew
CRITIC_CLIPS = 0.5  # of a batch
CRITIC_FRAMES, CRITIC_EVERY = 8, 2  # on a CPU, where it would otherwise take most of the time: of a crop; steps
CRITIC_RATE = 0.3  # of the codec's learning rate
CRITIC_WEIGHT, CRITIC_RAMP_STEPS = 2.0, 500  # of the gradient of `wave`
CRITIC_WAVE_WEIGHT = 1.0  # what cannot be known sample by sample should not be averaged


def disturbed(codec, values, drawn, guess):
    """As a flow head gives them. Per clip: some way towards the guess, noised, rounded, in some clips far off, so that the words
    stay in the codes; or some way towards what the flow drew."""
    share, amount, kind, loose = torch.rand(4, len(values), 1, 1)
    loose = loose < LOOSE_SHARE
    draw = (loose | (torch.rand(len(values), 1, 1) < GUESS_SHARE)) * share
    spectrum = torch.lerp(values[..., SPECTRUM:], guess.detach().to(values.dtype), draw)
    noise = NOISE + (LOOSE_NOISE - NOISE) * loose
    noised = spectrum + torch.randn_like(spectrum) * noise * amount
    spectrum = torch.where(loose | (kind < 0.5), noised, codec.values(codec.levels(spectrum)))
    flow = torch.lerp(values[..., SPECTRUM:], drawn[..., SPECTRUM:], share.sqrt())
    spectrum = torch.where(torch.rand(len(values), 1, 1) < DRAWN_SHARE, flow, spectrum)
    pitch = codec.values(codec.levels(values[..., PITCH]))  # exactly: the phase of the sound depends on it
    voice = values[..., VOICE : VOICE + 1] + torch.randn_like(values[..., :1]) * loose * NOISE
    return torch.cat([voice, pitch, spectrum], -1)


class Trained(nn.Module):
    def __init__(self, codes, acoustics, lapped=True):
        super().__init__()
        self.codec = Codec(codes, acoustics, lapped=lapped)
        self.predictor = Predictor(codes, len(VOICES), self.codec.sizes)


def of_checkpoint(path, codes, tables):
    """(model with the averaged weights, step) of a `codec.pt`, with the output that it was trained with."""
    weight = torch.load(path, weights_only=True, map_location="cpu", mmap=True)["model"][OUTPUT]
    model = Trained(codes, tables, lapped=weight.shape[2] < tables.sizes.output_kernel)
    return model, load_average(path, model)


def freeze_finished(model):
    """Leave all of a finished decoder as it is but its last layers and the output."""
    model.codec.requires_grad_(False)
    decoder = model.codec.decoder
    for part in (*decoder.decoder_blocks[-1].layers[-LAST_LAYERS:], decoder.output_proj):
        part.requires_grad_(True)


def optimiser_of(model):
    return adamw(model.parameters(), PEAK_RATE, BETAS, 1e-3)


class Adversary:
    """The critic with its optimiser, and how far its weight has risen; kept in `path`."""

    def __init__(self, path):
        self.path, self.critic = path, Critic()
        self.optimiser = adamw(self.critic.parameters(), PEAK_RATE * CRITIC_RATE, BETAS, 1e-3)
        self.ramp = torch.zeros(())
        if path.exists():
            saved = torch.load(path, weights_only=True, map_location=torch.get_default_device())
            self.critic.load_state_dict(saved["critic"])
            self.optimiser.load_state_dict(saved["optimiser"])
            self.ramp.copy_(saved["ramp"])

    def save(self):
        if self.ramp > 0:
            state = {"critic": self.critic.state_dict(), "optimiser": self.optimiser.state_dict(), "ramp": self.ramp}
            part = self.path.with_suffix(".part")
            torch.save(state, part)
            part.replace(self.path)

    def step(self, real, made, rate):
        """Gradient of the sounds `made` [n, samples] away from what the critic takes for real, and figures; the critic learns."""
        views = self.critic.some()
        with autocast():
            real, judged = self.critic(real, views), self.critic(made, views)
        own, loss = scoring(real, judged), persuasion(real, judged)
        (gradient,) = torch.autograd.grad(loss, made, retain_graph=True)
        self.optimiser.zero_grad()
        own.backward(inputs=list(self.critic.parameters()))
        nn.utils.clip_grad_norm_(self.critic.parameters(), LARGEST_GRADIENT)
        for group in self.optimiser.param_groups:
            group["lr"].copy_(rate * CRITIC_RATE)
        self.optimiser.step()
        self.ramp.add_(1 / CRITIC_RAMP_STEPS).clamp_(max=1)
        return gradient, {"critic": own.detach(), "persuade": loss.detach()}


def energy(spectra, made, again, audio, high=False):
    """(spectral distance, harmonics, how far the two sounds are from each other) of two sounds made of the same codes with
    different noise. Spectra and grain by energy distance: twice the mean distance from the teacher's, less that from each other,
    halved. Harmonics are determined, and simply pulled."""
    windows = spectra.some()
    one, two = spectra(made, windows, high), spectra(again, windows, high)
    with torch.no_grad():
        wanted = spectra(audio, windows, high)
    (to_mel, to_grain, to_low), (and_mel, and_grain, and_low), (mel, grain, _) = (
        apart(a, b) for a, b in ((one, wanted), (two, wanted), (one, two))
    )
    spectral = (to_mel + and_mel - mel) / 2 + GRAIN_WEIGHT * (to_grain + and_grain - grain) / 2
    return spectral, (to_low + and_low) / 2, grain.detach()


class Training:
    """What a step needs. Two of them are recorded: without the critic, and with it."""

    def __init__(self, home, batch, keep=None):
        from .warm import finished_codec  # which needs this module

        codes, acoustics = code_table.load(home), acoustic_values.load(home)
        self.model, self.speech, self.batch = Trained(codes, acoustics, lapped=not keep), Speech(home), batch
        path, self.kept = home.folder("codec") / "codec.pt", None
        if keep:
            if not path.exists():
                raise SystemExit(f"{path} is not there: `hiss {keep}` makes it out of that pack")
            freeze_finished(self.model)
            self.kept = finished_codec(keep, codes, acoustics)
        self.spectra, self.low_pass = Spectra(), LowPass()
        self.state = State(path, self.model, optimiser_of(self.model), AVERAGE_DECAY)
        self.adversary = Adversary(home.folder("codec") / "critic.pt")
        self.alone, self.with_critic = Step(lambda: self.step()), Step(lambda: self.step(self.adversary))

    def step(self, adversary=None):
        model, optimiser = self.model, self.state.optimiser
        clips, starts = self.speech.draw(self.batch, CROP_FRAMES)
        audio, named, values, flow = self.speech.crops(clips, starts, CROP_FRAMES)
        with autocast():
            guess = model.predictor(named, self.speech.voice[clips])
            heard_values = disturbed(model.codec, values, flow, guess)
            made = model.codec.decode(named.repeat(2, 1), heard_values.repeat(2, 1, 1))
        made = made.float()
        # what came before a crop is unknown: its first frame counts only where nothing came before
        unknown = (torch.arange(made.shape[1]) < FRAME_SAMPLES) & (starts > 0)[:, None]
        audio, unknown = audio.masked_fill(unknown, 0), unknown.repeat(2, 1)
        heard = made.detach().masked_fill(unknown, 0).requires_grad_()
        spectral, low, spread = energy(self.spectra, *heard.chunk(2), audio, bool(self.kept))
        below = audio
        if self.kept:
            with autocast(), torch.no_grad():
                below = self.kept.decode(named, heard_values).float().masked_fill(unknown[: self.batch], 0)
        under, wanted = self.low_pass(heard), self.low_pass(below).repeat(2, 1)
        wave = F.mse_loss(under, wanted) / audio.square().mean() if self.kept else F.l1_loss(under, wanted) / audio.abs().mean()
        predict = F.mse_loss(guess.float(), values[..., SPECTRUM:])
        figures = {"spectral": spectral, "low": low, "wave": wave, "spread": spread, "predict": predict}
        (spectral_pull,) = torch.autograd.grad(spectral + HARMONICS_WEIGHT * low, heard, retain_graph=True)
        (wave_pull,) = torch.autograd.grad(wave, heard)
        weight = KEPT_WEIGHT if self.kept else CRITIC_WAVE_WEIGHT if adversary else WAVE_WEIGHT
        gradient = spectral_pull + weight * wave_pull
        if adversary:
            first, last = 1, CROP_FRAMES
            if not on_gpu():
                first = int(torch.randint(1, CROP_FRAMES - CRITIC_FRAMES + 1, ()))
                last = first + CRITIC_FRAMES
            crop = (slice(max(1, int(CRITIC_CLIPS * self.batch))), slice(first * FRAME_SAMPLES, last * FRAME_SAMPLES))
            pull, more = adversary.step(audio[crop], heard.detach()[crop].requires_grad_(), optimiser.param_groups[0]["lr"])
            # whatever the critic's scale is by now; the mel distance is no measure for it, its gradient is mostly that of silence
            gradient[crop] += pull * (CRITIC_WEIGHT * adversary.ramp * wave_pull[crop].norm() / (pull.norm() + 1e-9))
            figures |= more
        optimiser.zero_grad()
        torch.autograd.backward((made, PREDICT_WEIGHT * predict), (gradient.masked_fill(unknown, 0), None))
        figures["gradient"] = nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT)
        optimiser.step()
        return {name: figure.detach() for name, figure in figures.items()}


def run(home, minutes, decay_minutes, batch, rate=PEAK_RATE, critic_from=None, keep=None):
    """`rate`: of learning, at its peak; `critic_from`: minutes of this run without it; `keep`: a finished pack whose sound below
    GRAIN_HZ is learnt from instead of the teacher's."""
    torch.backends.cudnn.benchmark = True
    training = Training(home, batch, keep)
    if critic_from is None:
        critic_from = 0 if training.state.step else CRITIC_FROM * minutes

    def step(now):
        listened = now >= critic_from and (on_gpu() or training.state.step % CRITIC_EVERY == 0)
        return (training.with_critic if listened else training.alone)()

    schedule = Schedule(minutes, decay_minutes, rate, WARMUP_STEPS)
    train(home, "codec", training.state, schedule, step, training.adversary.save)
    training.adversary.save()

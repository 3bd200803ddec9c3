"""Judges of sound, for evaluation only: four networks that guess what people would say, and two measures of the decoder's grid.

In: audio at 24 kHz. Out: marks from 1 to 5, and two ratios. DNSMOS (overall, and P.808) was made for noise suppressors and
forgives a buzz; PLCMOS for concealment, and hears clicks; DistillMOS for speech of any kind. None of them hears prosody. A decoder
that makes samples in patches can fail in two ways that the ear finds at once and a mean over seconds hides: the same hiss in every
patch, and a step between two patches.
"""

import sys
import types
from functools import cache

import numpy as np
from scipy.signal import butter, resample_poly, sosfiltfilt

from .judge import JUDGE_RATE_HZ
from .sizes import PATCH_SAMPLES, SAMPLE_RATE_HZ

HISS_HZ, LOUDEST = 5_000, 0.3  # of the patches
INNER = slice(20, PATCH_SAMPLES - 20)
NAMES = ("DNSMOS", "P808", "PLCMOS", "DistillMOS", "patch correlation", "seam ratio")
PLACES = (2, 2, 2, 2, 3, 2)


def patches_of(samples):
    """Whole patches [n, PATCH_SAMPLES] from the beginning on."""
    count = len(samples) // PATCH_SAMPLES
    return samples[: count * PATCH_SAMPLES].reshape(count, PATCH_SAMPLES)


def patch_correlation(audio):
    """Mean correlation above HISS_HZ between neighbouring patches, of those that are both among the loudest there: 0 where a hiss
    is new at every moment, 1 where it repeats; NaN where nothing can be told."""
    high = patches_of(sosfiltfilt(butter(6, HISS_HZ, "hp", fs=SAMPLE_RATE_HZ, output="sos"), audio))
    energy = np.square(high).mean(1)
    loud = (energy >= np.quantile(energy, 1 - LOUDEST)) & (energy > 0)
    pairs = np.flatnonzero(loud[:-1] & loud[1:])
    return float(np.mean([np.corrcoef(high[i], high[i + 1])[0, 1] for i in pairs])) if len(pairs) else float("nan")


def seam_ratio(audio):
    """Mean step from the last sample of a patch to the first of the next, in mean steps inside patches: 1 where no seam is."""
    steps = patches_of(np.abs(np.diff(audio)))
    return float(steps[:, -1].mean() / steps[:, INNER].mean())


@cache
def distilled():
    """DistillMOS, once loaded; its package wants torchaudio for a command that is not used here."""
    sys.modules.setdefault("torchaudio", types.ModuleType("torchaudio"))
    import distillmos

    return distillmos.ConvTransformerSQAModel().eval()


def marks(audio):
    """[len(NAMES)] of one sound."""
    import torch
    from speechmos import dnsmos, plcmos

    sound = resample_poly(audio, 2, 3).astype(np.float32)
    sound /= max(1.0, float(np.abs(sound).max()))
    heard = dnsmos.run(sound, sr=JUDGE_RATE_HZ)
    concealed = plcmos.run(sound, sr=JUDGE_RATE_HZ)["plcmos"]
    with torch.inference_mode():
        of_five = float(distilled()(torch.from_numpy(sound)[None])[0])
    return np.array([heard["ovrl_mos"], heard["p808_mos"], concealed, of_five, patch_correlation(audio), seam_ratio(audio)])


def mean_marks(sounds):
    """Of several sounds; what cannot be told of one of them is left out of its mean."""
    return np.nanmean([marks(audio) for audio in sounds], 0) if sounds else np.full(len(NAMES), np.nan)


def written(values):
    """Marks as texts, in the order of NAMES."""
    return [f"{value:.{places}f}" for value, places in zip(values, PLACES)]

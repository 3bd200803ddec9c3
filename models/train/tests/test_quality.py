"""The two measures of the decoder's grid find what they are for, and nothing in sounds that have no grid."""

import numpy as np
import pytest

from wren.quality import patch_correlation, seam_ratio
from wren.sizes import PATCH_SAMPLES, SAMPLE_RATE_HZ

RNG = np.random.default_rng(3)
PATCHES = 200


def hiss():
    return 0.1 * RNG.normal(size=PATCHES * PATCH_SAMPLES)


def tone(hz=210.0):
    return 0.3 * np.sin(2 * np.pi * hz * np.arange(PATCHES * PATCH_SAMPLES) / SAMPLE_RATE_HZ)


def test_a_hiss_that_comes_again_in_every_patch_is_found():
    fresh, repeated = hiss(), np.tile(0.1 * RNG.normal(size=PATCH_SAMPLES), PATCHES)
    assert abs(patch_correlation(fresh)) < 0.03
    assert patch_correlation(repeated) > 0.98
    assert patch_correlation(fresh + repeated) == pytest.approx(0.5, abs=0.06)


def test_a_voice_below_the_hiss_says_nothing_of_it():
    assert abs(patch_correlation(hiss() + 3 * tone(200.0))) < 0.03  # two cycles in each patch


def test_of_silence_no_correlation_is_told():
    assert np.isnan(patch_correlation(np.zeros(10 * PATCH_SAMPLES)))


def test_a_step_between_patches_is_found_and_one_inside_is_not_called_a_seam():
    smooth = tone()
    steps = np.repeat(RNG.normal(0, 0.05, PATCHES), PATCH_SAMPLES)
    assert seam_ratio(smooth) == pytest.approx(1, abs=0.05)
    assert seam_ratio(smooth + steps) > 3
    assert seam_ratio(smooth + np.roll(steps, PATCH_SAMPLES // 2)) < 1


def test_a_hiss_has_no_seams():
    assert seam_ratio(hiss()) == pytest.approx(1, abs=0.15)

"""What the acoustic values say of a frame: the phase of the voice, which voice, its pitch, and the rest of its spectrum."""

import numpy as np

from wren.acoustics import PHASE, PITCH, SPECTRUM, VOICE, levels
from wren.pitch import PITCH_SAMPLES, QUARTERS, snapped
from wren.sizes import FRAME_SAMPLES

FRAMES, FIRST = 6, 1_200


def curve():
    pitch_hz = np.full(60, 131.7)
    pitch_hz[:8] = 0
    return pitch_hz


def test_every_frame_ends_at_the_quarter_of_a_cycle_it_names():
    phase, quarters, _ = snapped(curve(), FIRST, FRAMES)
    at_ends = phase[FIRST + FRAME_SAMPLES * np.arange(1, FRAMES + 1)] * QUARTERS
    np.testing.assert_allclose(at_ends, np.rint(at_ends), atol=1e-6)
    np.testing.assert_array_equal(np.rint(at_ends) % QUARTERS, quarters)


def test_the_correction_of_the_pitch_is_not_heard():
    phase, _, _ = snapped(curve(), FIRST, FRAMES)
    voiced = slice(20 * PITCH_SAMPLES, 40 * PITCH_SAMPLES)
    hz = np.diff(phase[voiced]) * 24_000
    assert np.abs(hz - 131.7).max() < 3.2


def test_a_shaken_utterance_still_ends_its_frames_at_quarters():
    phase, quarters, _ = snapped(curve(), FIRST, FRAMES, np.random.default_rng(0))
    at_ends = phase[FIRST + FRAME_SAMPLES * np.arange(1, FRAMES + 1)] * QUARTERS
    np.testing.assert_array_equal(np.rint(at_ends) % QUARTERS, quarters)
    assert (quarters != snapped(curve(), FIRST, FRAMES)[1]).any()


def test_pitch_is_measured_where_something_is_voiced():
    _, _, hz = snapped(curve(), 0, FRAMES)
    assert hz[0, 0] == 0
    np.testing.assert_allclose(hz[2:], 131.7)


def test_the_values_of_a_frame_say_phase_voice_and_pitch(codes, acoustics):
    audio = np.random.default_rng(1).normal(0, 0.1, 4 * FRAME_SAMPLES).astype(np.float32)
    values = acoustics.values(audio, np.array([0, 1, 2, 3]), codes, 3, [0, 1, 2, 3], [0, 0, 150, 300, 150, 150, 75, 150])
    np.testing.assert_array_equal(values[:, PHASE], [[1, 0], [0, 1], [-1, 0], [0, -1]])
    np.testing.assert_array_equal(values[:, VOICE], 1)
    np.testing.assert_allclose(values[:, PITCH], [[0, 0], [0, 1], [0, 0], [-1, 0]], atol=1e-6)
    assert values[:, SPECTRUM:].std() > 0 and np.abs(values).max() <= 1


def test_the_named_values_survive_rounding_to_levels():
    named = np.array([-1, 0, 1, -0.3, 0.4])
    np.testing.assert_allclose(levels(named) / 10.0 - 1, named, atol=1e-6)

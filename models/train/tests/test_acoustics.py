"""What the acoustic values say of a frame: which voice, its pitch, and the rest of its spectrum."""

import numpy as np

from wren import acoustics as acoustic_values
from wren.acoustics import BANDS, COLUMNS, PITCH, SPECTRUM, VOICE, components, extend, levels
from wren.home import Home
from wren.pitch import half_frames, locked_cycles, pitch_values
from wren.sizes import FRAME_SAMPLES
from wren.teacher import VOICE_HZ


def test_pitch_is_measured_where_something_is_voiced():
    pitch_hz = np.full(60, 131.7)
    pitch_hz[:8] = 0
    hz = half_frames(pitch_hz, 0, 6)
    assert (hz[:2] == 0).all()
    np.testing.assert_allclose(hz[3:], 131.7)


def test_frames_beyond_the_curve_have_no_pitch():
    hz = half_frames(np.full(13, 200.0), -FRAME_SAMPLES, 4)
    np.testing.assert_array_equal(hz > 0, [False, False, True, True, True, True, False, False])


def test_every_frame_holds_whole_cycles_and_as_many_as_its_pitch_says():
    values = pitch_values([200, 212, 150, 150, 0, 0, 100, 107], 150.0)
    phase = locked_cycles(values, 150.0, 700, 700 + 4 * FRAME_SAMPLES + 50).numpy()
    assert (phase[:700] == 0).all() and (phase[-50:] == 0).all()
    frames = phase[700:-50].reshape(4, FRAME_SAMPLES)
    ends = 1.5 * frames[:, -1] - 0.5 * frames[:, -2]  # half a sample further
    np.testing.assert_allclose(ends, np.rint(ends), atol=1e-4)
    heard_hz = ends * 24_000 / FRAME_SAMPLES
    np.testing.assert_allclose(heard_hz, [206, 150, 150, 103.5], atol=6 + 0.025 * 206)
    first, second = (np.diff(frames[:, half : half + 100]).mean(1) for half in (400, 1400))
    assert second[0] > first[0] and second[3] > first[3]
    np.testing.assert_allclose(second[1:3], first[1:3])


def test_frames_may_begin_before_the_sound():
    values = pitch_values([150] * 4, 150.0)
    whole, cut = locked_cycles(values, 150.0, 0, 3840), locked_cycles(values, 150.0, -500, 3340)
    np.testing.assert_array_equal(cut, whole[500:])


def test_the_values_of_a_frame_say_voice_and_pitch(codes, acoustics):
    audio = np.random.default_rng(1).normal(0, 0.1, 4 * FRAME_SAMPLES).astype(np.float32)
    own = VOICE_HZ[3]
    pitch_hz = [0, 0, own, 2 * own, own, own, own / 2, own]
    values = acoustics.values(acoustics.columns(audio), np.array([0, 1, 2, 3]), codes, 3, pitch_hz)
    np.testing.assert_array_equal(values[:, VOICE], 1)
    np.testing.assert_allclose(values[:, PITCH], [[0, 0], [0, 1], [0, 0], [-1, 0]], atol=1e-6)
    assert values[:, SPECTRUM:].std() > 0 and np.abs(values).max() <= 1


def test_the_named_values_survive_rounding_to_levels():
    named = np.array([-1, 0, 1, -0.3, 0.4])
    np.testing.assert_allclose(levels(named) / 10.0 - 1, named, atol=1e-6)


def test_quiet_frames_have_no_component_of_their_own():
    rng = np.random.default_rng(2)
    width = COLUMNS * BANDS
    loud = np.arange(400) < 100
    columns = np.where(loud, 0.0, np.log(acoustic_values.QUIET))[:, None] + np.zeros(width)
    rest = rng.normal(size=(400, 1)) * np.where(loud[:, None], np.eye(width)[3], 2 * np.eye(width)[7])
    _, basis = components(rest, columns, 1)
    assert abs(basis[3, 0]) > 0.99


def test_values_that_are_added_leave_those_before_them_as_they_were(acoustics, codes, tmp_path):
    home, rng = Home(tmp_path), np.random.default_rng(5)
    orthonormal = np.linalg.qr(acoustics.basis)[0].astype(np.float32)
    np.savez(tmp_path / "acoustics.npz", **acoustics.arrays | {"basis": orthonormal})
    before = acoustic_values.load(home)
    sounds = [(rng.normal(0, 0.1, 60 * FRAME_SAMPLES).astype(np.float32), rng.integers(0, len(codes), 60), v) for v in (0, 1)]
    extend(home, codes, sounds, before.sizes.value_dim - SPECTRUM + 5)
    after = acoustic_values.load(home)
    assert after.sizes.value_dim == before.sizes.value_dim + 5
    columns = before.columns(sounds[0][0])
    old, new = (tables.values(columns, sounds[0][1], codes, 0, np.full(120, 150.0)) for tables in (before, after))
    np.testing.assert_array_equal(new[:, : old.shape[1]], old)
    assert new[:, old.shape[1] :].std() > 0.05
    np.testing.assert_allclose(after.basis.T @ after.basis, np.eye(after.basis.shape[1]), atol=1e-4)

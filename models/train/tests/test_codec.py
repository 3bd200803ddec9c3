"""What the codec is trained on is the utterance's own sound, and the critic prefers what it should."""

import json

import numpy as np
import pytest
import torch

from wren import hiss
from wren.acoustics import PITCH, SPECTRUM, VOICE, lapped_basis
from wren.codec import Codec, Output, Plain
from wren.critic import Critic, Patches, feature_distance, persuasion, scoring
from wren.home import Home
from wren.layers import WindowLayer
from wren.sizes import FRAME_SAMPLES, PATCH_SAMPLES, SAMPLE_RATE_HZ, CodecSizes
from wren.spectra import GRAIN_HZ, LowPass, Power, Spectra, apart
from wren.speech import DRAWN, FULL_SCALE, Speech
from wren.train_codec import DRAWN_SHARE, GUESS_SHARE, LOOSE_SHARE, NOISE, disturbed, energy
from wren.warm import set_convolution

SIZES = CodecSizes()
COUNTS = ((4, 7), (5,))  # frames of the utterances of two parts
EARLY, LATE = 500, 300  # samples that the first frame begins before the sound, and the last one ends before the sound's end


@pytest.fixture
def home(tmp_path, codes):
    """Two parts; every sample of an utterance is its number, from 1 on, and there is other sound around it."""
    home, number = Home(tmp_path), 0
    (tmp_path / "codes.json").write_text(json.dumps(codes.pairs))
    for part, counts in enumerate(COUNTS):
        pcm, first, begin, end = [np.full(700, 99, "<i2")], [], [], []
        for count in counts:
            number += 1
            begin.append(sum(map(len, pcm)))
            first.append(begin[-1] - EARLY)
            pcm.append(np.full(count * FRAME_SAMPLES - EARLY + LATE, number, "<i2"))
            end.append(sum(map(len, pcm)))
        np.concatenate(pcm).tofile(home.folder("corpus") / f"{part:03}.pcm")
        frames = sum(counts)
        np.savez(
            home.folder("tokens") / f"corpus-{part:03}.npz",
            voice=np.arange(len(counts), dtype=np.uint8),
            text=np.frombuffer(b"yes" * len(counts), np.uint8),
            text_ends=3 * np.arange(1, len(counts) + 1),
            codes=np.arange(frames, dtype=np.int16) + 10 * part,
            values=np.full((frames, SIZES.value_dim), 0.5, np.float16),
            frame_ends=np.cumsum(counts),
            first=np.array(first),
            begin=np.array(begin),
            end=np.array(end),
        )
    return home


def test_an_utterance_is_its_own_sound_with_silence_before_it(home):
    text, voice, audio, codes, values = Speech(home).utterance(1)
    assert (text, voice, len(codes), len(values)) == ("yes", 1, 7, 7)
    assert codes.tolist() == list(range(4, 11))
    assert len(audio) == 7 * FRAME_SAMPLES
    assert (audio[:EARLY] == 0).all() and (audio[EARLY:] == 2 / FULL_SCALE).all()


def test_a_crop_begins_at_its_frame_also_in_a_later_part(home):
    audio, codes, *_ = Speech(home).crops(torch.tensor([2, 0]), torch.tensor([2, 0]), 2)
    assert codes.tolist() == [[12, 13], [0, 1]]
    assert (audio[0] == 3 / FULL_SCALE).all() and (audio[1, EARLY:] == 1 / FULL_SCALE).all()


def test_beyond_the_utterance_there_is_silence_in_the_same_voice(home, codes):
    speech = Speech(home)
    audio, named, values, drawn = speech.crops(torch.tensor([2]), torch.tensor([3]), 4)
    assert named.tolist() == [[13, 14, codes.silence, codes.silence]]
    assert (audio[0, : 2 * FRAME_SAMPLES + LATE] > 0).all() and (audio[0, 2 * FRAME_SAMPLES + LATE :] == 0).all()
    assert (values[0, 2:, : VOICE + 1] == 0.5).all() and (values[0, 2:, VOICE + 1 :] == 0).all()
    torch.testing.assert_close(drawn, values)


def test_crops_are_drawn_in_proportion_to_length_and_lie_within_the_utterance(home):
    speech = Speech(home)
    clips, starts = speech.draw(4000, 5)
    share = torch.bincount(clips, minlength=3) / 4000
    torch.testing.assert_close(share, torch.tensor([4, 7, 5]) / 16, atol=0.05, rtol=0)
    assert set(starts[clips == 1].tolist()) == {0, 1, 2}
    assert (starts[clips != 1] == 0).all()


def test_what_the_flow_drew_stands_for_the_true_values_only_as_far_as_it_goes(home):
    assert torch.equal(Speech(home).drawn, Speech(home).values)
    np.savez(home.root / DRAWN, levels=np.full((11, SIZES.value_dim), 4, np.uint8), utterances=2)
    speech = Speech(home)
    torch.testing.assert_close(speech.drawn[:11], SIZES.values(torch.full((11, SIZES.value_dim), 4.0)))
    assert (speech.drawn[11:] == 0.5).all() and (speech.values == 0.5).all()


def test_what_the_flow_drew_of_another_corpus_is_refused(home):
    np.savez(home.root / DRAWN, levels=np.zeros((9, SIZES.value_dim), np.uint8), utterances=2)
    with pytest.raises(SystemExit, match="another corpus"):
        Speech(home)


def test_equal_sounds_have_no_distance_for_the_critic_and_others_have():
    critic, sound = Critic(), 0.1 * torch.randn(1, 4 * FRAME_SAMPLES)
    features = critic(sound)
    assert feature_distance(features, critic(sound)).item() == 0
    assert feature_distance(features, critic(0.1 * torch.randn_like(sound))).item() > 0


def test_the_critic_gains_where_real_sounds_score_higher_and_the_decoder_where_made_ones_do():
    def scored(score):
        return [[torch.ones(1, 2), torch.full((1, 3), score)]]

    low, high = scored(-0.5), scored(0.5)
    assert scoring(high, low) < scoring(low, low) < scoring(low, high)
    assert persuasion(low, high) < persuasion(low, low)


def test_the_critic_learns_to_tell_noise_from_a_tone():
    critic = Critic()
    optimiser = torch.optim.AdamW(critic.parameters(), lr=2e-3)
    tone = torch.sin(torch.arange(2 * FRAME_SAMPLES) * 0.05)[None]
    losses = []
    for _ in range(12):
        loss = scoring(critic(tone), critic(torch.randn_like(tone)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_the_decoder_hears_every_pitch_exactly_most_voices_too_and_spectra_that_are_off(codes, acoustics):
    values = torch.full((400, 2, SIZES.value_dim), 0.4)
    spoken = disturbed(Codec(codes, acoustics, SIZES), values, values + 1, values[..., SPECTRUM:] - 1)
    torch.testing.assert_close(spoken[..., PITCH], values[..., PITCH])  # the phase of the sound depends on it
    kept = (spoken[..., VOICE] == 0.4).all(1)
    assert abs(float(kept.float().mean()) - (1 - LOOSE_SHARE)) < 0.1
    assert 0 < (spoken[~kept][..., VOICE] - 0.4).abs().mean() < NOISE
    spectrum = spoken[..., SPECTRUM:].mean((1, 2))
    flow, guessed = spectrum > 0.5, (spectrum < 0.3).float()
    assert abs(float(flow.float().mean()) - 0.96 * DRAWN_SHARE) < 0.1
    assert abs(float(guessed[kept & ~flow].mean()) - 0.9 * GUESS_SHARE) < 0.15
    assert float(guessed[~kept & ~flow].mean()) > 0.7


def test_the_folded_output_is_the_convolution_that_was_learnt_and_can_be_unfolded():
    output = Output(CodecSizes(dim=8), np.linspace(1, 0.05, PATCH_SAMPLES, dtype=np.float32))
    torch.nn.init.normal_(output.conv.weight)
    x = torch.randn(1, 9, 8)
    padded = torch.nn.functional.pad(x.transpose(1, 2), (output.left, 0), mode="reflect")
    plain = torch.nn.functional.conv1d(padded, output.folded()).transpose(1, 2)
    torch.testing.assert_close(output(x), plain, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(output.unfolded(output.folded()), output.conv.weight, rtol=1e-3, atol=1e-4)


def test_the_output_without_overlap_is_the_convolution_that_a_pack_has_and_can_be_unfolded():
    output = Plain(CodecSizes(dim=8), np.linspace(1, 0.05, PATCH_SAMPLES, dtype=np.float32))
    torch.nn.init.normal_(output.conv.weight)
    x = torch.randn(1, 9, 8)
    padded = torch.nn.functional.pad(x.transpose(1, 2), (output.left, 0), mode="reflect")
    torch.testing.assert_close(output(x), torch.nn.functional.conv1d(padded, output.folded()).transpose(1, 2), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(output.unfolded(output.folded()), output.conv.weight, rtol=1e-3, atol=1e-4)


def test_attention_in_blocks_is_attention_over_the_whole_sound():
    layer, place = WindowLayer(32, 4, 64, 4, 0.01, 1e-6), torch.arange(24)
    q, k, v = (torch.randn(2, 4, 24, 8) for _ in range(3))
    torch.testing.assert_close(layer.heads(q, k, v), layer.attend(q, k, v, layer.bias(place, place)))


def test_the_slope_of_a_spectrum_s_power_is_its_own():
    spectrum = torch.randn(3, 5, dtype=torch.complex128, requires_grad=True)
    assert torch.autograd.gradcheck(Power.apply, spectrum)


def test_a_few_windows_of_a_step_come_to_the_distance_by_all_of_them():
    spectra, (one, other) = Spectra(), 0.05 * torch.randn(2, 2, 16 * PATCH_SAMPLES)
    wanted = apart(spectra(one), spectra(other))
    pairs = [(i, j) for i in range(5) for j in range(i)]
    each = [apart(spectra(one, pair), spectra(other, pair)) for pair in pairs]
    torch.testing.assert_close(torch.tensor(each).mean(0), torch.tensor(wanted), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_noise_is_led_through_a_finished_decoder_and_heard_by_nothing_that_was_there(codes, acoustics):
    quiet_sizes = CodecSizes(noise_dim=0)
    finished, codec = Codec(codes, acoustics, quiet_sizes, lapped=False), Codec(codes, acoustics, lapped=False)
    for stage, count in zip(finished.decoder.decoder_blocks[1::2], hiss.DIRECTIONS):
        for layer in stage.layers:  # some directions of each stream that nothing is written to, as in a trained one
            layer.attention_scale[:count], layer.ffn_scale[:count] = 0, 0
    for convolution, count in zip(finished.decoder.decoder_blocks[::2], hiss.DIRECTIONS):
        weight = convolution.conv.weight.clone()
        outputs = weight if convolution is finished.decoder.decoder_blocks[0] else weight.transpose(0, 1)
        outputs[:count] *= 1e-6
        set_convolution(convolution.conv, weight)
    latent = torch.randn(4, 12, quiet_sizes.semantic_dim + quiet_sizes.value_dim)
    hiss.fill(codec, finished, latent)
    streams = []
    codec.decoder.decoder_blocks[-1].register_forward_hook(lambda _, given, made: streams.append(made))
    wanted = finished.decoder(latent)
    made = [codec.decoder(torch.cat([latent, codec.noise((4, 12))], -1)) for _ in range(2)]
    assert (made[0] - wanted).square().mean() < 0.05 * wanted.square().mean()
    apart_by = (streams[0] - streams[1]).unflatten(1, (-1, 8))[:, 2:]  # frames, patches
    assert apart_by.square().mean() > 0.01 * streams[0].square().mean()
    one, other = apart_by[:, :, 0].flatten(), apart_by[:, :, 1].flatten()
    assert abs(float(torch.corrcoef(torch.stack([one, other]))[0, 1])) < 0.2


def test_the_lapped_transform_gives_back_what_it_was_given():
    basis, sound = lapped_basis(), torch.randn(10 * PATCH_SAMPLES)
    coefficients = sound.unfold(0, 2 * PATCH_SAMPLES, PATCH_SAMPLES) @ basis.T
    patches = coefficients @ basis
    again = (patches[1:, :PATCH_SAMPLES] + patches[:-1, PATCH_SAMPLES:]).flatten()
    torch.testing.assert_close(again, sound[PATCH_SAMPLES:-PATCH_SAMPLES], rtol=1e-4, atol=1e-4)


def test_a_sound_that_is_as_random_as_the_teacher_s_is_nearer_than_one_that_is_not():
    spectra = Spectra()

    def noise():
        return 0.05 * torch.randn(6, 16 * PATCH_SAMPLES)

    def repeated():
        return 0.05 * torch.randn(6, PATCH_SAMPLES).repeat(1, 16)

    def total(made, again):
        return float(energy(spectra, made, again, noise())[0])

    fixed = noise()
    free = total(noise(), noise())
    assert free < total(fixed, fixed) and free < total(repeated(), repeated()) and free < total(0.3 * noise(), 0.3 * noise())


def test_the_critic_sees_what_happens_between_patches():
    seen = Patches().image(torch.arange(5.0 * PATCH_SAMPLES)[None])
    assert seen.shape == (1, 2, PATCH_SAMPLES, 4)
    middle = PATCH_SAMPLES // 2
    assert seen[0, 0, middle].tolist() == [PATCH_SAMPLES * (i + 1) for i in range(4)]


def test_the_waveform_is_compared_below_the_hiss_alone():
    moment = torch.arange(4 * FRAME_SAMPLES) / SAMPLE_RATE_HZ
    low, high = (torch.sin(2 * torch.pi * hz * moment)[None] for hz in (GRAIN_HZ / 2, GRAIN_HZ * 2))
    passed, stopped = LowPass()(low)[:, 200:-200], LowPass()(high)[:, 200:-200]
    torch.testing.assert_close(passed, low[:, 200:-200], rtol=0, atol=0.02)
    assert stopped.abs().max() < 0.02

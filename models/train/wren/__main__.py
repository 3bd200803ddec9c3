"""Command line: one command per stage. See README.md for the order."""

import argparse
import shlex
from importlib import import_module

from .home import Home


class Stages:
    """Subcommands. Each names its module, which is imported when the stage runs, and the function there."""

    def __init__(self, subparsers):
        self.subparsers = subparsers

    def add(self, name, what, module, call):
        """`call(module, home, args)` runs the stage."""
        stage = self.subparsers.add_parser(name, help=what)
        stage.set_defaults(run=lambda home, args: call(import_module(f".{module}", __package__), home, args))
        return stage

    def training(self, name, what, module, batch, *more):
        """A stage of training; `more` are names of further arguments."""
        stage = self.add(
            name, what, module, lambda m, home, a: m.run(home, a.minutes, a.decay, a.batch, *(getattr(a, name) for name in more))
        )
        stage.add_argument("--minutes", type=float, default=60.0)
        stage.add_argument(
            "--decay", type=float, default=0.0, metavar="MINUTES", help="let the learning rate fall over the last minutes"
        )
        stage.add_argument("--batch", type=int, default=batch)
        return stage


def data(stages):
    stage = stages.add(
        "teacher", "prepare the teacher's graph and voice styles", "teacher", lambda m, home, a: m.prepare(home, a.styles)
    )
    stage.add_argument("styles", help="archive made by `npm pack kokoro-js`")
    stage = stages.add(
        "prose", "sentences out of texts from elsewhere", "prose", lambda m, home, a: m.run(home, a.name, a.paths, a.most)
    )
    stage.add_argument("name")
    stage.add_argument("paths", nargs="+", help="files and folders of plain text or HTML")
    stage.add_argument("--most", type=int, default=20_000, help="sentences")
    stage = stages.add("lexicon", "how the words of a language sound", "lexicon", lambda m, home, a: m.run(home, a.least))
    stage.add_argument("--least", type=int, default=2, help="times that the prose must have an inflection")
    stage = stages.add(
        "lines", "what is to be said, with phonemes", "corpus", lambda m, home, a: m.lines(home, a.kind, a.part, a.count)
    )
    stage.add_argument("kind", choices=("corpus", "script", "heldout"))
    stage.add_argument("--part", type=int, default=0)
    stage.add_argument("--count", type=int, default=4000)
    for name, what in (
        ("corpus", "speech with durations"),
        ("script", "durations without audio"),
        ("heldout", "the evaluation sentences, spoken"),
    ):
        stage = stages.add(name, what, "corpus", lambda m, home, a: m.run(home, a.stage, a.part, a.minutes))
        stage.add_argument("--part", type=int, default=0)
        stage.add_argument("--minutes", type=float, default=600.0, help="stop after so long")
    stage = stages.add("codes", "choose the phone pairs that get a code", "codes", lambda m, home, a: m.build(home, a.size))
    stage.add_argument("--size", type=int, default=1022)
    stage = stages.add("acoustics", "fit what the acoustic values mean", "tokens", lambda m, home, a: m.fit(home, a.values))
    stage.add_argument("--values", type=int, default=36, help="of a frame: the voice, two of pitch, the rest of its spectrum")
    stage = stages.add(
        "tokens", "encode a part for training", "tokens", lambda m, home, a: m.run(home, a.kind, a.part, a.phones, a.beside)
    )
    stage.add_argument("kind", choices=("corpus", "script", "heldout"))
    stage.add_argument("--part", type=int, default=0)
    stage.add_argument("--phones", type=float, default=0.0, help="share of utterances with words given as phones")
    stage.add_argument("--beside", action="store_true", help="as a part of its own, for stage `phones`")


def models(stages):
    stage = stages.training("codec", "train the codec's decoder", "train_codec", 6, "rate", "critic_from", "keep")
    stage.add_argument("--rate", type=float, default=1e-3, help="of learning, at its peak; a third of that for a finished codec")
    stage.add_argument(
        "--critic-from", type=float, metavar="MINUTES", help="without the critic before; a third of a run that begins anew"
    )
    stage.add_argument("--keep", metavar="PACK", help="a finished pack whose sound below 3 kHz stays as it is")
    stages.training("encoder", "train the codec's encoder, on a finished codec", "encoder", 12)
    stage = stages.training("language", "train backbone and flow head", "train_language", 0, "spoken")
    stage.add_argument("--spoken", type=float, default=0.3, help="share of utterances with sound")
    stages.training("phones", "teach a finished language model to read phones", "train_phones", 2_000)
    stages.training("flow", "teach a finished flow head the acoustic values that it lacks", "train_flow", 512)
    stage = stages.add(
        "drawn", "let the flow colour the corpus, for the codec to learn from", "drawn", lambda m, home, a: m.run(home, a.hours)
    )
    stage.add_argument("--hours", type=float, default=10.0, help="of the corpus")
    stage = stages.add("warm", "go on training from a finished pack", "warm", lambda m, home, a: m.run(home, a.pack))
    stage.add_argument("pack", help="a pack's folder, such as ../wren-en")
    stage = stages.add("hiss", "room for noise in a finished pack's decoder", "hiss", lambda m, home, a: m.run(home, a.pack))
    stage.add_argument("pack", help="a pack's folder, such as ../wren-en")
    stage = stages.add(
        "export",
        "write a checkpoint in the Voxtral file format",
        "export",
        lambda m, home, a: m.run_reading(home, a.version, a.phones_of) if a.phones_of else m.run(home, a.version, a.half),
    )
    stage.add_argument(
        "--phones-of", metavar="PACK", help="what stage `phones` made, beside the codec of the pack that it began from"
    )
    stage.add_argument("version", help="of the voice, for its front page: 0.3.0")
    stage.add_argument("--half", action="store_true", help="in F16: half the size")


def judges(stages):
    stage = stages.add(
        "evaluate", "word error rates; see evaluate.py", "evaluate", lambda m, home, a: m.run(home, a.what, a.count, a.zero, a.show)
    )
    stage.add_argument("what", choices=("codec", "reading", "swap", "free"))
    stage.add_argument("--count", type=int, default=40)
    stage.add_argument("--zero", action="store_true", help="free: decode with the acoustic part zero")
    stage.add_argument("--show", action="store_true", help="reading, free: print what was said")

    def pack(stage, count):
        stage.add_argument("--syrinx", default="../../target/release/syrinx")
        stage.add_argument("--pack", default="../wren-en")
        stage.add_argument("--count", type=int, default=count, help="sentences (voice-eval: of each kind, per voice)")

    stage = stages.add(
        "voice-eval",
        "judge a finished pack through the runtime",
        "voice_eval",
        lambda m, home, a: m.run(home, a.syrinx, a.pack, a.count, a.threads, a.name, a.say, not a.only, a.sounds),
    )
    pack(stage, 200)
    stage.add_argument("--name", default="pack", help="of this run, for `compare`")
    stage.add_argument("--sounds", type=int, default=24, help="of a row, which the judges of sound hear")
    stage.add_argument("--only", action="store_true", help="without the teacher and Piper beside it")
    stage.add_argument("--say", nargs=argparse.REMAINDER, default=[], metavar="OPTION", help="for `syrinx say`; comes last")
    stage = stages.add(
        "endings",
        "count the sentences of a finished pack that end too early or too late",
        "voice_eval",
        lambda m, home, a: m.endings(home, a.syrinx, a.pack, a.count),
    )
    pack(stage, 1000)
    stage = stages.add(
        "pairs",
        "two ways of speaking with a finished pack, sentence by sentence",
        "pairs",
        lambda m, home, a: (
            m.report(home, a.name)
            if a.report
            else m.run(home, a.syrinx, a.pack, a.count, a.threads, a.name, (shlex.split(a.before), shlex.split(a.after)), a.sounds)
        ),
    )
    stage.add_argument("name", help="of this run")
    pack(stage, 75)
    stage.add_argument("--before", default="--steps 7 --guidance 1.2", help="options of `syrinx say`, in one word")
    stage.add_argument("--after", default="--steps 1 --guidance 1", help="likewise")
    stage.add_argument("--sounds", type=int, default=200, help="pairs, evenly spread, which the judges of sound hear")
    stage.add_argument("--report", action="store_true", help="of the pairs that are there; speak none")
    stage = stages.add(
        "compare",
        "word error of two runs of voice-eval, sentence by sentence",
        "voice_eval",
        lambda m, home, a: m.compare(home, a.before, a.after),
    )
    stage.add_argument("before")
    stage.add_argument("after")


def main():
    parser = argparse.ArgumentParser(prog="wren", description="train a small voice of the Voxtral TTS family")
    parser.add_argument("--home", help="working folder (default: $WREN_HOME)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    stages = Stages(parser.add_subparsers(dest="stage", required=True))
    for part in (data, models, judges):
        part(stages)
    args = parser.parse_args()
    home = Home(args.home)

    import torch

    torch.set_num_threads(args.threads)
    torch.set_default_device(args.device)
    args.run(home, args)


if __name__ == "__main__":
    main()

"""Command line: one command per stage. See README.md for the order."""

import argparse

from .home import Home


def training(stage, batch):
    stage.add_argument("--minutes", type=float, default=60.0)
    stage.add_argument(
        "--decay", type=float, default=0.0, metavar="MINUTES", help="let the learning rate fall over the last minutes"
    )
    stage.add_argument("--batch", type=int, default=batch)


def main():
    parser = argparse.ArgumentParser(prog="wren", description="train a small voice of the Voxtral TTS family")
    parser.add_argument("--home", help="working folder (default: $WREN_HOME)")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    stages = parser.add_subparsers(dest="stage", required=True)

    stage = stages.add_parser("teacher", help="prepare the teacher's graph and voice styles")
    stage.add_argument("styles", help="archive made by `npm pack kokoro-js`")
    stage = stages.add_parser("lines", help="what is to be said, with phonemes")
    stage.add_argument("kind", choices=("corpus", "script", "heldout"))
    stage.add_argument("--part", type=int, default=0)
    stage.add_argument("--count", type=int, default=4000)
    for name, what in (
        ("corpus", "speech with durations"),
        ("script", "durations without audio"),
        ("heldout", "the evaluation sentences, spoken"),
    ):
        stage = stages.add_parser(name, help=what)
        stage.add_argument("--part", type=int, default=0)
        stage.add_argument("--minutes", type=float, default=600.0, help="stop after so long")
    stage = stages.add_parser("codes", help="choose the phone pairs that get a code")
    stage.add_argument("--size", type=int, default=1022)
    stage = stages.add_parser("acoustics", help="fit what the acoustic values mean")
    stage.add_argument("--values", type=int, default=36, help="of a frame: the voice, two of pitch, the rest of its spectrum")
    stage = stages.add_parser("tokens", help="encode a part for training")
    stage.add_argument("kind", choices=("corpus", "script", "heldout"))
    stage.add_argument("--part", type=int, default=0)
    stage.add_argument("--phones", type=float, default=0.0, help="share of utterances with words given as phones")
    training(stages.add_parser("codec", help="train the codec's decoder"), batch=6)
    training(stages.add_parser("encoder", help="train the codec's encoder, on a finished codec"), batch=12)
    stage = stages.add_parser("language", help="train backbone and flow head")
    training(stage, batch=0)
    stage.add_argument("--spoken", type=float, default=0.3, help="share of utterances with sound")
    training(stages.add_parser("flow", help="teach a finished flow head the acoustic values that it lacks"), batch=512)
    stage = stages.add_parser("drawn", help="let the flow colour the corpus, for the codec to learn from")
    stage.add_argument("--hours", type=float, default=10.0, help="of the corpus")
    stage = stages.add_parser("evaluate", help="word error rates; see evaluate.py")
    stage.add_argument("what", choices=("codec", "reading", "swap", "free"))
    stage.add_argument("--count", type=int, default=40)
    stage.add_argument("--zero", action="store_true", help="free: decode with the acoustic part zero")
    stage.add_argument("--show", action="store_true", help="reading, free: print what was said")
    stage = stages.add_parser("warm", help="go on training from a finished pack")
    stage.add_argument("pack", help="a pack's folder, such as ../wren-en")
    stage = stages.add_parser("export", help="write a checkpoint in the Voxtral file format")
    stage.add_argument("--half", action="store_true", help="in F16: half the size")
    for name, count, what in (
        ("voice-eval", 200, "judge a finished pack through the runtime"),
        ("endings", 1000, "count the sentences of a finished pack that end too early or too late"),
    ):
        stage = stages.add_parser(name, help=what)
        stage.add_argument("--syrinx", default="../../target/release/syrinx")
        stage.add_argument("--pack", default="../wren-en")
        stage.add_argument("--count", type=int, default=count, help="sentences (voice-eval: of each kind, per voice)")
        if name == "voice-eval":
            stage.add_argument("--name", default="pack", help="of this run, for `compare`")
            stage.add_argument("--sounds", type=int, default=24, help="of a row, which the judges of sound hear")
            stage.add_argument("--only", action="store_true", help="without the teacher and Piper beside it")
            stage.add_argument("--say", nargs=argparse.REMAINDER, default=[], metavar="OPTION", help="for `syrinx say`; comes last")
    stage = stages.add_parser("compare", help="word error of two runs of voice-eval, sentence by sentence")
    stage.add_argument("before")
    stage.add_argument("after")
    args = parser.parse_args()
    home = Home(args.home)

    import torch

    torch.set_num_threads(args.threads)
    torch.set_default_device(args.device)

    if args.stage == "teacher":
        from . import teacher

        teacher.prepare(home, args.styles)
    elif args.stage == "lines":
        from . import corpus

        corpus.lines(home, args.kind, args.part, args.count)
    elif args.stage in ("corpus", "script", "heldout"):
        from . import corpus

        corpus.run(home, args.stage, args.part, args.minutes)
    elif args.stage == "codes":
        from . import codes

        codes.build(home, args.size)
    elif args.stage == "acoustics":
        from . import tokens

        tokens.fit(home, args.values)
    elif args.stage == "tokens":
        from . import tokens

        tokens.run(home, args.kind, args.part, args.phones)
    elif args.stage == "codec":
        from . import train_codec

        train_codec.run(home, args.minutes, args.decay, args.batch)
    elif args.stage == "encoder":
        from . import encoder

        encoder.run(home, args.minutes, args.decay, args.batch)
    elif args.stage == "language":
        from . import train_language

        train_language.run(home, args.minutes, args.decay, args.batch, args.spoken)
    elif args.stage == "flow":
        from . import train_flow

        train_flow.run(home, args.minutes, args.decay, args.batch)
    elif args.stage == "drawn":
        from . import drawn

        drawn.run(home, args.hours)
    elif args.stage == "evaluate":
        from . import evaluate

        if args.what == "free":
            evaluate.free(home, args.count, args.zero, args.show)
        elif args.what == "reading":
            evaluate.reading(home, args.count, args.show)
        else:
            getattr(evaluate, args.what)(home, args.count)
    elif args.stage == "voice-eval":
        from . import voice_eval

        voice_eval.run(home, args.syrinx, args.pack, args.count, args.threads, args.name, args.say, not args.only, args.sounds)
    elif args.stage == "compare":
        from . import voice_eval

        voice_eval.compare(home, args.before, args.after)
    elif args.stage == "endings":
        from . import voice_eval

        voice_eval.endings(home, args.syrinx, args.pack, args.count)
    elif args.stage == "warm":
        from . import warm

        warm.run(home, args.pack)
    elif args.stage == "export":
        from . import export

        export.run(home, args.half)


if __name__ == "__main__":
    main()

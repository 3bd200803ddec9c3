//! Promise: a checkpoint of Voxtral Realtime becomes a pack that listens, or is refused by the name of what is wrong.

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use syrinx_quant::import::{ImportOptions, import};
use syrinx_quant::{DType, ErrorKind, GgufFile, Manifest, Recipe, shape::Realtime};

/// A copy of the tiny checkpoint to damage.
struct Checkpoint(tempfile::TempDir);

impl Checkpoint {
    fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("checkpoint")).unwrap();
        let checkpoint = Self(folder);
        for file in ["consolidated.safetensors", "params.json", "tekken.json"] {
            fs::copy(common::data("hear").join(name).join(file), checkpoint.path().join(file)).unwrap();
        }
        checkpoint
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("checkpoint")
    }

    fn import(&self, from: &Path, to: &str, recipe: Recipe) -> Result<PathBuf, syrinx_quant::Error> {
        let to = self.0.path().join(to);
        let options = ImportOptions { from: from.to_owned(), to: to.clone(), recipe, overwrite: false };
        import(&options, &()).map(|_| to)
    }

    fn edit(&self, file: &str, edit: impl FnOnce(&mut Value)) {
        let path = self.path().join(file);
        let mut json = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        edit(&mut json);
        fs::write(path, json.to_string()).unwrap();
    }

    fn refusal(&self) -> syrinx_quant::Error {
        let error = self.import(&self.path(), "pack", Recipe::F32).expect_err("the checkpoint should be refused");
        assert!(!self.0.path().join("pack").exists(), "a refused import left something behind");
        error
    }
}

#[test]
fn sizes_ids_and_schedule_are_those_of_both_files() {
    let checkpoint = Checkpoint::of("skew");
    let pack = checkpoint.import(&checkpoint.path(), "pack", Recipe::F32).unwrap();
    let hear = GgufFile::open(&pack.join("hear.gguf")).unwrap();
    let shape = Realtime::from_metadata(&hear).unwrap();
    assert_eq!((shape.front.mels, shape.front.log_mel_max), (80, 1.25));
    assert_eq!((shape.encoder.dim, shape.encoder.window, shape.encoder.head_dim), (64, 27, 16));
    assert_eq!((shape.decoder.dim, shape.decoder.window, shape.decoder.kv_heads), (160, 45, 3));
    let text = &shape.text;
    assert_eq!((text.bos, text.eos, text.pad, text.word, text.special_ids), (1, 2, 32, 33, 1000));
    assert_eq!((shape.samples_per_token(), shape.schedule.delay, shape.prompt_len(6)), (1280, 6, 39));

    let manifest = Manifest::parse(&fs::read_to_string(pack.join("pack.toml")).unwrap()).unwrap();
    assert_eq!((manifest.family.as_str(), manifest.sample_rate_hz), ("voxtral-realtime", 16_000));
    assert_eq!((manifest.licence.spdx.as_str(), manifest.licence.commercial), ("Apache-2.0", true));
    let files: Vec<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(files, ["encoder.gguf", "decoder.gguf", "hear.gguf", "tokenizer.json"]);
}

#[test]
fn recipes_go_by_the_part_of_the_model() {
    let checkpoint = Checkpoint::of("tiny");
    let types = |recipe: Recipe| {
        let pack = checkpoint.import(&checkpoint.path(), recipe.name(), recipe).unwrap();
        let dtype = |file: &str, tensor: &str| GgufFile::open(&pack.join(file)).unwrap().tensor(tensor).unwrap().dtype;
        [
            dtype("encoder.gguf", "blk.0.attn_q.weight"),
            dtype("decoder.gguf", "blk.0.ffn_down.weight"),
            dtype("decoder.gguf", "token_embd.weight"),
            dtype("hear.gguf", "audio_language_projection.0.weight"),
            dtype("hear.gguf", "conv_layers.1.conv.weight"),
            dtype("hear.gguf", "layers.2.ada_rms_norm_t_cond.0.weight"),
            dtype("decoder.gguf", "blk.0.ffn_norm.weight"),
        ]
    };
    assert_eq!(types(Recipe::F32), [DType::F32; 7]);
    let q8 = DType::Q8_0;
    assert_eq!(types(Recipe::Q8), [q8, q8, q8, q8, DType::F16, DType::F16, DType::F32]);
    assert_eq!(types(Recipe::Q4)[1], DType::Q4K);
}

#[test]
fn a_pack_of_f32_is_packed_anew_as_the_checkpoint_would_be() {
    let checkpoint = Checkpoint::of("tiny");
    let f32 = checkpoint.import(&checkpoint.path(), "f32", Recipe::F32).unwrap();
    let again = checkpoint.import(&f32, "again", Recipe::Q8).unwrap();
    let direct = checkpoint.import(&checkpoint.path(), "direct", Recipe::Q8).unwrap();
    for file in ["encoder.gguf", "decoder.gguf", "hear.gguf", "tokenizer.json"] {
        // The name of the model is its folder's.
        let tensors = |pack: &Path| {
            let bytes = fs::read(pack.join(file)).unwrap();
            bytes[bytes.len() / 3..].to_vec()
        };
        assert!(tensors(&again) == tensors(&direct), "{file}");
    }
}

#[test]
fn what_would_change_the_arithmetic_is_refused_by_name() {
    let refuse = |file: &str, pointer: &str, value: Value| {
        let checkpoint = Checkpoint::of("tiny");
        checkpoint.edit(file, |json| {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            json.pointer_mut(parent).unwrap().as_object_mut().unwrap().insert(key.into(), value);
        });
        checkpoint.refusal()
    };
    let args = "/multimodal/whisper_model_args/encoder_args";
    for (pointer, value, named) in [
        ("/rope_scaling".to_owned(), json!({"factor": 2}), "rope_scaling"),
        ("/yarn".to_owned(), json!({}), "yarn"),
        ("/use_biases".to_owned(), json!(true), "use_biases"),
        ("/sparkle".to_owned(), json!(1), "sparkle"),
        ("/causal".to_owned(), json!(false), "causal"),
        (format!("{args}/pos_embed"), json!("sinusoidal"), "pos_embed"),
        (format!("{args}/ffn_type"), json!("mlp"), "ffn_type"),
        (format!("{args}/norm_type"), json!("layer_norm"), "norm_type"),
        (format!("{args}/audio_encoding_args/hop_length"), json!(80), "Hz"),
        (format!("{args}/audio_encoding_args/sparkle"), json!(80), "audio_encoding_args.sparkle"),
        (format!("{args}/n_layers"), json!(5), "layers.4"),
        (format!("{args}/n_layers"), json!(3), "layers.3"),
        ("/dim".to_owned(), json!(64), "shape"),
        ("/hidden_dim".to_owned(), json!("wide"), "hidden_dim"),
    ] {
        let error = refuse("params.json", &pointer, value);
        assert!(error.message.contains(named), "{pointer}: {error}");
    }
    for (pointer, value, named) in [
        ("/audio/transcription_delay_ms", json!(500), "transcription_delay_ms"),
        ("/audio/transcription_delay_ms", json!(0), "transcription_delay_ms"),
        ("/audio/frame_rate", json!(25), "frame_rate"),
        ("/audio/transcription_format", json!("instruct"), "transcription_format"),
        ("/special_tokens", json!([]), "<s>"),
        ("/config/default_vocab_size", json!(1100), "vocab"),
    ] {
        let error = refuse("tekken.json", pointer, value);
        assert!(error.message.contains(named) || error.kind == ErrorKind::Corrupt, "{pointer}: {error}");
    }
}

#[test]
fn a_window_in_a_string_is_a_window() {
    let checkpoint = Checkpoint::of("tiny");
    checkpoint.edit("params.json", |json| json["sliding_window"] = json!("48"));
    let pack = checkpoint.import(&checkpoint.path(), "pack", Recipe::F32).unwrap();
    let shape = Realtime::from_metadata(&GgufFile::open(&pack.join("hear.gguf")).unwrap()).unwrap();
    assert_eq!(shape.decoder.window, 48);
}

#[test]
fn a_truncated_checkpoint_is_refused() {
    let checkpoint = Checkpoint::of("tiny");
    let path = checkpoint.path().join("consolidated.safetensors");
    let bytes = fs::read(&path).unwrap();
    for length in [0, 7, 1000, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        assert_eq!(checkpoint.refusal().kind, ErrorKind::Truncated, "{length} bytes");
    }
}

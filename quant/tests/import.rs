//! Import of the tiny checkpoint: the numbers are the reference's, and what is not understood is refused by name.

mod common;

use common::{Checkpoint, data};
use safetensors::SafeTensors;
use serde_json::json;
use syrinx_quant::import::import;
use syrinx_quant::manifest::{LetterCase, Normalise};
use syrinx_quant::{DType, Error, ErrorKind, GgufFile, Manifest, Recipe, Shape};

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// A checkpoint tensor as f32, with its shape.
fn original(name: &str) -> (Vec<usize>, Vec<f32>) {
    let bytes = std::fs::read(data("tiny/consolidated.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor(name).unwrap();
    let values = tensor.data().as_chunks().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect();
    (tensor.shape().to_vec(), values)
}

fn golden(name: &str) -> Vec<f32> {
    let bytes = std::fs::read(data("golden_tiny.safetensors")).unwrap();
    floats(SafeTensors::deserialize(&bytes).unwrap().tensor(name).unwrap().data())
}

fn imported(recipe: Recipe) -> (Checkpoint, GgufFile, GgufFile) {
    let checkpoint = Checkpoint::tiny();
    checkpoint.import(recipe).unwrap();
    let open = |file| GgufFile::open(&checkpoint.pack().join(file)).unwrap();
    let (backbone, speech) = (open("backbone.gguf"), open("speech.gguf"));
    (checkpoint, backbone, speech)
}

#[test]
fn the_f32_recipe_keeps_every_weight_as_it_is() {
    let (_checkpoint, backbone, speech) = imported(Recipe::F32);
    for (file, name, from) in [
        (&backbone, "blk.2.attn_q.weight", "layers.2.attention.wq.weight"),
        (&backbone, "blk.0.ffn_down.weight", "layers.0.feed_forward.w2.weight"),
        (&backbone, "output_norm.weight", "norm.weight"),
        (&backbone, "token_embd.weight", "mm_audio_embeddings.audio_codebook_embeddings.embeddings.weight"),
        (&speech, "mm_audio_embeddings.tok_embeddings.weight", "mm_audio_embeddings.tok_embeddings.weight"),
        (&speech, "acoustic_transformer.input_projection.weight", "acoustic_transformer.input_projection.weight"),
        (
            &speech,
            "audio_tokenizer.decoder_blocks.7.layers.1.ffn_scale",
            "audio_tokenizer.decoder_blocks.7.layers.1.ffn_scale",
        ),
    ] {
        let (shape, values) = original(from);
        let view = file.tensor(name).unwrap();
        assert_eq!((view.dtype, &view.shape), (DType::F32, &shape), "{name}");
        assert_eq!(view.to_f32().unwrap(), values, "{name}");
    }
}

#[test]
fn the_semantic_head_is_padded_with_zero_rows_to_the_height_of_the_audio_table() {
    let (_checkpoint, backbone, speech) = imported(Recipe::F32);
    let (_, head) = original("acoustic_transformer.semantic_codebook_output.weight");
    let output = backbone.tensor("output.weight").unwrap();
    assert_eq!(output.shape, [1408, 128]);
    let values = output.to_f32().unwrap();
    assert_eq!(values[..head.len()], head);
    assert!(values[head.len()..].iter().all(|&x| x == 0.0) && values.len() > head.len());
    assert!(speech.tensor("acoustic_transformer.semantic_codebook_output.weight").is_err());
}

#[test]
fn the_codebook_is_the_clamped_quotient_of_the_reference() {
    let (_checkpoint, _, speech) = imported(Recipe::F32);
    let table = speech.tensor("audio_tokenizer.quantizer.semantic_codebook.embedding").unwrap();
    assert_eq!(table.to_f32().unwrap(), golden("codec.semantic_table"));
}

/// `g * v / |v|` of a weight-normed convolution, in f64.
fn folded(base: &str) -> (Vec<usize>, Vec<f64>) {
    let name = |part| format!("audio_tokenizer.{base}.conv.parametrizations.weight.{part}");
    let (_, gain) = original(&name("original0"));
    let (shape, direction) = original(&name("original1"));
    let slice = shape[1] * shape[2];
    let rows = direction.chunks(slice).zip(gain);
    let folded = rows.flat_map(|(v, g)| {
        let norm = v.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        v.iter().map(move |&x| f64::from(g) * f64::from(x) / norm)
    });
    (shape, folded.collect())
}

fn assert_close(found: f32, expected: f64, what: &str) {
    assert!(
        (f64::from(found) - expected).abs() <= 1e-7 * expected.abs().max(1e-3),
        "{what}: {found} is not {expected}"
    );
}

#[test]
fn a_convolution_becomes_one_matrix_with_a_column_block_per_tap() {
    let (_checkpoint, _, speech) = imported(Recipe::F32);
    for base in ["decoder_blocks.0", "output_proj"] {
        let (shape, w) = folded(base);
        let [outputs, inputs, kernel] = shape[..] else { panic!("{shape:?}") };
        let view = speech.tensor(&format!("audio_tokenizer.{base}.conv.weight")).unwrap();
        assert_eq!(view.shape, [outputs, kernel * inputs]);
        let values = view.to_f32().unwrap();
        for o in 0..outputs {
            for i in 0..inputs {
                for j in 0..kernel {
                    let found = values[o * kernel * inputs + j * inputs + i];
                    assert_close(found, w[(o * inputs + i) * kernel + j], &format!("{base} {o} {i} {j}"));
                }
            }
        }
    }
}

#[test]
fn a_transposed_convolution_becomes_one_matrix_with_a_row_block_per_phase() {
    let (_checkpoint, _, speech) = imported(Recipe::F32);
    let stride = 2;
    let (shape, w) = folded("decoder_blocks.4");
    let [inputs, outputs, kernel] = shape[..] else { panic!("{shape:?}") };
    let view = speech.tensor("audio_tokenizer.decoder_blocks.4.conv.weight").unwrap();
    assert_eq!(view.shape, [stride * outputs, kernel / stride * inputs]);
    let values = view.to_f32().unwrap();
    for r in 0..stride {
        for o in 0..outputs {
            for j in 0..kernel / stride {
                for i in 0..inputs {
                    let found = values[(r * outputs + o) * (kernel / stride * inputs) + j * inputs + i];
                    assert_close(found, w[(i * outputs + o) * kernel + j * stride + r], &format!("{r} {o} {j} {i}"));
                }
            }
        }
    }
}

#[test]
fn voices_and_sizes_arrive_in_the_order_of_the_file() {
    let (_checkpoint, _, speech) = imported(Recipe::Q8);
    let shape = Shape::from_metadata(&speech).unwrap();
    assert_eq!(shape.voices, ["neutral_female", "casual_male"]);
    assert_eq!((shape.audio.head_rows, shape.audio.audio_rows), (512, 1408));
    assert_eq!((shape.prompt.bos, shape.prompt.audio, shape.prompt.begin_audio), (1, 24, 25));
    assert_eq!((shape.prompt.next_audio_text, shape.prompt.repeat_audio_text), (36, 35));
    assert_eq!(shape.codec.samples_per_frame(), 1920);
    let voice = speech.tensor("voice.neutral_female").unwrap();
    assert_eq!((voice.dtype, &voice.shape[..]), (DType::F32, &[9, 128][..]));
    let embeds = golden("prompt.embeds");
    assert_eq!(voice.to_f32().unwrap(), embeds[2 * 128..11 * 128]); // after BOS and BEGIN_AUDIO
}

#[test]
fn recipes_set_the_types_and_report_what_fell_back() {
    let checkpoint = Checkpoint::tiny();
    let written = checkpoint.import(Recipe::Q4All).unwrap();
    let backbone = GgufFile::open(&checkpoint.pack().join("backbone.gguf")).unwrap();
    let speech = GgufFile::open(&checkpoint.pack().join("speech.gguf")).unwrap();
    let dtype = |file: &GgufFile, name: &str| file.info(name).unwrap().spec.dtype;
    // Rows of 128 do not fill a K-block of 256; rows of 256 do.
    assert_eq!(dtype(&backbone, "blk.0.attn_q.weight"), DType::Q8_0);
    assert_eq!(dtype(&backbone, "blk.0.attn_output.weight"), DType::Q4K);
    assert_eq!(dtype(&backbone, "blk.2.ffn_down.weight"), DType::Q6K);
    assert_eq!(dtype(&speech, "acoustic_transformer.layers.0.attention.wq.weight"), DType::Q4_0);
    assert_eq!(dtype(&speech, "acoustic_transformer.llm_projection.weight"), DType::Q8_0);
    assert_eq!(dtype(&speech, "audio_tokenizer.decoder_blocks.0.conv.weight"), DType::F16);
    assert!(written.fallbacks.iter().any(|f| f.tensor == "blk.0.attn_q.weight" && f.wanted == DType::Q4K));
    assert!(written.fallbacks.iter().all(|f| f.used != f.wanted));
    assert!(checkpoint.import(Recipe::F32).is_err(), "the pack is there already");
}

#[test]
fn without_a_front_page_the_model_is_taken_for_voxtral() {
    let checkpoint = Checkpoint::tiny();
    let Manifest { family, licence, recipe, synthetic, .. } = checkpoint.import(Recipe::F32).unwrap().manifest;
    assert_eq!((family.as_str(), licence.spdx.as_str()), ("voxtral-tts", "CC-BY-NC-4.0"));
    assert_eq!((recipe.as_str(), licence.commercial, synthetic), ("f32", false, false));
}

#[test]
fn the_front_page_of_a_checkpoint_reaches_the_pack() {
    let checkpoint = Checkpoint::tiny();
    checkpoint.write(
        "syrinx.toml",
        r#"
        name = "wren-en"
        version = "0.2.0"
        languages = ["en"]
        [licence]
        spdx = "Apache-2.0"
        commercial = true
        note = "Attribution"
        [text]
        normalise = "en"
        letter_case = "lower"
        [defaults]
        frame_budget = 500
        [provenance]
        hours = 12.5
        "#,
    );
    checkpoint.import(Recipe::Q8).unwrap();
    let text = std::fs::read_to_string(checkpoint.pack().join("pack.toml")).unwrap();
    let manifest = Manifest::parse(&text).unwrap();
    assert_eq!((manifest.name.as_str(), manifest.version.as_str()), ("wren-en", "0.2.0"));
    assert_eq!((manifest.licence.spdx.as_str(), manifest.licence.commercial), ("Apache-2.0", true));
    assert_eq!(
        (manifest.text.normalise, manifest.text.letter_case),
        (Normalise::Language("en".into()), LetterCase::Lower)
    );
    assert_eq!((manifest.defaults.frame_budget, manifest.defaults.steps, manifest.defaults.guidance), (500, 7, 1.2));
    assert_eq!(manifest.provenance["hours"].as_float(), Some(12.5));

    let page = "[text.phones]\n\"k\" = \"\\ue000\"\n[[text.lexicons]]\nfile = \"us.lexicon\"\n";
    checkpoint.write("syrinx.toml", page);
    let error = import(&checkpoint.options(Recipe::Q8), &()).unwrap_err();
    assert_names(&error, ErrorKind::Missing, &["us.lexicon"]);
    checkpoint.write("us.lexicon", "words");
    std::fs::remove_dir_all(checkpoint.pack()).unwrap();
    checkpoint.import(Recipe::F32).unwrap();
    let text = std::fs::read_to_string(checkpoint.pack().join("pack.toml")).unwrap();
    let manifest = Manifest::parse(&text).unwrap();
    assert_eq!(manifest.text.phones["k"], "\u{e000}");
    assert_eq!(
        (manifest.text.lexicons[0].file.as_str(), manifest.file("us.lexicon").unwrap().bytes),
        ("us.lexicon", 5)
    );
    assert_eq!(std::fs::read(checkpoint.pack().join("us.lexicon")).unwrap(), b"words");

    checkpoint.write("syrinx.toml", "licence = 'Apache-2.0'");
    let error = import(&checkpoint.options(Recipe::Q8), &()).unwrap_err();
    assert!(error.kind == ErrorKind::Corrupt && error.message.contains("syrinx.toml"), "{error}");
}

fn assert_names(error: &Error, kind: ErrorKind, words: &[&str]) {
    assert_eq!(error.kind, kind, "{error}");
    words.iter().for_each(|w| assert!(error.message.contains(w), "'{error}' does not say {w}"));
    assert!(!error.message.contains('\n'), "more than one line: {error}");
}

#[test]
fn a_missing_file_is_refused_by_name() {
    for file in ["consolidated.safetensors", "params.json", "tekken.json", "voice_embedding/casual_male.pt"] {
        let checkpoint = Checkpoint::tiny();
        std::fs::remove_file(checkpoint.path().join(file)).unwrap();
        let name = file.trim_start_matches("voice_embedding/").trim_end_matches(".pt");
        assert_names(&checkpoint.refusal(), ErrorKind::Missing, &[name]);
    }
}

#[test]
fn a_truncated_checkpoint_is_refused() {
    let bytes = std::fs::read(data("tiny/consolidated.safetensors")).unwrap();
    for length in [0, 4, 100, bytes.len() / 2, bytes.len() - 1] {
        let checkpoint = Checkpoint::tiny();
        checkpoint.write("consolidated.safetensors", &bytes[..length]);
        assert_names(&checkpoint.refusal(), ErrorKind::Truncated, &["consolidated.safetensors"]);
    }
}

#[test]
fn missing_misshapen_unknown_and_mistyped_tensors_are_refused_by_name() {
    let name = "layers.1.attention.wk.weight";
    let renamed = |to: &'static str| {
        let checkpoint = Checkpoint::tiny();
        checkpoint.edit_header(|head| {
            let info = head.remove(name).unwrap();
            head.insert(to.into(), info);
        });
        checkpoint
    };
    assert_names(&renamed("layers.1.attention.wz.weight").refusal(), ErrorKind::Missing, &[name]);

    let checkpoint = Checkpoint::tiny();
    checkpoint.edit_header(|head| head[name]["shape"] = json!([64, 256]));
    assert_names(&checkpoint.refusal(), ErrorKind::Shape, &[name, "[64, 256]", "[128, 128]"]);

    let checkpoint = Checkpoint::tiny();
    checkpoint.edit_header(|head| head[name]["dtype"] = json!("I16"));
    assert_names(&checkpoint.refusal(), ErrorKind::Unsupported, &[name, "I16"]);

    // One layer less in params.json: the third layer's tensors are more than it accounts for.
    let checkpoint = Checkpoint::tiny();
    checkpoint.edit_json("params.json", |json| json["n_layers"] = json!(2));
    assert_names(&checkpoint.refusal(), ErrorKind::Unsupported, &["layers.2."]);
}

#[test]
fn a_value_that_is_not_finite_is_refused_by_tensor() {
    let checkpoint = Checkpoint::tiny();
    let path = checkpoint.path().join("consolidated.safetensors");
    let mut bytes = std::fs::read(&path).unwrap();
    let (head, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let (start, _) = metadata.info("norm.weight").unwrap().data_offsets;
    let place = 8 + head + start;
    bytes[place..place + 2].copy_from_slice(&half::bf16::NAN.to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    assert_names(&checkpoint.refusal(), ErrorKind::Corrupt, &["output_norm.weight"]);
}

#[test]
fn files_that_contradict_each_other_are_refused() {
    for (file, pointer, value, kind, words) in [
        ("params.json", "/multimodal/bos_token_id", json!(2), ErrorKind::Shape, &["<s>"][..]),
        ("params.json", "/vocab_size", json!(1535), ErrorKind::Shape, &["1535", "1536"]),
        ("params.json", "/n_kv_heads", json!(3), ErrorKind::Shape, &["backbone", "3"]),
        ("params.json", "/multimodal/audio_tokenizer_args/n_heads", json!(6), ErrorKind::Shape, &["codec", "6"]),
        (
            "params.json",
            "/multimodal/audio_tokenizer_args/pretransform_patch_size",
            json!(120),
            ErrorKind::Shape,
            &["24000"],
        ),
        (
            "params.json",
            "/multimodal/audio_tokenizer_args/decoder_convs_kernels_str",
            json!("3,5,4,4"),
            ErrorKind::Shape,
            &["kernel 5"],
        ),
        (
            "tekken.json",
            "/audio/voice_num_audio_tokens/casual_male",
            json!(7),
            ErrorKind::Shape,
            &["casual_male", "6", "7"],
        ),
        ("tekken.json", "/special_tokens/36/token_str", json!("x"), ErrorKind::Missing, &["[NEXT_AUDIO_TEXT]"]),
    ] {
        let checkpoint = Checkpoint::tiny();
        checkpoint.edit_json(file, |json| *json.pointer_mut(pointer).unwrap() = value);
        assert_names(&checkpoint.refusal(), kind, words);
    }
}

#[test]
fn an_encoder_passes_through_where_it_is_declared_and_only_there() {
    let with_encoder = || {
        let checkpoint = Checkpoint::tiny();
        checkpoint.edit_header(|head| {
            // Shares no data with others, as the format wants: two values appended at the end.
            let end = head.values().filter_map(|v| v["data_offsets"][1].as_u64()).max().unwrap();
            head.insert(
                "audio_tokenizer.encoder.conv.weight".into(),
                json!({"dtype": "F32", "shape": [1, 1, 2], "data_offsets": [end, end + 8]}),
            );
        });
        let path = checkpoint.path().join("consolidated.safetensors");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend([1.5f32, -2.0].iter().flat_map(|x| x.to_le_bytes()));
        std::fs::write(&path, bytes).unwrap();
        checkpoint
    };
    assert_names(&with_encoder().refusal(), ErrorKind::Unsupported, &["audio_tokenizer.encoder.conv.weight"]);

    let checkpoint = with_encoder();
    checkpoint.edit_json("params.json", |json| {
        json["multimodal"]["audio_tokenizer_args"]["encoder"] = json!({"dim": 1});
    });
    checkpoint.import(Recipe::F32).unwrap();
    let speech = GgufFile::open(&checkpoint.pack().join("speech.gguf")).unwrap();
    let tensor = speech.tensor("audio_tokenizer.encoder.conv.weight").unwrap();
    assert_eq!((tensor.shape.as_slice(), tensor.to_f32().unwrap()), (&[1, 1, 2][..], vec![1.5, -2.0]));
    assert_eq!(speech.get_str("syrinx.encoder").unwrap(), r#"{"dim":1}"#);

    let checkpoint = Checkpoint::tiny();
    checkpoint.edit_json("params.json", |json| {
        json["multimodal"]["audio_tokenizer_args"]["encoder"] = json!({"dim": 1});
    });
    assert_names(&checkpoint.refusal(), ErrorKind::Missing, &["encoder"]);
}

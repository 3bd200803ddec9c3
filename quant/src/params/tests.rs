use super::*;
use crate::ErrorKind;

const TINY: &str = include_str!("../../../tests/data/tiny/params.json");

/// The tiny file with `pointer` set to `value`.
fn with(pointer: &str, value: impl Into<Value>) -> String {
    let mut json: Value = serde_json::from_str(TINY).unwrap();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    json.pointer_mut(parent).unwrap()[key] = value.into();
    json.to_string()
}

fn refusal(text: &str) -> crate::Error {
    Params::parse(text, &[]).expect_err("the file should be refused")
}

#[test]
fn the_sizes_of_the_tiny_checkpoint_are_read() {
    let p = Params::parse(TINY, &[]).unwrap();
    assert_eq!((p.dim, p.vocab_size, p.max_context), (128, 1536, 65536));
    assert_eq!((p.backbone.layers, p.backbone.heads, p.backbone.kv_heads, p.backbone.head_dim), (3, 4, 2, 64));
    assert_eq!((p.audio.audio_rows, p.audio.head_rows, p.audio.used_rows()), (1408, 512, 1330));
    assert_eq!((p.flow.steps, p.flow.guidance, p.flow.norm_eps, p.flow.time_theta), (7, 1.2, 1e-5, 1e4));
    assert_eq!((p.codec.windows, p.codec.strides), (vec![2, 4, 8, 16], vec![1, 2, 2, 2]));
    assert_eq!(p.voices, ["neutral_female", "casual_male"]);
}

#[test]
fn values_that_select_other_arithmetic_are_refused_by_path() {
    let model = "/multimodal/audio_model_args";
    let codec = "/multimodal/audio_tokenizer_args";
    for (pointer, value) in [
        ("/yarn".to_owned(), serde_json::json!({"factor": 4})),
        ("/rope_scaling".to_owned(), serde_json::json!({"type": "linear"})),
        ("/sliding_window".to_owned(), 4096.into()),
        ("/llama_4_scaling".to_owned(), serde_json::json!({})),
        ("/use_biases".to_owned(), true.into()),
        ("/causal".to_owned(), false.into()),
        ("/model_type".to_owned(), "mistral".into()),
        (format!("{model}/input_embedding_concat_type"), "concat".into()),
        (format!("{model}/text_feature_bugged"), true.into()),
        (format!("{model}/audio_encoding_args/codebook_pattern"), "delay".into()),
        (format!("{model}/audio_encoding_args/num_codebooks"), 36.into()),
        (format!("{model}/acoustic_transformer_args/use_biases"), true.into()),
        (format!("{codec}/channels"), 2.into()),
        (format!("{codec}/causal"), false.into()),
        (format!("{codec}/qk_norm"), false.into()),
        (format!("{codec}/conv_weight_norm"), false.into()),
        (format!("{codec}/layer_scale"), false.into()),
        (format!("{codec}/half_attn_window_upon_downsampling"), false.into()),
        (format!("{codec}/sampling_rate"), 16000.into()),
    ] {
        let error = refusal(&with(&pointer, value));
        let path = pointer.trim_start_matches('/').replace('/', ".");
        assert_eq!(error.kind, ErrorKind::Unsupported, "{error}");
        assert!(error.message.contains(&path), "{error} does not name {path}");
    }
}

#[test]
fn an_unknown_key_is_refused_by_path_wherever_it_stands() {
    for pointer in [
        "/novelty",
        "/multimodal/novelty",
        "/multimodal/audio_model_args/novelty",
        "/multimodal/audio_model_args/audio_encoding_args/novelty",
        "/multimodal/audio_model_args/acoustic_transformer_args/novelty",
        "/multimodal/audio_tokenizer_args/novelty",
    ] {
        let error = refusal(&with(pointer, 1));
        assert_eq!(error.kind, ErrorKind::Unsupported);
        assert!(error.message.contains(&pointer[1..].replace('/', ".")), "{error}");
    }
}

#[test]
fn a_key_that_the_user_declared_harmless_is_passed_over() {
    let text = with("/multimodal/novelty", 1);
    assert!(Params::parse(&text, &["multimodal.novelty".into()]).is_ok());
    assert!(Params::parse(&text, &["novelty".into()]).is_err());
}

#[test]
fn a_missing_or_mistyped_size_is_refused_by_path() {
    let mut json: Value = serde_json::from_str(TINY).unwrap();
    json["multimodal"]["audio_tokenizer_args"].as_object_mut().unwrap().remove("semantic_dim");
    let error = refusal(&json.to_string());
    assert_eq!(error.kind, ErrorKind::Missing);
    assert!(error.message.contains("multimodal.audio_tokenizer_args.semantic_dim"), "{error}");

    for value in [Value::from("128"), Value::from(-1), Value::from(1.5), Value::from(1u64 << 40)] {
        let error = refusal(&with("/hidden_dim", value));
        assert!(error.kind == ErrorKind::Corrupt && error.message.contains("hidden_dim"), "{error}");
    }
    assert_eq!(refusal("{").kind, ErrorKind::Corrupt);
    assert_eq!(refusal("[]").kind, ErrorKind::Corrupt);
}

#[test]
fn solver_options_are_taken_where_the_file_has_them() {
    let flow = "/multimodal/audio_model_args/acoustic_transformer_args";
    let p = Params::parse(&with(&format!("{flow}/n_decoding_steps"), 5), &[]).unwrap();
    assert_eq!(p.flow.steps, 5);
    let p = Params::parse(&with(&format!("{flow}/cfg_alpha"), 1.5), &[]).unwrap();
    assert_eq!(p.flow.guidance, 1.5);
    let p = Params::parse(&with(&format!("{flow}/norm_eps"), Value::Null), &[]).unwrap();
    assert_eq!(p.flow.norm_eps, 1e-5);
}

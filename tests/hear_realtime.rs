//! Promise: what Voxtral Realtime hears is what the reference hears, however the samples arrive. Goldens:
//! tests/data/README.md.

mod support;

use support::{Tensor, Tensors, assert_close, data};
use syrinx::lab::hear::mel::{Mel, MelSizes};

/// Two checkpoints of random weights: the proportions of the released model, and every size another.
const GOLDENS: [(&str, usize, f32); 2] = [("tiny", 128, 1.5), ("skew", 80, 1.25)];

#[test]
fn mel_spectra_and_their_filters_equal_the_reference() {
    for (name, bands, loudest) in GOLDENS {
        let golden = Tensors::read(&data(&format!("hear/golden_{name}.safetensors")));
        let mut mel = Mel::new(MelSizes { rate_hz: 16_000, window: 400, bands }).unwrap();
        let expected = golden.f32("mel_filters");
        let mut filters = Tensor { shape: vec![bands, 201], values: mel.filters() };
        if expected.shape != filters.shape {
            let transposed = (0..201).flat_map(|bin| (0..bands).map(move |band| band * 201 + bin));
            filters = Tensor { shape: vec![201, bands], values: transposed.map(|i| filters.values[i]).collect() };
        }
        assert_close("mel_filters", &filters, &expected, 1e-7);

        let signal = golden.f32("signal").values;
        let expected = golden.f32("mel");
        let mut stream = vec![0.0; 200 + 32 * 1280];
        stream.extend(signal);
        stream.resize(expected.shape[0] * 160 + 400, 0.0);
        let mut found = vec![0.0; expected.values.len()];
        for (frame, window) in found.chunks_exact_mut(bands).zip(stream.windows(400).step_by(160)) {
            mel.frame(window, frame);
            frame.iter_mut().for_each(|v| *v = (v.max(loudest - 8.0) + 4.0) / 4.0);
        }
        assert_close("mel", &Tensor { shape: expected.shape.clone(), values: found }, &expected, 1e-4);
    }
}

//! Promise: weights are in memory once and serve many at the same time; what one computes is nothing to the others.

mod support;

use std::sync::Arc;

use support::TinyPack;
use syrinx::lab::codec::{CodecDecoder, CodecWeights};
use syrinx::lab::flow::{FlowEngine, FlowHead, FlowWeights, Solver, noise};
use syrinx::lab::frame::Frame;
use syrinx::lab::kernel::Pool;
use syrinx::lab::pack::{OpenOptions, Pack};
use syrinx_quant::Recipe;

const ENGINES: [FlowEngine; 2] = [FlowEngine::Native, FlowEngine::Ggml];
const SOLVERS: [Solver; 2] = [Solver::euler(4, 1.2), Solver::euler(5, 1.0)];

/// The end point of one frame of an utterance, which its number decides; `between` runs after each evaluation.
fn frame(head: &mut FlowHead, pack: &Pack, utterance: u64, index: u64, mut between: impl FnMut()) -> Vec<u32> {
    let mut hidden = vec![0.0; pack.shape().flow.input_dim];
    noise::fill(100 + utterance, index, &mut hidden);
    let mut x = vec![0.0; head.width()];
    noise::fill(utterance, index, &mut x);
    let solver = SOLVERS[utterance as usize % SOLVERS.len()];
    head.solve(&hidden, solver, &mut x, &Pool::new(1), |_| between()).unwrap();
    x.into_iter().map(f32::to_bits).collect()
}

fn weights(pack: &Pack, engine: FlowEngine) -> Arc<FlowWeights> {
    FlowWeights::open(pack.speech(), pack.shape(), engine, 1).unwrap()
}

fn head(weights: &Arc<FlowWeights>) -> FlowHead {
    FlowHead::new(weights, SOLVERS[0].steps, &Pool::new(1)).unwrap()
}

fn speak(weights: &Arc<FlowWeights>, pack: &Pack, utterance: u64, frames: u64) -> Vec<Vec<u32>> {
    let mut head = head(weights);
    (0..frames).map(|index| frame(&mut head, pack, utterance, index, || ())).collect()
}

/// Some frames of an utterance, by a head with weights of its own.
fn alone(pack: &Pack, engine: FlowEngine, utterance: u64, frames: u64) -> Vec<Vec<u32>> {
    speak(&weights(pack, engine), pack, utterance, frames)
}

#[test]
fn a_flow_head_gives_the_same_bits_while_another_computes_between_its_evaluations() {
    let imported = TinyPack::import(Recipe::Q8);
    let pack = Pack::open(&imported.dir(), OpenOptions::default()).unwrap();
    for engine in ENGINES {
        let shared = weights(&pack, engine);
        let (mut first, mut second) = (head(&shared), head(&shared));
        let expected = [0, 1].map(|utterance| alone(&pack, engine, utterance, 3));
        assert_ne!(expected[0], expected[1]);
        for index in 0..3 {
            let mut others = Vec::new();
            let own = frame(&mut first, &pack, 0, index, || others.push(frame(&mut second, &pack, 1, index, || ())));
            assert_eq!(own, expected[0][index as usize], "{engine:?}");
            assert_eq!(others.len(), SOLVERS[0].steps);
            assert!(others.iter().all(|other| *other == expected[1][index as usize]), "{engine:?}");
        }
    }
}

#[test]
fn flow_heads_of_several_threads_give_the_bits_of_each_alone() {
    let imported = TinyPack::import(Recipe::Q8);
    let pack = Pack::open(&imported.dir(), OpenOptions::default()).unwrap();
    for engine in ENGINES {
        let expected: Vec<_> = (0..3).map(|utterance| alone(&pack, engine, utterance, 20)).collect();
        let (shared, pack) = (&weights(&pack, engine), &pack);
        let found: Vec<_> = std::thread::scope(|scope| {
            let speak = |utterance| scope.spawn(move || speak(shared, pack, utterance, 20));
            let threads: Vec<_> = (0..3).map(speak).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(found, expected, "{engine:?}");
    }
}

/// Frames of an utterance, which its number decides.
fn codes(pack: &Pack, utterance: u16) -> Vec<Frame> {
    let count = pack.shape().audio.codes_per_frame() as u16;
    let frame = |f: u16| (0..count).map(|k| 2 + (7 * f + 3 * k + 5 * utterance) % 20).collect::<Vec<_>>();
    (0..9).map(|f| Frame::from_codes(&frame(f)).unwrap()).collect()
}

fn decode(decoder: &mut CodecDecoder, frames: &[Frame]) -> Vec<u32> {
    let mut pcm = vec![0.0; frames.len() * decoder.samples_per_frame()];
    decoder.decode(frames, &mut pcm, &Pool::new(1));
    pcm.into_iter().map(f32::to_bits).collect()
}

#[test]
fn codec_decoders_that_take_turns_give_the_samples_of_each_alone() {
    let imported = TinyPack::import(Recipe::Q8);
    let pack = Pack::open(&imported.dir(), OpenOptions::default()).unwrap();
    let weights = || CodecWeights::open(pack.speech(), pack.shape()).unwrap();
    let utterances = [0, 1].map(|utterance| codes(&pack, utterance));
    let alone = [0, 1].map(|u: usize| decode(&mut CodecDecoder::new(&weights(), 1), &utterances[u]));
    assert_ne!(alone[0], alone[1]);

    let shared = weights();
    // One of them takes several frames per pass, the other has spoken before.
    let mut decoders = [1, 4].map(|capacity_frames| CodecDecoder::new(&shared, capacity_frames));
    decode(&mut decoders[0], &utterances[1]);
    decoders[0].reset();
    let mut found = [Vec::new(), Vec::new()];
    for part in [0..1, 1..4, 4..5, 5..9] {
        for ((decoder, frames), found) in decoders.iter_mut().zip(&utterances).zip(&mut found) {
            found.extend(decode(decoder, &frames[part.clone()]));
        }
    }
    assert_eq!(found, alone);
}

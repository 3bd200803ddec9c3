//! How fast the stages are that follow the backbone: a flow head's frame, a codec's frame, its mark, 80 ms through the ring.
//!
//! On synthetic packs, of which `tiny` lies in a cache and `mid` does not, or on the pack in `SYRINX_PACK`. One thread.
//! `cargo bench --bench stages`.

#[path = "support/mod.rs"]
mod support;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput};
use syrinx::lab::flow::{Solver, noise};
use syrinx::lab::frame::Frame;
use syrinx::lab::kernel::Pool;
use syrinx::lab::pack::Pack;
use syrinx::lab::ring::gate::{Gate, Run};
use syrinx::lab::ring::sample_path;
use syrinx::lab::watermark::Watermark;

/// Samples of a frame at 24 kHz, and of a device's period.
const FRAME: usize = 1920;
const PERIOD: usize = 480;

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let own = std::env::var("SYRINX_PACK").ok();
    let names = own.as_deref().map_or(vec!["tiny q8", "mid q8", "mid q4-all"], |own| vec![own]);
    for name in names {
        let pack = support::open(name);
        flow(&mut criterion, name, &pack);
        codec(&mut criterion, name, &pack);
    }
    watermark(&mut criterion);
    ring(&mut criterion);
    criterion.final_summary();
}

/// One evaluation of the flow head with and without guidance, and a frame of the pack's own steps.
fn flow(criterion: &mut Criterion, name: &str, pack: &Pack) {
    let pool = Pool::new(1);
    let mut flow = support::flow_head(pack, &pool);
    let default = Solver::of(&pack.manifest().defaults);
    let hidden: Vec<f32> = (0..pack.shape().flow.input_dim).map(|i| (i % 61) as f32 / 30.0 - 1.0).collect();
    let mut x = vec![0.0; flow.width()];
    let mut group = criterion.benchmark_group("flow");
    for (what, solver) in
        [("step, no guidance", Solver::euler(1, 1.0)), ("step", Solver::euler(1, default.guidance)), ("frame", default)]
    {
        group.throughput(Throughput::Bytes(flow.frame_bytes(solver) as u64));
        group.bench_function(BenchmarkId::new(what, name), |b| {
            b.iter(|| {
                noise::fill(0, 0, &mut x);
                flow.solve(&hidden, solver, black_box(&mut x), &pool, |_| {}).expect("velocities");
            });
        });
    }
    group.finish();
}

fn codec(criterion: &mut Criterion, name: &str, pack: &Pack) {
    let pool = Pool::new(1);
    let mut codec = support::codec(pack);
    let frame = Frame::from_codes(&vec![7; pack.shape().audio.codes_per_frame()]).expect("few codes");
    let mut pcm = vec![0.0; codec.samples_per_frame()];
    let mut group = criterion.benchmark_group("codec");
    group.throughput(Throughput::Bytes(codec.pass_bytes() as u64));
    group.bench_function(BenchmarkId::new("frame", name), |b| {
        b.iter(|| codec.decode(std::slice::from_ref(&frame), black_box(&mut pcm), &pool));
    });
    group.finish();
}

/// What marks a frame as synthetic.
fn watermark(criterion: &mut Criterion) {
    let mut watermark = Watermark::new(24_000).expect("the rate of the mark");
    let frame: Vec<f32> = (0..FRAME).map(|i| (i * 7919 % 2001) as f32 / 1000.0 - 1.0).collect();
    let mut pcm = frame.clone();
    let mut group = criterion.benchmark_group("watermark");
    group.throughput(Throughput::Elements(FRAME as u64));
    group.bench_function("frame of 1920 samples", |b| {
        b.iter(|| {
            pcm.copy_from_slice(&frame);
            watermark.mark(black_box(&mut pcm));
        });
    });
    group.finish();
}

/// A frame's samples from the codec's end to the device's, in periods; both ends on this thread.
fn ring(criterion: &mut Criterion) {
    let (mut writer, mut reader) = sample_path(Arc::new(Gate::new(1)), 4 * FRAME);
    writer.release();
    let frame = vec![0.25; FRAME];
    let mut period = vec![0.0; PERIOD];
    let mut group = criterion.benchmark_group("ring");
    group.throughput(Throughput::Elements(FRAME as u64));
    group.bench_function("frame of 1920 samples", |b| {
        b.iter(|| {
            writer.push(&frame);
            for _ in 0..FRAME / PERIOD {
                match reader.next_run() {
                    Run::Fresh(count) => reader.pop(&mut period[..count.min(PERIOD)]),
                    other => panic!("{other:?} instead of samples"),
                };
                reader.publish(false, 0);
            }
            black_box(&period);
        });
    });
    group.finish();
}

//! How fast the kernels are: against what the memory gives, and against ggml.
//!
//! First a table: the products of one flow layer of a Voxtral-4B, over more weights than a cache holds, with what this
//! machine can read and what ggml takes for the same weights. The three take turns, round by round, and the medians are
//! compared, since a shared machine's speed changes by the second. A second one is of single rows with the formats of a
//! backbone. Then, by criterion, products whose weights stay in a cache.
//!
//! `cargo bench --bench kernel`; `SYRINX_ISA` chooses another kernel set, `SYRINX_RIVAL` a program to compare with as well.

mod ggml;
mod rival;
mod single_row;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput};
use syrinx::lab::kernel::{Bandwidth, Columns, Isa, Matrix, Pages, Pool};
use syrinx_quant::gguf::{TensorSpec, Writer};
use syrinx_quant::{DType, GgufFile, block};

/// Rows and columns of a flow layer's products: queries, keys with values, output, gate with up, down.
const LAYER: [(usize, usize); 5] = [(4096, 3072), (2048, 3072), (3072, 4096), (18_432, 3072), (3072, 9216)];
/// Bytes of weights that one round reads at least; several times the largest cache.
const SWEEP_BYTES: usize = 190_000_000;
const ROUNDS: usize = 11;

fn main() {
    let dry = std::env::args().any(|a| a == "--test" || a == "--list");
    if !dry {
        large();
    }
    let mut criterion = Criterion::default()
        .warm_up_time(std::time::Duration::from_millis(300))
        .measurement_time(std::time::Duration::from_millis(1000))
        .configure_from_args();
    cached(&mut criterion);
    criterion.final_summary();
}

/// Products of weights that only memory holds.
fn large() {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    println!("kernels {}, ggml {}", Isa::detect().name(), ggml::system());
    println!("GB/s of weight bytes, medians of {ROUNDS} interleaved rounds\n");
    println!(
        "| weights | columns | threads | memory, small pages | huge pages | ours | ggml | ours / ggml | rival | ours / rival |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut memory = [Pages::Ordinary, Pages::Huge].map(|pages| Bandwidth::new(pages).expect("up to 256 MiB"));
    for dtype in [DType::Q8_0, DType::Q4_0, DType::F16] {
        let layers = SWEEP_BYTES.div_ceil(LAYER.iter().map(|&(r, c)| bytes(dtype, r, c)).sum());
        let shapes: Vec<_> = std::iter::repeat_n(LAYER, layers).flatten().collect();
        let file = weights(dtype, &shapes);
        for threads in [1, 2, 4].into_iter().filter(|&n| n <= cores) {
            for count in [1, 6] {
                let mut ours = Ours::new(&file, &shapes, count, threads);
                let how = ggml::How { count, threads, pages: Pages::Ordinary, reference: false };
                let mut ggml = ggml::Products::new(dtype, &shapes, &file, how);
                let mut rival = rival::Products::new(dtype, &shapes, count, threads);
                let mut speeds = [const { Vec::new() }; 5];
                for _ in 0..ROUNDS {
                    speeds[0].push(memory[0].read_gbs(&ours.pool));
                    speeds[1].push(memory[1].read_gbs(&ours.pool));
                    speeds[2].push(speed(ours.bytes(), || ours.run()));
                    speeds[3].push(speed(ours.bytes(), || ggml.run()));
                    speeds[4].extend(rival.as_mut().map(|rival| ours.bytes() as f64 / rival.run() / 1e9));
                }
                let [small, huge, own, other, foreign] = speeds.map(median);
                let share = |memory: f64| 100.0 * own / memory;
                println!(
                    "| {dtype} | {count} | {threads} | {small:.1} ({:.0} %) | {huge:.1} ({:.0} %) | {own:.1} | {other:.1} | {:.2} | {foreign:.1} | {:.2} |",
                    share(small),
                    share(huge),
                    own / other,
                    own / foreign
                );
            }
        }
    }
    println!();
    single_row::table(cores);
}

/// Products of weights that a cache holds, as in a small pack: 256 wide, one thread.
fn cached(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cached");
    let pool = Pool::new(1);
    for dtype in [DType::Q8_0, DType::Q4_0, DType::F16] {
        for shape in [(256, 256), (1536, 256), (256, 768)] {
            let file = weights(dtype, &[shape]);
            let matrix = open(&file, 0, shape);
            for count in [1, 6, 8] {
                let mut x = Columns::new(shape.1, count);
                let mut y = vec![0.0; shape.0 * count];
                let name = BenchmarkId::new(format!("{dtype} {}x{}", shape.0, shape.1), format!("{count} columns"));
                group.throughput(Throughput::Elements((shape.0 * shape.1 * count) as u64));
                group.bench_function(name, |b| {
                    b.iter(|| {
                        fill(&mut x, count);
                        matrix.mul(&mut x, black_box(&mut y), &pool);
                    });
                });
            }
        }
    }
    group.finish();
}

struct Ours {
    matrices: Vec<(Matrix, Columns, Vec<f32>)>,
    count: usize,
    pool: Pool,
}

impl Ours {
    fn new(file: &Arc<GgufFile>, shapes: &[(usize, usize)], count: usize, threads: usize) -> Self {
        let matrix = |(i, &shape): (usize, &(usize, usize))| {
            (open(file, i, shape), Columns::new(shape.1, count), vec![0.0; shape.0 * count])
        };
        Self { matrices: shapes.iter().enumerate().map(matrix).collect(), count, pool: Pool::new(threads) }
    }

    fn bytes(&self) -> usize {
        self.matrices.iter().map(|(matrix, ..)| matrix.bytes()).sum()
    }

    /// All products once, the rounding of their inputs included.
    fn run(&mut self) {
        for (matrix, x, y) in &mut self.matrices {
            fill(x, self.count);
            matrix.mul(x, black_box(y), &self.pool);
        }
    }
}

fn fill(x: &mut Columns, count: usize) {
    x.fill(count).iter_mut().enumerate().for_each(|(i, x)| *x = (i % 61) as f32 / 30.0 - 1.0);
}

fn open(file: &Arc<GgufFile>, index: usize, (rows, columns): (usize, usize)) -> Matrix {
    Matrix::open(file, &name(index), rows, columns).expect("a matrix of the file just written")
}

fn name(index: usize) -> String {
    format!("w{index}")
}

fn bytes(dtype: DType, rows: usize, columns: usize) -> usize {
    dtype.row_bytes(columns).expect("whole blocks") * rows
}

/// A file with a matrix of each shape. It is deleted at once and lives as long as its map.
fn weights(dtype: DType, shapes: &[(usize, usize)]) -> Arc<GgufFile> {
    const DISTINCT_ROWS: usize = 16;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("weights.gguf");
    let specs = shapes.iter().enumerate().map(|(i, &(r, c))| TensorSpec::new(name(i), dtype, &[r, c])).collect();
    let out = std::io::BufWriter::new(std::fs::File::create(&path).expect("a new file"));
    let mut writer = Writer::new(out, &[], specs).expect("sound shapes");
    let mut state = 1u32;
    for &(rows, columns) in shapes {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as f32 / 32_768.0 - 1.0
        };
        let values: Vec<f32> = (0..DISTINCT_ROWS * columns).map(|_| next()).collect();
        let mut chunk = vec![0; bytes(dtype, DISTINCT_ROWS, columns)];
        block::quantise(dtype, &values, &mut chunk).expect("whole blocks");
        for _ in 0..rows / DISTINCT_ROWS {
            writer.write(&chunk).expect("room on the disk");
        }
    }
    writer.finish().expect("all tensors complete");
    Arc::new(GgufFile::open(&path).expect("the file just written"))
}

/// GB/s.
fn speed(bytes: usize, run: impl FnOnce()) -> f64 {
    let start = Instant::now();
    run();
    bytes as f64 / start.elapsed().as_secs_f64() / 1e9
}

/// NaN of nothing.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

//! What several tests need: packs of the tiny checkpoint, the program, and tensors out of safetensors files.

#![allow(dead_code, unsafe_code)] // each test binary uses its own part

pub mod hear;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use safetensors::SafeTensors;
use syrinx_quant::Recipe;
use syrinx_quant::import::{ImportOptions, import};

pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// A reference run: its checkpoint, its tensors, its frames.
#[derive(Clone, Copy, Debug)]
pub struct Golden {
    pub checkpoint: &'static str,
    file: &'static str,
    frames: &'static str,
}

impl Golden {
    /// Sizes in the proportions of the released model.
    pub const TINY: Self = Self { checkpoint: "tiny", file: "golden_tiny.safetensors", frames: "8" };
    /// Every size and proportion another.
    pub const ODD: Self = Self { checkpoint: "odd", file: "golden_odd.safetensors", frames: "6" };

    pub fn tensors(self) -> Tensors {
        Tensors::read(&self.path())
    }

    pub fn path(self) -> PathBuf {
        data(self.file)
    }
}

/// A pack in a folder that goes when this does.
pub struct TinyPack {
    folder: tempfile::TempDir,
}

impl TinyPack {
    /// Of the tiny checkpoint.
    pub fn import(recipe: Recipe) -> Self {
        Self::import_from(Golden::TINY.checkpoint, recipe)
    }

    pub fn import_from(checkpoint: &str, recipe: Recipe) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("pack");
        import(&ImportOptions { from: data(checkpoint), to, recipe, overwrite: false }, &()).unwrap();
        Self { folder }
    }

    /// Frames with the golden's noise, each fed with the golden's embedding of the frame before.
    pub fn trace(&self, golden: Golden, more: &[&str]) -> Tensors {
        let out = self.beside("trace.safetensors");
        self.traced(golden, more, &out, |arguments| drop(success(arguments)));
        Tensors::read(&out)
    }

    /// The same, where it must fail: what it says.
    pub fn trace_fails(&self, golden: Golden, more: &[&str]) -> String {
        self.traced(golden, more, &self.beside("trace.safetensors"), failure)
    }

    fn traced<T>(&self, golden: Golden, more: &[&str], out: &Path, run: impl FnOnce(&[&str]) -> T) -> T {
        let (out, given, dir) = (text(out), text(&golden.path()), text(&self.dir()));
        let what =
            ["--text", "Hello world, this is a small test.", "--voice", "neutral_female", "--frames", golden.frames];
        let files = ["--noise", &given, "--teacher", &given, "--out", &out];
        run(&[&["trace", "--pack", &dir][..], &what, &files, more].concat())
    }

    /// Samples of the golden's codes `tensor`, decoded `chunk` frames at a time.
    pub fn decode(&self, golden: Golden, tensor: &str, chunk: &str) -> Tensor<f32> {
        let (out, codes, dir) = (self.beside("codec.safetensors"), data(golden.file), self.dir());
        let (out_arg, codes, dir) = (text(&out), text(&codes), text(&dir));
        let what = ["--codes", &codes, "--codes-tensor", tensor, "--chunk", chunk, "--out", &out_arg];
        success(&[&["trace", "--pack", &dir][..], &what].concat());
        Tensors::read(&out).f32("codec.pcm")
    }

    pub fn dir(&self) -> PathBuf {
        self.folder.path().join("pack")
    }

    /// A path beside the pack.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_owned()
}

/// Runs the program.
pub fn syrinx(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

/// The program, away from the user's cache and configuration. A test that `SYRINX_TEST_RUNNER` emulates needs that to
/// start it: the kernel below does not know the emulated machine's programs.
pub fn command(arguments: &[&str]) -> Command {
    let program = env!("CARGO_BIN_EXE_syrinx");
    let runner = std::env::var_os("SYRINX_TEST_RUNNER");
    let mut command = Command::new(runner.as_deref().unwrap_or(program.as_ref()));
    if runner.is_some() {
        command.arg(program);
    }
    command.args(arguments).env_remove("SYRINX_PACK").env("XDG_CACHE_HOME", env!("CARGO_TARGET_TMPDIR"));
    command
}

/// As if it were started in the foreground of a terminal: a shell's background job hands down that it ignores Ctrl-C.
pub fn in_foreground(command: &mut Command) {
    use std::os::unix::process::CommandExt;

    // SAFETY: between fork and exec, calls that are allowed there; they take numbers alone.
    unsafe {
        command.pre_exec(|| {
            for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
                libc::signal(signal, libc::SIG_DFL);
            }
            Ok(())
        });
    }
}

/// Standard error of a run that must have failed.
pub fn failure(arguments: &[&str]) -> String {
    let output = syrinx(arguments);
    assert!(!output.status.success(), "{arguments:?} succeeded");
    String::from_utf8(output.stderr).unwrap()
}

pub fn success(arguments: &[&str]) -> Output {
    let output = syrinx(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A tensor's shape and values.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor<T> {
    pub shape: Vec<usize>,
    pub values: Vec<T>,
}

pub struct Tensors(Vec<u8>);

impl Tensors {
    pub fn read(path: &Path) -> Self {
        Self(std::fs::read(path).unwrap())
    }

    pub fn f32(&self, name: &str) -> Tensor<f32> {
        self.tensor(name, safetensors::Dtype::F32, f32::from_le_bytes)
    }

    pub fn i32(&self, name: &str) -> Tensor<i32> {
        self.tensor(name, safetensors::Dtype::I32, i32::from_le_bytes)
    }

    fn tensor<T>(&self, name: &str, dtype: safetensors::Dtype, convert: fn([u8; 4]) -> T) -> Tensor<T> {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let tensor = file.tensor(name).unwrap();
        assert_eq!(tensor.dtype(), dtype, "{name}");
        let values = tensor.data().as_chunks::<4>().0.iter().map(|&b| convert(b)).collect();
        Tensor { shape: tensor.shape().to_vec(), values }
    }
}

/// Fails where shapes differ or any value is further off than `tolerance`.
#[track_caller]
pub fn assert_close(name: &str, found: &Tensor<f32>, expected: &Tensor<f32>, tolerance: f32) {
    assert_eq!(found.shape, expected.shape, "shape of {name}");
    let worst = found.values.iter().zip(&expected.values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("{name:<20} max |difference| {worst:.2e}");
    assert!(worst <= tolerance, "{name}: {worst} > {tolerance}");
    assert!(found.values.iter().all(|v| v.is_finite()), "{name} is not finite");
}

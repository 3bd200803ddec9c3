//! Promises of the C interface: it is the header's to the last byte, its samples are the program's, a careless caller gets a
//! number and a line, and nothing else leaves the library.

use std::mem::offset_of;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use syrinx::{Model, ModelOptions, SessionOptions, SpeakOptions, to_i16};
use syrinx_c::listen::{CHeard, CHeardWord};
use syrinx_c::options::{CEarsOptions, CListenOptions, CLiveOptions, CModelOptions, CSessionOptions, CSpeakOptions};
use syrinx_c::speech::{CBlock, CMark, CWord};
use syrinx_c::utterance::CEvent;

#[path = "../../../tests/support/heard.rs"]
mod heard;

const TEXT: &str = "The next train leaves from platform four.";
const C99: [&str; 2] = ["-std=c99", "-pedantic"];
const STRICT: [&str; 3] = ["-Wall", "-Wextra", "-Werror"];
/// What must be linked with a static library of Rust and C++.
const SYSTEM_LIBRARIES: [&str; 4] = ["-lstdc++", "-lpthread", "-ldl", "-lm"];

fn crate_folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pack() -> PathBuf {
    crate_folder().join("../../models/wren-en")
}

/// Where cargo has put this test and the libraries.
fn built() -> PathBuf {
    std::env::current_exe().unwrap().parent().unwrap().to_owned()
}

/// A folder with the shared library by the names that a linker and a program look for.
static LIBRARY: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    for name in ["libsyrinx.so".to_owned(), format!("libsyrinx.so.{}", syrinx_c::ABI)] {
        std::os::unix::fs::symlink(built().join("libsyrinx_c.so"), folder.path().join(name)).unwrap();
    }
    folder
});

/// Standard output of a command that must succeed.
fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Compilers that this machine has; at least the system's.
fn compilers(names: [&'static str; 2]) -> Vec<&'static str> {
    let is_there = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|out| out.status.success());
    let found: Vec<_> = names.into_iter().filter(is_there).collect();
    assert!(!found.is_empty(), "no compiler");
    found
}

fn compile(compiler: &str, source: &str, more: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("program");
    let mut command = Command::new(compiler);
    command.args(STRICT).arg("-I").arg(crate_folder().join("include")).arg(crate_folder().join(source));
    run(command.arg("-o").arg(&program).args(more));
    (folder, program)
}

/// A program that is linked with the shared library.
fn shared(compiler: &str, source: &str, more: &[&str]) -> (tempfile::TempDir, PathBuf) {
    let library = LIBRARY.path().to_str().unwrap();
    let path = format!("-Wl,-rpath,{library}");
    compile(compiler, source, &[more, &["-L", library, "-lsyrinx", "-lpthread", &path]].concat())
}

/// Samples of the library, which are the program's (tests/dependents.rs).
fn expected(text: &str) -> Vec<f32> {
    let mut session = Model::open(pack(), ModelOptions::default()).unwrap().session(SessionOptions::default()).unwrap();
    let speech = session.speak(text, &SpeakOptions::default()).unwrap();
    speech.collect::<syrinx::Result<Vec<_>>>().unwrap().concat()
}

fn integers(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|&sample| to_i16(sample).to_le_bytes()).collect()
}

fn floats(samples: &[f32]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

macro_rules! layout {
    ($($name:literal $kind:ty { $($member:ident)* })*) => {
        [$(
            format!(concat!($name, " {}"), size_of::<$kind>()),
            $(format!(concat!($name, ".", stringify!($member), " {}"), offset_of!($kind, $member)),)*
        )*]
    };
}

#[test]
fn structs_are_laid_out_alike_on_both_sides() {
    let ours = layout! {
        "syrinx_model_options" CModelOptions {
            flags threads parallel max_sessions memory_budget_bytes prefix_folder
        }
        "syrinx_session_options" CSessionOptions { context reserved }
        "syrinx_speak_options" CSpeakOptions { voice seed flags lane steps guidance max_frames language lexicon speed volume }
        "syrinx_block" CBlock {
            sample samples has_mark wait_ms mark_char mark_char_end mark_byte mark_byte_end
        }
        "syrinx_word" CWord { text char_begin char_end byte_begin byte_end sample_begin sample_end }
        "syrinx_mark" CMark { name sample }
        "syrinx_live_options" CLiveOptions { flags context device period_ms ring_ms stuck_ms start_frames }
        "syrinx_event" CEvent { kind detail char_begin char_end byte_begin byte_end message }
        "syrinx_ears_options" CEarsOptions { flags threads }
        "syrinx_listen_options" CListenOptions { delay_ms pause_ms recall_ms phrase_bonus phrases language }
        "syrinx_heard" CHeard { text language start_ms end_ms is_final words }
        "syrinx_heard_word" CHeardWord { text start_ms end_ms }
    };
    for compiler in compilers(["cc", "clang"]) {
        let (_folder, program) = compile(compiler, "tests/c/layout.c", &C99);
        let theirs = String::from_utf8(run(&mut Command::new(program))).unwrap();
        assert_eq!(theirs.lines().collect::<Vec<_>>(), ours);
    }
}

#[test]
fn numbers_of_errors_are_those_of_the_header() {
    let header = std::fs::read_to_string(crate_folder().join("include/syrinx.h")).unwrap();
    use syrinx::ErrorKind::*;
    let kinds = [
        BadPack,
        NewerPack,
        BadText,
        BadOption,
        UnknownVoice,
        OutOfBudget,
        OutOfMemory,
        Device,
        Backend,
        Io,
        Cancelled,
        Unsupported,
        Licence,
        Busy,
        Ended,
    ];
    for kind in kinds {
        let name: String = format!("{kind:?}")
            .chars()
            .enumerate()
            .flat_map(|(i, c)| (i > 0 && c.is_uppercase()).then_some('_').into_iter().chain([c.to_ascii_uppercase()]))
            .collect();
        assert!(header.contains(&format!("SYRINX_{name} = -{}", kind.code())), "{name}");
    }
    assert!(header.contains(&format!("#define SYRINX_ABI {}\n", syrinx_c::ABI)));
}

#[test]
fn a_c_program_speaks_the_samples_of_the_library() {
    let samples = integers(&expected(TEXT));
    for compiler in compilers(["cc", "clang"]) {
        let (_folder, program) = shared(compiler, "examples/speak.c", &C99);
        assert!(run(Command::new(&program).arg(pack()).arg(TEXT)) == samples, "{compiler}");
        let refused = Command::new(&program).arg(pack()).args([TEXT, "nobody"]).output().unwrap();
        assert!(!refused.status.success() && String::from_utf8(refused.stderr).unwrap().contains("unknown voice"));
    }
}

#[test]
fn a_c_program_speaks_with_the_static_library() {
    let library = std::fs::read_dir(built()).unwrap().map(|entry| entry.unwrap().path());
    let of_c = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with("libsyrinx_c") && name.ends_with(".a")
    };
    let newest = library.filter(of_c).max_by_key(|path| path.metadata().unwrap().modified().unwrap()).unwrap();
    let sound = if cfg!(feature = "sound") { &["-lasound"][..] } else { &[] };
    let more = [&C99[..], &[newest.to_str().unwrap()], &SYSTEM_LIBRARIES, sound].concat();
    let (_folder, program) = compile("cc", "examples/speak.c", &more);
    assert!(run(Command::new(&program).arg(pack()).arg(TEXT)) == integers(&expected(TEXT)));
}

#[test]
fn a_cpp_program_speaks_what_it_reads() {
    let text = "Turn left.\nThen turn right.\n";
    let samples = floats(&expected(text));
    for compiler in compilers(["c++", "clang++"]) {
        let (folder, program) = shared(compiler, "examples/speak.cpp", &["-std=c++17", "-pedantic"]);
        let lines = folder.path().join("lines");
        std::fs::write(&lines, text).unwrap();
        let lines = std::fs::File::open(&lines).unwrap();
        assert!(run(Command::new(&program).arg(pack()).stdin(lines)) == samples, "{compiler}");
    }
}

#[test]
fn a_qiodevice_gives_the_samples_of_the_library() {
    let asked = Command::new("pkg-config").args(["--cflags", "--libs", "Qt6Core"]).output();
    let Some(flags) = asked.ok().filter(|asked| asked.status.success()) else {
        return eprintln!("not checked: this machine has no Qt 6 (qt6-base-dev)");
    };
    let flags = String::from_utf8(flags.stdout).unwrap();
    let qt = flags.split_whitespace().map(|flag| flag.replacen("-I", "-isystem", 1)); // its headers are not ours to mend
    let flags: Vec<String> = ["-std=c++17", "-fPIC"].map(str::to_owned).into_iter().chain(qt).collect();
    let (_folder, program) = shared("c++", "tests/c/qt.cpp", &flags.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(run(Command::new(&program).arg(pack()).arg(TEXT)) == integers(&expected(TEXT)));
}

#[test]
fn python_without_a_module_speaks_the_samples_of_the_library() {
    if Command::new("python3").arg("--version").output().is_err() {
        return eprintln!("not checked: this machine has no python3");
    }
    let script = crate_folder().join("examples/speak_ctypes.py");
    let mut python = Command::new("python3");
    let library = LIBRARY.path().join(format!("libsyrinx.so.{}", syrinx_c::ABI));
    assert!(run(python.arg(script).arg(library).arg(pack()).arg(TEXT)) == integers(&expected(TEXT)));
}

#[test]
fn a_careless_caller_gets_a_number_and_a_line() {
    let (folder, program) = shared("cc", "tests/c/misuse.c", &C99);
    run(Command::new(&program).arg(pack()).current_dir(&folder));
}

/// Packs are made with the library: only the C program's own way to it is another.
#[test]
fn a_c_program_hears_what_the_library_hears() {
    let pack = heard::EarsOf::import("tiny");
    let samples = heard::signal();
    let expected = pack.heard(&samples, syrinx::ListenOptions::default());
    assert!(!expected.is_empty());
    let lines: String = expected.iter().map(|heard| format!("{}\n", heard.text)).collect();
    let words = expected.iter().flat_map(|heard| &heard.words);
    let words: String = words.map(|word| format!("{:.2} {}\n", word.end_ms as f64 / 1e3, word.text)).collect();
    for compiler in compilers(["cc", "clang"]) {
        let (folder, program) = shared(compiler, "examples/listen.c", &C99);
        let sound = folder.path().join("sound");
        std::fs::write(&sound, heard::pcm(&samples)).unwrap();
        let sound = std::fs::File::open(&sound).unwrap();
        let output = Command::new(&program).arg(pack.dir()).stdin(sound).output().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), lines, "{compiler}");
        assert!(String::from_utf8(output.stderr).unwrap().ends_with(&words));
        let refused = Command::new(&program).arg(self::pack()).output().unwrap();
        assert!(!refused.status.success() && String::from_utf8(refused.stderr).unwrap().contains("speaks"));
    }
}

#[test]
fn a_careless_listener_gets_a_number_and_a_line() {
    let (streams, turns) = (heard::EarsOf::import("tiny"), heard::EarsOf::import("whisper"));
    let (_folder, program) = shared("cc", "tests/c/listen.c", &C99);
    run(Command::new(&program).arg(streams.dir()).arg(turns.dir()).arg(pack()));
}

#[test]
fn an_audio_callback_of_the_callers_gets_the_samples_of_the_library() {
    let (folder, program) = shared("cc", "tests/c/live.c", &["-std=c99", "-D_POSIX_C_SOURCE=199309L"]);
    let out = folder.path().join("heard");
    run(Command::new(&program).arg(pack()).arg(&out));
    let heard = std::fs::read(out).unwrap();
    let expected: Vec<f32> = expected("Café on the left.").into_iter().skip_while(|&x| x == 0.0).collect();
    let expected = floats(&expected);
    assert!(heard.get(..expected.len()) == Some(&expected[..]), "{} bytes of {}", heard.len(), expected.len());
}

#[test]
fn the_shared_library_exports_what_the_header_declares_and_nothing_else() {
    let library = built().join("libsyrinx_c.so");
    let symbols =
        String::from_utf8(run(Command::new("nm").args(["--dynamic", "--defined-only"]).arg(&library))).unwrap();
    let mut exported: Vec<&str> = symbols.lines().filter_map(|line| line.split_whitespace().last()).collect();
    let header = std::fs::read_to_string(crate_folder().join("include/syrinx.h")).unwrap();
    let mut declared: Vec<&str> = header
        .lines()
        .filter(|line| !line.starts_with([' ', '/', '*', '#']))
        .filter_map(|line| line.split_once('(')?.0.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("syrinx_"))
        .collect();
    exported.sort_unstable();
    declared.sort_unstable();
    assert!(declared.len() > 35, "{declared:?}");
    assert_eq!(exported, declared);
    let dynamic = String::from_utf8(run(Command::new("readelf").arg("-d").arg(&library))).unwrap();
    assert!(dynamic.contains(&format!("[libsyrinx.so.{}]", syrinx_c::ABI)), "{dynamic}");
}

//! Promise: at its edges the program behaves as others do: with pipes, devices, signals, and processors that it may not
//! use.

#![cfg(unix)]
#![allow(unsafe_code)]

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use support::{TinyPack, command, failure, in_foreground, success};
use syrinx_quant::Recipe;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn make_pipe(path: &Path) {
    let name = std::ffi::CString::new(text(path)).unwrap();
    // SAFETY: the name ends with a zero and outlives the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
}

/// Lines of standard error that are no warnings.
fn said(output: &Output) -> Vec<String> {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    stderr.lines().filter(|line| !line.starts_with("[WARN")).map(str::to_owned).collect()
}

#[test]
fn what_is_no_file_is_written_through_and_stays_what_it_is() {
    let pack = TinyPack::import(Recipe::Q8);
    let (dir, file, pipe, link) = (pack.dir(), pack.beside("out.wav"), pack.beside("pipe"), pack.beside("link"));
    let say = ["say", "Hello.", "--pack", text(&dir), "--max-seconds", "0.4", "-o"];
    success(&[&say[..], &[text(&file)]].concat());
    let expected = std::fs::read(&file).unwrap();
    make_pipe(&pipe);
    std::os::unix::fs::symlink(&pipe, &link).unwrap();
    for name in [&pipe, &link] {
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || std::fs::read(pipe).unwrap()
        });
        success(&[&say[..], &[text(name)]].concat());
        assert!(std::fs::metadata(&pipe).unwrap().file_type().is_fifo() && link.is_symlink());
        assert!(reader.join().unwrap() == expected, "{}", name.display());
    }
    // A link to standard output, as /dev/stdout is one, which is a pipe here.
    let stdout = pack.beside("stdout");
    std::os::unix::fs::symlink("/dev/fd/1", &stdout).unwrap();
    assert!(success(&[&say[..], &[text(&stdout)]].concat()).stdout == expected);
    assert!(stdout.is_symlink());
}

#[test]
fn a_reader_that_has_gone_ends_the_program_quietly() {
    let pack = TinyPack::import(Recipe::Q8);
    let dir = pack.dir();
    let pack = ["--pack", text(&dir)];
    for arguments in [&["voices"][..], &["inspect"], &["say", "Hello.", "--max-seconds", "0.4", "-o", "-"]] {
        let mut child = command(&[arguments, &pack].concat());
        let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take()); // long before the program has opened its pack
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), Some(libc::SIGPIPE), "{arguments:?}: {}", output.status);
        assert_eq!(said(&output), [""; 0]);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_an_error_like_any_other() {
    let pack = TinyPack::import(Recipe::Q8);
    let dir = pack.dir();
    let pack = ["--pack", text(&dir)];
    for arguments in [&["voices"][..], &["inspect"], &["say", "Hello.", "--max-seconds", "0.4", "-o", "-"]] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command(&[arguments, &pack].concat()).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let said = said(&output);
        assert!(said.len() == 1 && said[0].starts_with("syrinx: cannot write standard output: No space"), "{said:?}");
    }
    // Nobody is told when standard error is full, either.
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = command(&["say", "Hello.", "--max-seconds", "0.4", pack[0], pack[1]]).stderr(full).output().unwrap();
    assert!(output.status.success(), "{}", output.status);
}

/// A program that writes a file for a long time, and the folder of that file.
fn writing(pack: &TinyPack, before: impl FnOnce(&mut Command)) -> (Child, PathBuf) {
    let (dir, folder) = (pack.dir(), pack.beside("out"));
    std::fs::create_dir_all(&folder).unwrap();
    let long = "Turn left in three hundred metres. ".repeat(2_000);
    let mut command = command(&["say", &long, "--pack", text(&dir), "--max-seconds", "1e6", "-o"]);
    command.arg(folder.join("out.wav")).stderr(Stdio::piped());
    in_foreground(&mut command);
    before(&mut command);
    let mut child = command.spawn().unwrap();
    while names(&folder).is_empty() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended before it was asked to");
        std::thread::sleep(Duration::from_millis(5));
    }
    (child, folder)
}

fn names(folder: &Path) -> Vec<String> {
    let files = std::fs::read_dir(folder).unwrap();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

fn send(child: &Child, signal: libc::c_int) {
    // SAFETY: the call takes numbers alone; the child has not been waited for, so the number is its own.
    assert_eq!(unsafe { libc::kill(child.id() as libc::pid_t, signal) }, 0);
}

#[test]
fn a_program_that_is_told_to_end_leaves_nothing_half_written() {
    let pack = TinyPack::import(Recipe::Q8);
    for signal in [libc::SIGTERM, libc::SIGHUP] {
        let (mut child, folder) = writing(&pack, |_| {});
        send(&child, signal);
        assert_eq!(child.wait().unwrap().signal(), Some(signal));
        assert_eq!(names(&folder), [""; 0]);
    }
}

#[test]
fn ctrl_c_is_enough_and_what_was_said_is_kept() {
    let pack = TinyPack::import(Recipe::Q8);
    let (child, folder) = writing(&pack, |_| {});
    send(&child, libc::SIGINT);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !names(&folder).is_empty() {
        assert_eq!(names(&folder), ["out.wav"]); // nothing, where no frame was ready
    }
    assert!(said.contains("cancelled after"), "{said}");
}

#[test]
fn a_closed_terminal_does_not_end_what_was_told_to_outlive_it() {
    let pack = TinyPack::import(Recipe::Q8);
    let (mut child, _) = writing(&pack, |command| {
        // SAFETY: as in `in_foreground`.
        unsafe {
            command.pre_exec(|| {
                libc::signal(libc::SIGHUP, libc::SIG_IGN);
                Ok(())
            });
        }
    });
    send(&child, libc::SIGHUP);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(child.try_wait().unwrap(), None);
    send(&child, libc::SIGTERM);
    assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGTERM));
}

#[cfg(target_os = "linux")]
#[test]
fn more_threads_than_processors_are_allowed_become_as_many_with_a_warning() {
    let pack = TinyPack::import(Recipe::Q8);
    let dir = pack.dir();
    let say = |threads: &str, on_one: bool| {
        let arguments =
            ["say", "Hello.", "--pack", text(&dir), "--max-seconds", "0.8", "--threads", threads, "-o", "-"];
        let mut command = command(&arguments);
        // SAFETY: between fork and exec, calls that are allowed there; the sets are plain memory.
        unsafe {
            command.pre_exec(move || {
                let mut all: libc::cpu_set_t = std::mem::zeroed();
                let mut one: libc::cpu_set_t = std::mem::zeroed();
                libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &mut all);
                let first = (0..libc::CPU_SETSIZE as usize).find(|&core| libc::CPU_ISSET(core, &all));
                libc::CPU_SET(first.unwrap_or(0), &mut one);
                if on_one && libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &one) != 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        (output.stdout, stderr.matches("threads were asked for").count(), stderr)
    };
    let (expected, warnings, _) = say("1", false);
    assert_eq!(warnings, 0);
    let (samples, warnings, stderr) = say("3", true);
    assert!(warnings == 1 && stderr.contains("3 threads were asked for, 1 used"), "{stderr}");
    assert!(samples == expected);
}

#[test]
fn a_cache_folder_that_is_not_absolute_is_not_written_into() {
    let pack = TinyPack::import(Recipe::Q8);
    let (dir, home, here) = (pack.dir(), pack.beside("home"), pack.beside("here"));
    std::fs::create_dir_all(&here).unwrap();
    for cache in ["", "cache"] {
        let mut command = command(&["say", "Hello.", "--pack", text(&dir), "--max-seconds", "0.4"]);
        let output = command.env("XDG_CACHE_HOME", cache).env("HOME", &home).current_dir(&here).output().unwrap();
        assert!(output.status.success());
        assert_eq!(names(&here), [""; 0]);
        assert_eq!(names(&home.join(".cache/syrinx")).len(), 1);
    }
}

#[test]
fn a_dash_is_standard_input_and_a_figure_below_zero_is_text() {
    let pack = TinyPack::import(Recipe::Q8);
    let dir = pack.dir();
    let fixed = ["--pack", text(&dir), "--max-seconds", "0.4", "-o", "-"];
    let say = |arguments: &[&str], input: &str| {
        let mut child = command(&[&["say"], arguments, &fixed].concat());
        let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let mut samples = Vec::new();
        child.stdout.take().unwrap().read_to_end(&mut samples).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        samples
    };
    let expected = say(&[], "-5 degrees");
    assert!(!expected.is_empty() && say(&["-f", "-"], "-5 degrees") == expected);
    assert!(say(&["-5 degrees"], "") == expected);
}

#[test]
fn a_volume_is_that_of_the_file() {
    let pack = TinyPack::import(Recipe::Q8);
    let (dir, wav) = (pack.dir(), pack.beside("said.wav"));
    let peak = |volume: &str| {
        let arguments =
            ["say", "One two.", "--max-seconds", "1", "--pack", text(&dir), "-o", text(&wav), "--volume", volume];
        success(&arguments);
        let samples = hound::WavReader::open(&wav).unwrap().into_samples::<i16>();
        samples.map(|sample| i32::from(sample.unwrap()).abs()).max().unwrap()
    };
    let (all, half) = (peak("1"), peak("0.5"));
    assert!(all > 1000 && (all - 2 * half).abs() <= 1, "{all}, {half}");
}

#[test]
fn read_shows_each_word_with_its_place_and_what_read_it() {
    let output = success(&["read", "-5 km to Max", "--json"]);
    let lines = String::from_utf8(output.stdout).unwrap();
    let words: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said: Vec<&str> = words.iter().filter_map(|word| word["said"].as_str()).collect();
    assert_eq!(said, ["minus", "five", "kilometres", "to", "Max."]);
    assert!(words[1]["by"].as_str().unwrap().starts_with("en.toml:") && words[4]["by"] == "");
    let refused = command(&["read", "Hej", "--language", "xx"]).output().unwrap();
    assert!(!refused.status.success() && said_of(&refused).contains("xx"));
    let pause = success(&["read", "<speak>a<break/>b</speak>", "--ssml"]);
    assert!(String::from_utf8(pause.stdout).unwrap().contains("pause 400 ms"));
    let missing = failure(&["read", "<speak>a</speak>", "--ssml", "--phrase", "bell=nowhere.wav"]);
    assert!(missing.contains("nowhere.wav") && missing.lines().count() == 1, "{missing}");
}

fn said_of(output: &Output) -> String {
    said(output).join("\n")
}

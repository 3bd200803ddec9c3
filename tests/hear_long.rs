//! Promise: a stream may go on for as long as it likes; its memory is that of its windows, and what it hears at the end is
//! what a fresh one would hear.

mod support;

use support::hear::{EarsOf, golden};
use syrinx::lab::hear::realtime::Recogniser;
use syrinx::lab::pack::{EarsPack, OpenOptions};
use syrinx_quant::Recipe;

const TOKENS_PER_MINUTE: usize = 750;

/// A number of minutes, or 3 of them, which are hundred windows of the encoder and fifty of the decoder.
fn minutes() -> usize {
    std::env::var("SYRINX_HEAR_MINUTES").map_or(3, |minutes| minutes.parse().unwrap())
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
#[cfg_attr(not(target_os = "linux"), ignore = "memory is asked of Linux")]
fn memory_stays_flat_across_both_windows() {
    let pack = EarsOf::import("tiny", Recipe::F32);
    let ears = Recogniser::open(&EarsPack::open(&pack.dir(), OpenOptions::default()).unwrap(), 1).unwrap();
    let signal = golden("tiny").f32("signal").values;
    let mut stream = ears.stream(6, Some(usize::MAX)).unwrap();
    let mut answers = Vec::with_capacity(1024);
    let (mut after_first, mut tokens) = (0, 0);
    for minute in 0..minutes() {
        for i in 0..TOKENS_PER_MINUTE {
            let start = (minute * TOKENS_PER_MINUTE + i) * 991 % (signal.len() - 1280);
            stream.push(&signal[start..][..1280], &mut answers).unwrap();
            assert!(!stream.has_ended());
        }
        tokens += std::mem::take(&mut answers).len();
        if minute == 0 {
            after_first = resident_kb();
        }
    }
    let grown = resident_kb() as i64 - after_first as i64;
    println!("{tokens} answers, {grown} kB more after the last minute than after the first");
    assert!(tokens > minutes() * TOKENS_PER_MINUTE - 100);
    assert!(grown < 1024, "{grown} kB more");

    stream.restart().unwrap();
    let mut again = Vec::new();
    stream.push(&signal, &mut again).unwrap();
    stream.finish(true, &mut again).unwrap();
    let expected = golden("tiny").i32("tokens").values;
    assert_eq!(again.iter().map(|token| token.id as i32).collect::<Vec<_>>(), expected);
}

//! What the service has done, for Prometheus. No text and no client is in it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::Shared;

/// Upper bounds of the classes of the time to the first sound, in seconds.
const CLASSES_S: [f64; 9] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];

/// Why speech ended before its text did, or listening before its sound did.
#[derive(Clone, Copy, Debug)]
pub enum Why {
    /// The client closed the connection.
    Disconnect,
    /// The client took nothing for too long.
    Timeout,
}

#[derive(Debug, Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    pub running: Gauge,
    first: [AtomicU64; CLASSES_S.len()],
    first_count: AtomicU64,
    first_us: AtomicU64,
    audio_ms: AtomicU64,
    busy_us: AtomicU64,
    characters: AtomicU64,
    disconnects: AtomicU64,
    timeouts: AtomicU64,
    pub listening: Gauge,
    heard_ms: AtomicU64,
    heard_us: AtomicU64,
    heard_disconnects: AtomicU64,
    heard_timeouts: AtomicU64,
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

/// One of what a gauge counts, until it is dropped.
#[derive(Debug)]
pub struct One<'a>(&'a Gauge);

impl Gauge {
    pub fn one(&self) -> One<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        One(self)
    }
}

impl Drop for One<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Metrics {
    pub fn request(&self, endpoint: &'static str, code: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((endpoint, code)).or_default() += 1;
    }

    pub fn text(&self, characters: usize) {
        self.characters.fetch_add(characters as u64, Ordering::Relaxed);
    }

    pub fn first_sound(&self, after: Duration) {
        self.first_count.fetch_add(1, Ordering::Relaxed);
        self.first_us.fetch_add(after.as_micros() as u64, Ordering::Relaxed);
        for (bound, class) in CLASSES_S.iter().zip(&self.first) {
            if after.as_secs_f64() <= *bound {
                class.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub fn block(&self, seconds: f64, took: Duration) {
        self.audio_ms.fetch_add((seconds * 1e3) as u64, Ordering::Relaxed);
        self.busy_us.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }

    pub fn cancelled(&self, why: Why) {
        let count = match why {
            Why::Disconnect => &self.disconnects,
            Why::Timeout => &self.timeouts,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Sound that was listened to.
    pub fn heard(&self, seconds: f64, took: Duration) {
        self.heard_ms.fetch_add((seconds * 1e3) as u64, Ordering::Relaxed);
        self.heard_us.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }

    pub fn left_unheard(&self, why: Why) {
        let count = match why {
            Why::Disconnect => &self.heard_disconnects,
            Why::Timeout => &self.heard_timeouts,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// The page, in Prometheus' text format.
    pub fn page(&self, shared: &Shared) -> String {
        let mut page = String::new();
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut put = |name: &str, kind: &str, help: &str, lines: &[(String, f64)]| {
            // Writing into a string does not fail.
            let _ = writeln!(page, "# HELP syrinx_{name} {help}\n# TYPE syrinx_{name} {kind}");
            for (labels, value) in lines {
                let _ = writeln!(page, "syrinx_{labels} {value}");
            }
        };
        let one = |name: &str, value: f64| vec![(name.to_owned(), value)];
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let requests: Vec<_> = requests
            .into_iter()
            .map(|((endpoint, code), count)| {
                (format!("requests_total{{endpoint=\"{endpoint}\",code=\"{code}\"}}"), count as f64)
            })
            .collect();
        put(
            "requests_total",
            "counter",
            "Requests by the code of their answer; 499 where the client did not wait for one.",
            &requests,
        );
        let running = self.running.0.load(Ordering::Relaxed) as f64;
        put("requests_running", "gauge", "Speeches in the making.", &one("requests_running", running));
        put(
            "requests_waiting",
            "gauge",
            "Clients that wait for a speaker.",
            &one("requests_waiting", shared.queue.waiting() as f64),
        );
        let name = "time_to_first_audio_seconds";
        let mut first: Vec<_> = CLASSES_S
            .iter()
            .zip(&self.first)
            .map(|(bound, class)| (format!("{name}_bucket{{le=\"{bound}\"}}"), get(class) as f64))
            .collect();
        let count = get(&self.first_count) as f64;
        first.push((format!("{name}_bucket{{le=\"+Inf\"}}"), count));
        first.push((format!("{name}_sum"), get(&self.first_us) as f64 / 1e6));
        first.push((format!("{name}_count"), count));
        put(name, "histogram", "From the request to the first block.", &first);
        let (audio, busy) = (get(&self.audio_ms) as f64 / 1e3, get(&self.busy_us) as f64 / 1e6);
        put("audio_seconds_total", "counter", "Speech made.", &one("audio_seconds_total", audio));
        put("busy_seconds_total", "counter", "Time that it took.", &one("busy_seconds_total", busy));
        let characters = get(&self.characters) as f64;
        put("text_characters_total", "counter", "Text accepted.", &one("text_characters_total", characters));
        let cancelled = [("disconnect", &self.disconnects), ("timeout", &self.timeouts)];
        let cancelled = cancelled.map(|(why, count)| (format!("cancelled_total{{why=\"{why}\"}}"), get(count) as f64));
        put("cancelled_total", "counter", "Speech that was left unsaid.", &cancelled);
        let listening = self.listening.0.load(Ordering::Relaxed) as f64;
        put("listeners_running", "gauge", "Sounds that are listened to.", &one("listeners_running", listening));
        let waiting = shared.ears.as_ref().map_or(0, |room| room.line.waiting()) as f64;
        put("listeners_waiting", "gauge", "Clients that wait for a listener.", &one("listeners_waiting", waiting));
        let (sound, busy) = (get(&self.heard_ms) as f64 / 1e3, get(&self.heard_us) as f64 / 1e6);
        put("heard_seconds_total", "counter", "Sound listened to.", &one("heard_seconds_total", sound));
        put("heard_busy_seconds_total", "counter", "Time that it took.", &one("heard_busy_seconds_total", busy));
        let left = [("disconnect", &self.heard_disconnects), ("timeout", &self.heard_timeouts)];
        let left = left.map(|(why, count)| (format!("heard_cancelled_total{{why=\"{why}\"}}"), get(count) as f64));
        put("heard_cancelled_total", "counter", "Sounds that were left unheard.", &left);
        let (pack, ears) = (&shared.model.info().name, shared.ears.as_ref().map_or("", |room| &room.ears.info().name));
        let build = format!("build_info{{version=\"{}\",pack=\"{pack}\",ears=\"{ears}\"}}", env!("CARGO_PKG_VERSION"));
        put("build_info", "gauge", "What runs.", &[(build, 1.0)]);
        page
    }
}

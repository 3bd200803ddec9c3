//! The server's lines. In: bytes of its pipe. Out: lines, messages of several, and whether a speech is to stop.

use std::collections::VecDeque;
use std::io::{BufRead, Read};
use std::sync::mpsc::Receiver;

/// A line without its end; `None` at the end of the input. One that is longer than what may be spoken is cut there, and the
/// rest is dropped. `most`: bytes of a line.
pub fn read_line(from: &mut impl BufRead, most: usize) -> Option<String> {
    let most = most as u64;
    let mut bytes = Vec::new();
    from.by_ref().take(most).read_until(b'\n', &mut bytes).ok().filter(|read| *read > 0)?;
    if bytes.last() != Some(&b'\n') && bytes.len() as u64 == most {
        let mut rest = Vec::new();
        while from.by_ref().take(most).read_until(b'\n', &mut rest).ok()? > 0 && rest.pop() != Some(b'\n') {
            rest.clear();
        }
    }
    let line = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    Some(String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line)).into_owned())
}

/// What the server has said and nobody has looked at.
#[derive(Debug)]
pub struct Lines {
    from: Receiver<String>,
    held: VecDeque<String>,
}

impl Lines {
    pub fn new(from: Receiver<String>) -> Self {
        Self { from, held: VecDeque::new() }
    }

    /// The next; `None` when the server is gone.
    pub fn next(&mut self) -> Option<String> {
        self.held.pop_front().or_else(|| self.from.recv().ok())
    }

    /// Lines up to the one that is a stop, without the stops that lines have been given.
    pub fn message(&mut self) -> Option<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let line = self.next()?;
            if line == "." {
                return Some(lines);
            }
            lines.push(line.strip_prefix('.').filter(|rest| rest.starts_with('.')).map_or(line.clone(), str::to_owned));
        }
    }

    /// Whether a speech is to end, and how.
    pub fn stop(&mut self) -> Option<Stop> {
        loop {
            match self.from.try_recv() {
                Ok(line) if line == "STOP" => return Some(Stop::Stopped),
                Ok(line) if line == "PAUSE" => return Some(Stop::Paused),
                Ok(line) => self.held.push_back(line),
                Err(_) => return None, // of a server that is gone, writing tells
            }
        }
    }
}

/// How a speech is to end before its text does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    Stopped,
    Paused,
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::mpsc::sync_channel;

    use super::*;

    const MOST: usize = 1000;

    fn lines(said: &[&str]) -> Lines {
        let (tell, from) = sync_channel(said.len().max(1));
        said.iter().for_each(|line| tell.send((*line).to_owned()).unwrap());
        Lines::new(from)
    }

    #[test]
    fn a_message_ends_at_a_stop_alone_and_loses_the_stops_that_its_lines_were_given() {
        let mut lines = lines(&["a", "..", "...b", ".c", ".", "QUIT"]);
        assert_eq!(lines.message().unwrap(), ["a", ".", "..b", ".c"]);
        assert_eq!(lines.next().as_deref(), Some("QUIT"));
        assert_eq!(lines.message(), None, "the server is gone");
    }

    #[test]
    fn what_is_read_while_it_speaks_waits_unless_it_is_a_stop() {
        let mut lines = lines(&["SET", "rate=1", "STOP", "."]);
        assert_eq!(lines.stop(), Some(Stop::Stopped));
        assert_eq!((lines.next().as_deref(), lines.next().as_deref()), (Some("SET"), Some("rate=1")));
    }

    #[test]
    fn a_line_that_is_longer_than_what_may_be_spoken_is_cut_and_the_next_is_whole() {
        let long = "a".repeat(MOST * 2 + 5);
        let mut input = io::Cursor::new(format!("{long}\nnext\r\nlast"));
        assert_eq!(read_line(&mut input, MOST).unwrap().len(), MOST);
        assert_eq!(read_line(&mut input, MOST).as_deref(), Some("next"));
        assert_eq!(read_line(&mut input, MOST).as_deref(), Some("last"));
        assert_eq!(read_line(&mut input, MOST), None);
    }
}

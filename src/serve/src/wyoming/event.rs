//! Wyoming's framing. In: bytes. Out: events, and back.
//!
//! An event is a line of JSON; then as many bytes of JSON as its `data_length` says, which are merged over what `data` the line
//! has; then as many bytes as its `payload_length` says. Lengths are bytes; each may be absent.

use serde_json::{Map, Value, json};
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt};

const VERSION: &str = "1.9.0";
/// Most bytes of a line, as Python's readers have it, and of each part behind it.
const MOST_LINE: usize = 64 << 10;
const MOST_PART: u64 = 1 << 20;

/// One event, in or out.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    pub kind: String,
    pub data: Map<String, Value>,
    pub payload: Vec<u8>,
}

/// Why a connection cannot be read any further: a line for its other end.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable(pub String);

impl Event {
    /// `data`: an object; anything else is none.
    pub fn new(kind: &str, data: Value) -> Self {
        let data = if let Value::Object(data) = data { data } else { Map::new() };
        Self { kind: kind.to_owned(), data, payload: Vec::new() }
    }

    /// The next one; `None` where the other end has closed between events.
    pub async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Self>, Unreadable> {
        let mut line = Vec::new();
        let most = MOST_LINE as u64 + 1;
        from.take(most).read_until(b'\n', &mut line).await.map_err(|e| Unreadable(e.to_string()))?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.len() > MOST_LINE {
            return Err(Unreadable(format!("a line is longer than {MOST_LINE} bytes")));
        }
        let bad = |what: &str| Unreadable(format!("an event's {what}"));
        let Ok(Value::Object(mut line)) = serde_json::from_slice(&line) else {
            return Err(bad("line is no JSON object"));
        };
        let Some(Value::String(kind)) = line.remove("type") else { return Err(bad("type is missing")) };
        let mut event = Self::new(&kind, line.remove("data").unwrap_or_default());
        let data = part(from, line.get("data_length")).await?;
        if !data.is_empty() {
            let Ok(Value::Object(data)) = serde_json::from_slice(&data) else {
                return Err(bad("data are no JSON object"));
            };
            event.data.extend(data);
        }
        event.payload = part(from, line.get("payload_length")).await?;
        Ok(Some(event))
    }

    /// As it is sent. Data go behind the line, where Python's own writers put them.
    pub fn bytes(&self) -> Vec<u8> {
        let mut line = json!({ "type": self.kind, "version": VERSION });
        let data = if self.data.is_empty() { String::new() } else { json!(self.data).to_string() };
        if !data.is_empty() {
            line["data_length"] = data.len().into();
        }
        if !self.payload.is_empty() {
            line["payload_length"] = self.payload.len().into();
        }
        [line.to_string().as_bytes(), b"\n", data.as_bytes(), &self.payload].concat()
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.data.get(name)?.as_str()
    }
}

/// The bytes of a part whose length the line tells.
async fn part(from: &mut (impl AsyncRead + Unpin), length: Option<&Value>) -> Result<Vec<u8>, Unreadable> {
    let length = match length {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(length) => length.as_u64().filter(|&length| length <= MOST_PART),
    };
    let length = length.ok_or_else(|| Unreadable(format!("a length is no number up to {MOST_PART}")))?;
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes).await.map_err(|e| Unreadable(e.to_string()))?;
    match bytes.len() as u64 == length {
        true => Ok(bytes),
        false => Err(Unreadable("the connection ended within an event".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Vec<Event>, Unreadable> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut bytes, mut events) = (bytes, Vec::new());
            while let Some(event) = Event::read(&mut bytes).await? {
                events.push(event);
            }
            Ok(events)
        })
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut chunk = Event::new("audio-chunk", json!({ "rate": 24000, "text": "é\n" }));
        chunk.payload = b"\n{}\0".to_vec();
        let events = [chunk, Event::new("describe", Value::Null)];
        let bytes: Vec<u8> = events.iter().flat_map(Event::bytes).collect();
        assert_eq!(read(&bytes).unwrap(), events);
    }

    #[test]
    fn data_behind_the_line_go_over_those_in_it() {
        let bytes = b"{\"type\":\"x\",\"data\":{\"a\":1,\"b\":1},\"data_length\":7}\n{\"b\":2}{\"type\":\"y\",\"data_length\":null}\n";
        let events = read(bytes).unwrap();
        assert_eq!(json!(events[0].data), json!({ "a": 1, "b": 2 }));
        assert_eq!(events[1], Event::new("y", Value::Null));
    }

    #[test]
    fn wrong_lengths_and_broken_lines_are_named() {
        let long = format!("{{\"type\":\"{}", "a".repeat(MOST_LINE));
        for (bytes, what) in [
            ("nonsense\n", "no JSON object"),
            ("[1]\n", "no JSON object"),
            ("{}\n", "type"),
            ("{\"type\":\"x\",\"data_length\":-1}\n", "length"),
            ("{\"type\":\"x\",\"data_length\":\"7\"}\n", "length"),
            ("{\"type\":\"x\",\"payload_length\":1e300}\n", "length"),
            ("{\"type\":\"x\",\"payload_length\":1048577}\n", "length"),
            ("{\"type\":\"x\",\"data_length\":5}\n{}", "within"),
            ("{\"type\":\"x\",\"data_length\":3}\n{}}", "no JSON object"),
            ("{\"type\":\"x\",\"data_length\":2}\n[]", "no JSON object"),
            (&long, "longer"),
        ] {
            let Unreadable(line) = read(bytes.as_bytes()).unwrap_err();
            assert!(line.contains(what), "{bytes:.40}: {line}");
        }
    }
}

//! How the service is to be. In: the command line. Out: what was asked for, checked.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use syrinx::{Ears, EarsOptions, Model, ModelOptions};

/// Where connections come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
    /// Standard input and output are the one connection.
    Stdio,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is none of tcp://ADDRESS:PORT, unix://PATH, stdio://");
        match text.split_once("://").ok_or_else(wrong)? {
            ("tcp", address) => address.parse().map(Self::Tcp).map_err(|_| wrong()),
            ("unix", path) if !path.is_empty() => Ok(Self::Unix(path.into())),
            ("stdio", "") => Ok(Self::Stdio),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "tcp://{address}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Stdio => f.write_str("stdio://"),
        }
    }
}

/// Speech over HTTP on this machine, in the form of OpenAI's /v1/audio/speech.
#[derive(Clone, Debug, Parser)]
#[command(version)]
pub struct Arguments {
    /// Folder of the pack. Without it: $SYRINX_PACK, then models/wren-en.
    #[arg(long, value_name = "DIR", env = "SYRINX_PACK", default_value = "models/wren-en")]
    pub pack: PathBuf,
    /// Folder of a pack that listens, for /v1/audio/transcriptions. Without it: $SYRINX_EARS, then none.
    #[arg(long, value_name = "DIR", env = "SYRINX_EARS")]
    pub ears: Option<PathBuf>,
    /// Where to listen. Beyond this machine only with a key.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8880")]
    pub listen: SocketAddr,
    /// Listen on a socket in the file system instead.
    #[arg(long, value_name = "PATH", conflicts_with = "listen")]
    pub unix: Option<PathBuf>,
    /// Speak Wyoming too, as Home Assistant does: tcp://127.0.0.1:10200, unix://PATH or stdio://.
    #[arg(long, value_name = "URI")]
    pub wyoming: Option<Address>,
    /// Let everybody who reaches its address speak over Wyoming, which has no key.
    #[arg(long)]
    pub wyoming_open: bool,
    /// Publish Wyoming's address on the local network by this name, so that Home Assistant finds it.
    #[arg(long, value_name = "NAME", requires = "wyoming")]
    pub zeroconf: Option<String>,
    /// A file whose first line clients must send as `Authorization: Bearer …`.
    #[arg(long, value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
    /// A name by which clients may reach this machine, beside localhost and addresses of loopback.
    #[arg(long, value_name = "NAME")]
    pub allowed_host: Vec<String>,
    /// A web page's origin that may speak, such as https://kiosk.example.
    #[arg(long, value_name = "ORIGIN")]
    pub cors_origin: Vec<String>,
    /// Clients that are spoken for at the same time; as many as processors by default.
    #[arg(long, value_name = "COUNT")]
    pub speakers: Option<usize>,
    /// Clients that are listened to at the same time; as many as processors by default.
    #[arg(long, value_name = "COUNT")]
    pub listeners: Option<usize>,
    /// Largest recording, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 25)]
    pub max_audio: usize,
    /// Clients that may wait for a speaker, and for a listener; more are refused with 429.
    #[arg(long, value_name = "COUNT", default_value_t = 8)]
    pub queue: usize,
    /// Longest wait for one of them, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub wait: u64,
    /// Most characters of a text.
    #[arg(long, value_name = "CHARACTERS", default_value_t = 4096)]
    pub max_input: usize,
    /// Connections that may be open.
    #[arg(long, value_name = "COUNT", default_value_t = 256)]
    pub max_connections: usize,
    /// Seconds for a request's header, for its body, and for a client that takes nothing.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub patience: u64,
    /// Make no mp3, whether the system has an encoder of it (libmp3lame0) or not.
    #[arg(long)]
    pub no_mp3: bool,
    /// Refuse what this build cannot do (mp3 without an encoder, other names of models and voices) instead of answering as near as it can.
    #[arg(long)]
    pub strict: bool,
    /// Refuse a pack whose licence forbids commercial use.
    #[arg(long)]
    pub commercial: bool,
}

impl Arguments {
    /// The key that clients must know. Errors: a file that cannot be read, or is empty.
    pub fn key(&self) -> Result<Option<String>, String> {
        let Some(path) = &self.api_key_file else { return Ok(None) };
        let text = std::fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
        let key = text.lines().next().unwrap_or_default().trim();
        match key.is_empty() {
            true => Err(format!("{} holds no key: write one into its first line", path.display())),
            false => Ok(Some(key.to_owned())),
        }
    }

    /// Errors: it would listen to everybody.
    pub fn check(&self, has_key: bool) -> Result<(), String> {
        let http = self.unix.is_none().then_some(self.listen);
        let wyoming = match self.wyoming {
            Some(Address::Tcp(address)) => Some(address),
            _ => None,
        };
        self.check_open(http, wyoming, has_key)
    }

    /// The same, of the addresses that are listened on. Errors: as [`Arguments::check`].
    pub fn check_open(
        &self,
        http: Option<SocketAddr>,
        wyoming: Option<SocketAddr>,
        has_key: bool,
    ) -> Result<(), String> {
        let outside = |address: Option<SocketAddr>| address.filter(|address| !address.ip().is_loopback());
        if let Some(address) = outside(http).filter(|_| !has_key) {
            return Err(format!("{address} is reached from outside: give --api-key-file, or listen on 127.0.0.1"));
        }
        match outside(wyoming) {
            Some(address) if !self.wyoming_open => Err(format!(
                "tcp://{address} is reached from outside, and Wyoming has no key: give --wyoming-open, or 127.0.0.1"
            )),
            _ => Ok(()),
        }
    }

    /// Where HTTP is spoken.
    pub fn http(&self) -> Address {
        self.unix.clone().map_or(Address::Tcp(self.listen), Address::Unix)
    }

    /// Sessions that compute at the same time.
    pub fn speakers(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        self.speakers.unwrap_or_else(processors).clamp(1, 64)
    }

    /// Clients that are listened to at the same time.
    pub fn listeners(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        self.listeners.unwrap_or_else(processors).clamp(1, 64)
    }

    /// Most bytes of a recording.
    pub fn max_audio_bytes(&self) -> usize {
        self.max_audio.saturating_mul(1 << 20)
    }

    pub fn open_ears(&self) -> syrinx::Result<Option<Ears>> {
        let options = EarsOptions::default().commercial(self.commercial);
        self.ears.as_ref().map(|folder| Ears::open(folder, options)).transpose()
    }

    pub fn open_model(&self) -> syrinx::Result<Model> {
        let options = ModelOptions::default().parallel(self.speakers()).commercial(self.commercial);
        Model::open(&self.pack, options)
    }

    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arguments: &[&str], has_key: bool) -> Result<(), String> {
        Arguments::parse_from([&["syrinx-serve"], arguments].concat()).check(has_key)
    }

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for text in ["tcp://127.0.0.1:10200", "tcp://[::1]:1", "unix:///run/x.sock", "stdio://"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        for text in ["127.0.0.1:10200", "tcp://", "tcp://host", "unix://", "stdio://x", "http://127.0.0.1:1"] {
            assert!(text.parse::<Address>().unwrap_err().contains("stdio://"), "{text}");
        }
    }

    #[test]
    fn it_listens_beyond_this_machine_only_with_a_key() {
        assert!(check(&[], false).is_ok());
        assert!(check(&["--listen", "[::1]:1"], false).is_ok());
        assert!(check(&["--unix", "/run/x.sock"], false).is_ok());
        for address in ["0.0.0.0:8880", "[::]:8880", "192.168.1.2:8880"] {
            assert!(check(&["--listen", address], false).unwrap_err().contains("--api-key-file"));
            assert!(check(&["--listen", address], true).is_ok());
            let uri = format!("tcp://{address}");
            assert!(check(&["--wyoming", &uri], true).unwrap_err().contains("--wyoming-open"));
            assert!(check(&["--wyoming", &uri, "--wyoming-open"], false).is_ok());
        }
        assert!(check(&["--wyoming", "tcp://127.0.0.1:10200"], false).is_ok());
    }
}

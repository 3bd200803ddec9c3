//! `syrinx speechd-module`: a module of speech-dispatcher, by which Orca, `spd-say`, Qt, Firefox and Chromium speak. In: the
//! server's lines on standard input. Out: its answers, and sound with marks between, on standard output.
//!
//! The server plays what it gets, so it is the pipe that keeps the time here; between two frames the module looks whether it
//! is to stop. What is read while it speaks waits.

mod lines;
mod reply;
mod settings;
mod written;

use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;

use syrinx::options::Ssml;
use syrinx::{Error, ErrorKind, Model, ModelInfo, Next, Result, Session, SessionOptions, SpeakOptions, Speech};

use super::arguments::{MachineArguments, PackArguments};
use super::output;
use lines::{Lines, Stop, read_line};
use reply::Reply;
use settings::Settings;

#[derive(Debug, clap::Args)]
pub struct SpeechdModule {
    /// The module's settings, which speech-dispatcher names: a line `SyrinxPack "DIR"` says where the pack is.
    config: Option<PathBuf>,
    #[command(flatten)]
    pack: PackArguments,
    #[command(flatten)]
    machine: MachineArguments,
}

/// Lines that are read ahead of what is done about them.
const LINES_AHEAD: usize = 1024;

impl SpeechdModule {
    /// Until the server says `QUIT` or is gone. Errors: `Io` of its pipes; what the pack is wrong with goes to the server.
    pub fn run(mut self) -> Result<()> {
        if let Some(path) = &self.config {
            self.pack.pack = self.pack.pack.take().or(configured_pack(path)?);
        }
        let (tell, lines) = sync_channel(LINES_AHEAD);
        // It ends with the input, or when nobody wants its lines; the process does not wait for it.
        std::thread::spawn(move || {
            let mut input = BufReader::new(io::stdin());
            while let Some(line) = read_line(&mut input, Speech::MAX_WAITING_BYTES) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let open = || {
            let pack = self.pack.open()?;
            let (model, session) = self.machine.load(&pack)?;
            self.machine.lock_memory()?;
            Ok((model, session))
        };
        let out = Reply::new(io::stdout().lock());
        let mut module = Module { lines: Lines::new(lines), out, speaker: None };
        module.serve(open).map_err(output::failed)
    }
}

/// Where the module's settings say that the pack is; the server names a file that need not be there. Errors: `BadOption`,
/// with the line; `Io`.
fn configured_pack(path: &Path) -> Result<Option<PathBuf>> {
    let text = match std::fs::read_to_string(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        text => text.map_err(|e| Error::io("read", path, e))?,
    };
    let mut pack = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let value = line.split_once(char::is_whitespace).filter(|(key, _)| *key == "SyrinxPack");
        let Some((_, value)) = value else {
            let message = format!("{}, line {number}: write SyrinxPack \"DIR\", or nothing", path.display());
            return Err(Error::new(ErrorKind::BadOption, message));
        };
        pack = Some(value.trim().trim_matches('"').into());
    }
    Ok(pack)
}

/// A model, and how it is to speak.
struct Speaker {
    model: Model,
    session: Session,
    settings: Settings,
}

struct Module<W: Write> {
    lines: Lines,
    out: Reply<W>,
    /// From `INIT` on.
    speaker: Option<Speaker>,
}

impl<W: Write> Module<W> {
    fn serve(&mut self, open: impl Fn() -> Result<(Model, SessionOptions)>) -> io::Result<()> {
        while let Some(line) = self.lines.next() {
            let mut words = line.split_whitespace();
            match words.next().unwrap_or_default() {
                "INIT" => self.init(&open)?,
                "AUDIO" => self.audio()?,
                "LOGLEVEL" => {
                    self.out.line("207 OK RECEIVING LOGLEVEL SETTINGS")?;
                    let Some(_) = self.lines.message() else { return Ok(()) };
                    self.out.line("203 OK LOGLEVEL SET")?;
                }
                "SET" => {
                    self.out.line("203 OK RECEIVING SETTINGS")?;
                    let Some(lines) = self.lines.message() else { return Ok(()) };
                    if let Some(speaker) = &mut self.speaker {
                        speaker.settings.set(&lines);
                    }
                    self.out.line("203 OK SETTINGS RECEIVED")?;
                }
                "LIST" => self.voices(words.nth(1))?,
                kind @ ("SPEAK" | "CHAR" | "KEY" | "SOUND_ICON") => {
                    self.out.line("202 OK RECEIVING MESSAGE")?;
                    let Some(lines) = self.lines.message() else { return Ok(()) };
                    self.speak(kind, &lines.join("\n"))?;
                }
                "STOP" | "PAUSE" | "" => {} // of a speech that has ended by itself
                "DEBUG" => self.out.line(match words.next() {
                    Some("ON") => "200 OK DEBUGGING ON",
                    _ => "200 OK DEBUGGING OFF",
                })?,
                "QUIT" => return self.out.line("210 OK QUIT"),
                _ => self.out.line("300 ERR UNKNOWN COMMAND")?,
            }
        }
        Ok(())
    }

    fn init(&mut self, open: impl Fn() -> Result<(Model, SessionOptions)>) -> io::Result<()> {
        let opened = open().and_then(|(model, session)| {
            let session = model.session(session)?;
            Ok(Speaker { model, session, settings: Settings::default() })
        });
        match opened {
            Ok(speaker) => {
                let ModelInfo { name, version, .. } = speaker.model.info();
                self.out.line(&format!("299-{name} {version} is ready"))?;
                self.speaker = Some(speaker);
                self.out.line("299 OK LOADED SUCCESSFULLY")
            }
            Err(e) => {
                log::error!("{e}");
                self.out.line(&format!("399-{e}"))?;
                self.out.line("399 ERR CANT INIT MODULE")
            }
        }
    }

    /// Sound goes to the server, which plays it; nothing else is offered.
    fn audio(&mut self) -> io::Result<()> {
        self.out.line("207 OK RECEIVING AUDIO SETTINGS")?;
        let Some(lines) = self.lines.message() else { return Ok(()) };
        let method = lines.iter().find_map(|line| line.strip_prefix("audio_output_method="));
        match method {
            Some("server") => self.out.line("203 OK AUDIO INITIALIZED"),
            _ => {
                self.out.line("300-this module gives its sound to the server")?;
                self.out.line("300 REQUEST REFUSED")
            }
        }
    }

    fn voices(&mut self, language: Option<&str>) -> io::Result<()> {
        let Some(speaker) = &self.speaker else { return self.out.line("304 CANT LIST VOICES") };
        for (voice, tag) in settings::voices(speaker.model.info()) {
            if language.is_none_or(|wanted| settings::is_same_language(wanted, tag)) {
                self.out.line(&format!("200-{voice}\t{tag}\tnone"))?;
            }
        }
        self.out.line("200 OK VOICE LIST SENT")
    }

    fn speak(&mut self, kind: &str, message: &str) -> io::Result<()> {
        let Some(speaker) = &mut self.speaker else { return self.out.line("301 ERROR CANT SPEAK") };
        let text = match kind {
            "CHAR" => written::character(message, &speaker.settings),
            "KEY" => written::key(message),
            "SOUND_ICON" => written::name(message),
            _ => written::text(message, &speaker.settings),
        };
        let options = speaker.settings.options(speaker.model.info());
        let begun = begin(&mut speaker.session, &text, &options.ssml(Some(Ssml::Lenient)));
        let mut speech = match begun {
            Ok(speech) => speech,
            Err(e) => {
                log::error!("{e}");
                return self.out.line("301 ERROR CANT SPEAK");
            }
        };
        self.out.line("200 OK SPEAKING")?;
        self.out.line("701 BEGIN")?;
        let mut block = vec![0.0; speech.samples_per_block()];
        let rate_hz = speaker.model.info().sample_rate_hz;
        loop {
            match self.lines.stop() {
                Some(Stop::Stopped) => return self.out.line("703 STOP"),
                Some(Stop::Paused) => return self.out.line("704 PAUSE"),
                None => {}
            }
            match speech.next_into(&mut block) {
                Ok(Next::Audio(made)) => self.out.sound(block.get(..made.samples).unwrap_or_default(), rate_hz)?,
                Ok(Next::Mark { name, .. }) => {
                    self.out.line(&format!("700-{name}"))?;
                    self.out.line("700 INDEX MARK")?;
                }
                Ok(_) => return self.out.line("702 END"),
                Err(e) => {
                    log::error!("{e}");
                    return self.out.line("703 STOP");
                }
            }
        }
    }
}

/// A speech of a complete text, which may have nothing in it that can be spoken: then it is over at once.
fn begin(session: &mut Session, text: &str, options: &SpeakOptions) -> Result<Speech> {
    let mut speech = session.speech(options)?;
    speech.push(text)?;
    speech.finish();
    Ok(speech)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(said: &[&str]) -> Lines {
        let (tell, from) = sync_channel(said.len().max(1));
        said.iter().for_each(|line| tell.send((*line).to_owned()).unwrap());
        Lines::new(from)
    }

    fn answers(said: &[&str]) -> String {
        let mut out = Vec::new();
        let open = || Err(Error::new(ErrorKind::BadPack, "no pack: name one"));
        Module { lines: lines(said), out: Reply::new(&mut out), speaker: None }.serve(open).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_pack_that_cannot_be_opened_is_the_server_s_to_tell() {
        let said = answers(&["INIT", "SPEAK", "hello", ".", "LIST VOICES", "QUIT", "INIT"]);
        let expected = "399-no pack: name one\n399 ERR CANT INIT MODULE\n202 OK RECEIVING MESSAGE\n301 ERROR CANT SPEAK\n\
            304 CANT LIST VOICES\n210 OK QUIT\n";
        assert_eq!(said, expected);
    }

    #[test]
    fn sound_goes_to_the_server_and_what_is_unknown_is_refused() {
        let audio = |method: &str| answers(&["AUDIO", &format!("audio_output_method={method}"), "."]);
        assert!(audio("server").ends_with("203 OK AUDIO INITIALIZED\n"));
        assert!(audio("alsa").ends_with("\n300 REQUEST REFUSED\n"));
        assert_eq!(answers(&["DANCE", "", "STOP", "LOGLEVEL", "log_level=3", "."]).lines().count(), 3);
        assert_eq!(answers(&["SPEAK", "half a mess"]), "202 OK RECEIVING MESSAGE\n", "the server is gone in its midst");
    }

    #[test]
    fn the_settings_file_names_the_pack_or_is_told_by_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            configured_pack(file.path())
        };
        assert_eq!(read("# pack\n\n  SyrinxPack \"/a b\"\n").unwrap(), Some(PathBuf::from("/a b")));
        assert_eq!(read("").unwrap(), None);
        assert_eq!(configured_pack(Path::new("/nowhere/syrinx.conf")).unwrap(), None);
        let refused = read("SyrinxPack x\nVoice y").unwrap_err();
        assert!(refused.message().contains("line 2: write SyrinxPack"), "{refused}");
    }
}

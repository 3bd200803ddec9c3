//! A room with a loudspeaker and a microphone, without a sound card: a private PulseAudio with a null sink, whose monitor is
//! the microphone.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What `syrinx devices` calls the microphone.
pub const MICROPHONE: &str = "pulseaudio:room.monitor";

pub struct Room {
    folder: tempfile::TempDir,
    server: Child,
    noise: Option<Child>,
    rate_hz: u32,
}

/// Why there can be none here, if so.
pub fn missing() -> Option<String> {
    let absent = |program: &&str| {
        let run = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        run.is_err()
    };
    let absent: Vec<&str> = ["pulseaudio", "pactl", "pacat", "paplay"].into_iter().filter(absent).collect();
    (!absent.is_empty()).then(|| format!("{} missing: apt-get install pulseaudio pulseaudio-utils", absent.join(", ")))
}

impl Room {
    pub fn open(rate_hz: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut server = inside(folder.path(), "pulseaudio");
        server.args(["-n", "--daemonize=no", "--exit-idle-time=-1", "--disallow-exit=no", "--use-pid-file=no"]);
        server.args(["--realtime=no", "--high-priority=no", "-L"]);
        server.arg(format!("module-native-protocol-unix socket={}/native auth-anonymous=1", folder.path().display()));
        let log = std::fs::File::create(folder.path().join("server.log")).unwrap();
        let server = server.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        let mut room = Self { folder, server, noise: None, rate_hz };
        let began = Instant::now();
        while !room.control(&["info"]) {
            assert!(began.elapsed() < Duration::from_secs(10), "the sound server does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        room.furnish();
        room
    }

    /// A program in this room.
    pub fn command(&self, program: &str) -> Command {
        inside(self.folder.path(), program)
    }

    fn control(&self, arguments: &[&str]) -> bool {
        let mut pactl = self.command("pactl");
        pactl.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success()
    }

    /// Puts the loudspeaker in, and the microphone with it.
    pub fn furnish(&mut self) {
        let (rate, name) = (format!("rate={}", self.rate_hz), "sink_name=room");
        assert!(self.control(&["load-module", "module-null-sink", name, &rate, "channels=1", "format=float32le"]));
        // An idle null sink works in blocks of 2 s; a stream of zeros keeps them short and changes no sample.
        let mut zeros = self.command("pacat");
        zeros.args(["-d", "room", "--rate", &self.rate_hz.to_string(), "--channels=1", "--format=float32le"]);
        let zeros = zeros.arg("--latency-msec=20").stdin(std::fs::File::open("/dev/zero").unwrap()).spawn();
        self.noise = Some(zeros.unwrap());
        std::thread::sleep(Duration::from_millis(2_500));
    }

    /// Takes both away.
    pub fn clear(&mut self) {
        if let Some(mut noise) = self.noise.take() {
            let _ = noise.kill();
            let _ = noise.wait();
        }
        assert!(self.control(&["unload-module", "module-null-sink"]));
    }

    /// Somebody has opened the microphone.
    pub fn is_heard(&self) -> bool {
        let output = self.command("pactl").args(["list", "short", "source-outputs"]).output().unwrap();
        !output.stdout.is_empty()
    }

    /// Plays a WAV file to its end.
    pub fn play(&self, file: &Path) {
        let mut play = self.command("paplay");
        assert!(play.args(["-d", "room"]).arg(file).status().unwrap().success());
    }
}

fn inside(folder: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PULSE_RUNTIME_PATH", folder).env("PULSE_STATE_PATH", folder).env("HOME", folder);
    command.env("PULSE_SERVER", format!("unix:{}/native", folder.display()));
    command
}

impl Drop for Room {
    fn drop(&mut self) {
        for child in self.noise.iter_mut().chain([&mut self.server]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

//! The same products by another program, which takes its turns when it is told: what cannot be in this one's dependencies
//! can still be compared round by round. `SYRINX_RIVAL` names it; `benches/candle` is one.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use syrinx_quant::DType;

pub struct Products {
    child: Child,
    tasks: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Products {
    /// The program with one product for each shape (rows, columns), of `count` columns; none where none was named.
    pub fn new(dtype: DType, shapes: &[(usize, usize)], count: usize, threads: usize) -> Option<Self> {
        let mut command = Command::new(std::env::var_os("SYRINX_RIVAL")?);
        command.args([dtype.name(), &count.to_string()]).args(shapes.iter().map(|(r, c)| format!("{r}x{c}")));
        command.env("RAYON_NUM_THREADS", threads.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("SYRINX_RIVAL names a program");
        let tasks = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe"));
        Some(Self { child, tasks, answers })
    }

    /// Seconds of one round.
    pub fn run(&mut self) -> f64 {
        writeln!(self.tasks).expect("the rival listens");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the rival answers");
        line.trim().parse::<f64>().expect("nanoseconds") / 1e9
    }
}

impl Drop for Products {
    fn drop(&mut self) {
        // It has nothing to lose.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! `syrinx voices`: the names that `say --voice` takes.

use syrinx::Result;

use super::output::outln;

#[derive(Debug, clap::Args)]
pub struct Voices {
    #[command(flatten)]
    pack: super::arguments::PackArguments,
}

impl Voices {
    pub fn run(self) -> Result<()> {
        let pack = self.pack.open()?;
        for voice in pack.load_voices()?.iter() {
            outln!("{}\t{} rows", voice.name, voice.rows.len() / pack.shape().dim)?;
        }
        Ok(())
    }
}

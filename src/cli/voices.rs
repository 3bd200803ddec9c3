//! `syrinx voices`: the names that `say --voice` takes.

use syrinx::Result;

#[derive(Debug, clap::Args)]
pub struct Voices {
    #[command(flatten)]
    pack: super::PackArguments,
}

impl Voices {
    pub fn run(self) -> Result<()> {
        let pack = self.pack.open()?;
        for name in pack.voices() {
            let rows = pack.voice(Some(name))?.rows.len() / pack.shape().dim;
            println!("{name}\t{rows} rows");
        }
        Ok(())
    }
}

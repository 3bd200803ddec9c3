//! `syrinx voices`: the names that `say --voice` takes.

use syrinx::Result;

#[derive(Debug, clap::Args)]
pub struct Voices {
    #[command(flatten)]
    pack: super::arguments::PackArguments,
}

impl Voices {
    pub fn run(self) -> Result<()> {
        let pack = self.pack.open()?;
        for voice in pack.load_voices()?.iter() {
            println!("{}\t{} rows", voice.name, voice.rows.len() / pack.shape().dim);
        }
        Ok(())
    }
}

//! Prints what a program of another crate speaks.

mod speak;

fn main() -> syrinx::Result<()> {
    let pack = std::env::args().nth(1).unwrap_or_default();
    println!("{}", speak::line(pack.as_ref())?);
    Ok(())
}

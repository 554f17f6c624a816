//! Draws `docs/detection/*.svg` from the figures beside them (`score-nab` and `score-spend` write those) and from the spend series.
#![allow(clippy::print_stdout)] // printing is what it is for

use std::path::PathBuf;

use score::pictures::pictures;

fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().map_or_else(|| PathBuf::from("docs/detection"), PathBuf::from);
    let data = arguments.next().map_or_else(|| PathBuf::from("data/servegen"), PathBuf::from);
    for (name, svg) in pictures(&folder, &data)? {
        let path = folder.join(name);
        println!("{} {} bytes", path.display(), svg.len());
        std::fs::write(path, svg)?;
    }
    Ok(())
}

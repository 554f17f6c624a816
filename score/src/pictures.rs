//! Which pictures there are in `docs/detection`.

use std::path::Path;

use anyhow::{Context, ensure};

use crate::example::Example;
use crate::figures::Figures;
use crate::spend::{KINDS, Kind, read, troubles};
use crate::{files, plot};

/// The seed of the table in `docs/DETECTION.md`.
pub const SEED: u64 = 1;
/// A picture for each: file, series and trouble.
const EXAMPLES: [(&str, &str, Kind); 3] = [
    ("runaway.svg", "m-large/all", Kind::Runaway),
    ("off_hours.svg", "m-large/20", Kind::OffHours),
    ("step.svg", "m-small/all", Kind::Step),
];

/// File names and contents, from `nab.tsv` and `spend.tsv` in `folder` and the spend series in `data`.
///
/// # Errors
/// A file is missing or has another form.
pub fn pictures(folder: &Path, data: &Path) -> anyhow::Result<Vec<(&'static str, String)>> {
    let figures = |name: &str| Figures::parse(&files::text(&folder.join(name))?).with_context(|| name.to_owned());
    let (nab, spend) = (figures("nab.tsv")?, figures("spend.tsv")?);
    ensure!(spend.columns.len() == 2 * KINDS.len() + 1, "spend.tsv: expected recall and delay of each kind, and the total");
    let recall = spend.of_columns(0, KINDS.len() + 1);
    let mut delay = spend.of_columns(KINDS.len() + 1, spend.columns.len());
    delay.columns = KINDS.map(|kind| kind.name().to_owned()).to_vec();
    let mut all = vec![
        ("nab.svg", plot::bars("Numenta Anomaly Benchmark 1.1, 31 series: score by profile", &nab, 100.0, 2)),
        ("recall.svg", plot::bars("Spend: share of the injected trouble found, at one alert per series and week", &recall, 1.0, 2)),
        ("delay.svg", plot::bars("Spend: median hours from the start to the alert, of what was found", &delay, 40.0, 0)),
    ];
    let series = read(data)?;
    let troubles = troubles(&series, SEED);
    for (file, name, kind) in EXAMPLES {
        let example = Example::of(&series, &troubles, name, kind).with_context(|| format!("no {} in {name}", kind.name()))?;
        all.push((file, plot::hours(&example)));
    }
    Ok(all)
}

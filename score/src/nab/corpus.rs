//! Labelled series from a folder of the benchmark's form: `data/**/*.csv` and `combined_windows.json`, each plain or gzip.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::{Context, ensure};
use jiff::civil::DateTime;

use crate::files;

/// Share of a series at its start that is not scored.
const PROBATION_SHARE: f64 = 0.15;
/// Most points that are not scored.
const MOST_PROBATION: usize = 750;
/// Differences of time from which the cadence is taken.
const CADENCE_POINTS: usize = 200;

/// All series of a folder.
#[derive(Debug)]
pub struct Corpus {
    /// Sorted by name.
    pub series: Vec<Labelled>,
    /// Listed in `combined_windows.json`, but without a file.
    pub missing: Vec<String>,
}

/// One series and its windows.
#[derive(Debug)]
pub struct Labelled {
    /// As in `combined_windows.json`, e.g. `realTweets/Twitter_volume_IBM.csv`.
    pub name: String,
    /// Seconds since 1970.
    pub at_s: Vec<i64>,
    /// One for each time.
    pub values: Vec<f64>,
    /// Anomaly windows: first and last row, in order.
    pub windows: Vec<(usize, usize)>,
}

impl Corpus {
    /// Reads the folder.
    ///
    /// # Errors
    /// When a file cannot be read, has another form, or a window's end is not a time of its series.
    pub fn read(folder: &Path) -> anyhow::Result<Self> {
        let listed = files::plain_or_packed(&folder.join("combined_windows.json"))
            .with_context(|| format!("{} has no combined_windows.json: it is not a folder of the benchmark's form", folder.display()))?;
        let windows: BTreeMap<String, Vec<(String, String)>> = serde_json::from_str(&files::text(&listed)?)
            .context("combined_windows.json: expected series names with lists of [from, to]")?;
        let mut corpus = Corpus { series: Vec::new(), missing: Vec::new() };
        for (name, windows) in windows {
            match files::plain_or_packed(&folder.join("data").join(&name)) {
                None => corpus.missing.push(name),
                Some(path) => {
                    let series = Labelled::parse(&name, &files::text(&path)?, &windows).with_context(|| format!("series {name}"))?;
                    corpus.series.push(series);
                }
            }
        }
        ensure!(!corpus.series.is_empty(), "{} has no series: expected data/**/*.csv as listed in combined_windows.json", folder.display());
        Ok(corpus)
    }
}

impl Labelled {
    fn parse(name: &str, text: &str, windows: &[(String, String)]) -> anyhow::Result<Self> {
        let mut at_s = Vec::new();
        let mut values = Vec::new();
        for (number, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty()) {
            let parsed = line.split_once(',').and_then(|(at, value)| Some((seconds(at)?, value.trim().parse().ok()?)));
            let (at, value): (i64, f64) = parsed.with_context(|| format!("line {}: expected time,value, found {line:?}", number + 1))?;
            at_s.push(at);
            values.push(value);
        }
        let mut row_of: HashMap<i64, usize> = HashMap::with_capacity(at_s.len());
        for (row, at) in at_s.iter().enumerate() {
            row_of.entry(*at).or_insert(row);
        }
        let row = |time: &str| {
            let row = seconds(time).and_then(|at| row_of.get(&at).copied());
            row.with_context(|| format!("window border {time} is no time of the series"))
        };
        let mut rows = Vec::with_capacity(windows.len());
        for (from, to) in windows {
            rows.push((row(from)?, row(to)?));
        }
        rows.sort_unstable();
        Ok(Labelled { name: name.to_owned(), at_s, values, windows: rows })
    }

    /// First row that is scored. The benchmark's own figure: a detector is not told it.
    pub fn probation(&self) -> usize {
        ((PROBATION_SHARE * self.values.len() as f64) as usize).min(MOST_PROBATION)
    }

    /// Usual seconds between two points, from the first of them.
    pub fn step_s(&self) -> u32 {
        let mut steps: Vec<i64> = self.at_s.windows(2).take(CADENCE_POINTS).map(|pair| pair[1] - pair[0]).collect();
        steps.sort_unstable();
        steps.get(steps.len() / 2).and_then(|step| u32::try_from(*step).ok()).unwrap_or(1).max(1)
    }

    /// The benchmark's group, e.g. `realTweets`.
    pub fn group(&self) -> &str {
        self.name.split('/').next().unwrap_or_default()
    }
}

/// `2014-02-26 22:05:00.000000` in seconds since 1970, parts of a second cut off.
fn seconds(text: &str) -> Option<i64> {
    let time: DateTime = text.trim().parse().ok()?;
    let since = time.duration_since(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0));
    Some(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_found_by_its_times() {
        let text = "timestamp,value\n2014-02-14 14:30:00,1\n2014-02-14 14:35:00,2.5\n2014-02-14 14:40:00,3\n";
        let windows = [("2014-02-14 14:35:00.000000".to_owned(), "2014-02-14 14:40:00.000000".to_owned())];
        let series = Labelled::parse("a/b.csv", text, &windows).unwrap();
        assert_eq!((series.windows.as_slice(), series.step_s(), series.group()), (&[(1, 2)][..], 300, "a"));
    }

    #[test]
    fn a_window_border_outside_the_series_is_refused() {
        let windows = [("2014-02-14 14:31:00".to_owned(), "2014-02-14 14:40:00".to_owned())];
        assert!(Labelled::parse("a/b.csv", "timestamp,value\n2014-02-14 14:30:00,1\n", &windows).is_err());
    }
}

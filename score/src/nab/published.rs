//! What others reach. Whole corpus: the benchmark's leaderboard. The half in `data/nab`: worked out from the scores that the benchmark's repository publishes for each
//! series (taken over from this project's specification).

/// A published detector.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// Detector, and what it is told in advance.
    pub name: &'static str,
    /// Standard, reward low FP, reward low FN on all 58 series.
    pub whole: [f64; 3],
    /// The same on the 31 series that this project has.
    pub half: [f64; 3],
}

/// Series that the project has a copy of.
pub const HALF: usize = 31;
/// Series of the whole corpus.
pub const WHOLE: usize = 58;

/// The best ones and the best known.
pub const PUBLISHED: [Published; 4] = [
    Published { name: "ARTime (told min, max and length)", whole: [74.9, 65.2, 80.4], half: [78.2, 70.4, 83.1] },
    Published { name: "Numenta HTM", whole: [70.1, 63.2, 74.3], half: [71.2, 65.0, 75.9] },
    Published { name: "CAD OSE", whole: [69.9, 67.0, 73.2], half: [74.1, 71.7, 76.9] },
    Published { name: "Random Cut Forest (AWS)", whole: [51.7, 38.4, 59.7], half: [52.0, 38.3, 61.0] },
];

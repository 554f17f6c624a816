//! The benchmark's score of a corpus: windows rewarded by how early the first alert in them is, false alerts by how far they are from a window.
//!
//! A threshold is chosen per profile over the whole corpus, as the benchmark does. To try them all, scores are sorted once and points added from the
//! highest down; a window is worth its earliest alert so far.

use super::Labelled;

/// How much a find, a false alert and a miss weigh.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    /// As published.
    pub name: &'static str,
    find: f64,
    false_alert: f64,
    miss: f64,
}

/// The benchmark's three.
pub const PROFILES: [Profile; 3] = [
    Profile { name: "standard", find: 1.0, false_alert: 0.11, miss: 1.0 },
    Profile { name: "reward low FP", find: 1.0, false_alert: 0.22, miss: 1.0 },
    Profile { name: "reward low FN", find: 1.0, false_alert: 0.11, miss: 2.0 },
];

/// The best score of a corpus.
#[derive(Clone, Copy, Debug)]
pub struct Best {
    /// 0 for a detector that never alerts, 100 for a perfect one.
    pub score: f64,
    /// Scores of at least this alert.
    pub threshold: f64,
}

/// A scored row.
#[derive(Clone, Copy, Debug)]
struct Row {
    score: f64,
    /// Number of the window over the corpus; `None` outside.
    window: Option<usize>,
    /// Between -1 and 1.
    worth: f64,
}

/// The best score over all thresholds; `scores` has one number for each row of each series.
pub fn best(series: &[&Labelled], scores: &[&[f64]], profile: Profile) -> Best {
    let mut rows = Vec::new();
    let mut windows = 0;
    for (series, scores) in series.iter().zip(scores) {
        let worths = worths(series);
        let scored = worths.iter().zip(scores.iter()).skip(series.probation());
        rows.extend(scored.map(|(&(window, worth), &score)| Row { score, window: window.map(|window| window + windows), worth }));
        windows += series.windows.len();
    }
    rows.sort_by(|left, right| right.score.total_cmp(&left.score));
    let nothing_found = -profile.miss * windows as f64;
    let mut best = Best { score: nothing_found, threshold: f64::INFINITY };
    let mut of_window = vec![-profile.miss; windows];
    let mut total = nothing_found;
    for (place, row) in rows.iter().enumerate() {
        match row.window {
            None => total += row.worth * profile.false_alert,
            Some(window) => {
                let gained = (row.worth / scaled_sigmoid(-1.0) * profile.find).max(of_window[window]);
                total += gained - of_window[window];
                of_window[window] = gained;
            }
        }
        let last_of_ties = rows.get(place + 1).is_none_or(|next| next.score < row.score);
        if last_of_ties && total > best.score {
            best = Best { score: total, threshold: row.score };
        }
    }
    let perfect = profile.find * windows as f64;
    best.score = 100.0 * (best.score - nothing_found) / (perfect - nothing_found);
    best
}

/// The score when every series is judged with a threshold that was chosen without it: on the series of all other groups.
pub fn of_left_out_groups(series: &[&Labelled], scores: &[&[f64]], profile: Profile) -> f64 {
    let mut groups: Vec<&str> = series.iter().map(|series| series.group()).collect();
    groups.dedup();
    let mut folds = Vec::new();
    for group in groups {
        folds.push((0..series.len()).map(|place| series[place].group() == group).collect());
    }
    of_folds(series, scores, profile, &folds)
}

/// The score of one half with the threshold of the other, both ways; `in_first` says which series are in the first half.
pub fn of_halves(series: &[&Labelled], scores: &[&[f64]], profile: Profile, in_first: &[bool]) -> f64 {
    let in_second = in_first.iter().map(|is_first| !is_first).collect();
    of_folds(series, scores, profile, &[in_first.to_vec(), in_second])
}

/// Judges each fold with the threshold of the others; all folds make one score.
fn of_folds(series: &[&Labelled], scores: &[&[f64]], profile: Profile, folds: &[Vec<bool>]) -> f64 {
    let chosen = |fold: &[bool], is_in: bool| {
        let places = fold.iter().enumerate().filter(|(_, in_fold)| **in_fold == is_in).map(|(place, _)| place);
        places.map(|place| (series[place], scores[place])).unzip::<_, _, Vec<_>, Vec<_>>()
    };
    let mut total = 0.0;
    for fold in folds {
        let (others, of_others) = chosen(fold, false);
        let threshold = best(&others, &of_others, profile).threshold;
        let (judged, of_judged) = chosen(fold, true);
        total += judged.iter().zip(of_judged).map(|(series, scores)| at(series, scores, profile, threshold)).sum::<f64>();
    }
    let windows: usize = series.iter().map(|series| series.windows.len()).sum();
    100.0 * (total / windows as f64 + profile.miss) / (profile.find + profile.miss)
}

/// Points of one series at a threshold.
fn at(series: &Labelled, scores: &[f64], profile: Profile, threshold: f64) -> f64 {
    let mut of_window = vec![-profile.miss; series.windows.len()];
    let mut false_alerts = 0.0;
    let rows = worths(series).into_iter().zip(scores).skip(series.probation());
    for ((window, worth), _) in rows.filter(|(_, score)| **score >= threshold) {
        match window {
            None => false_alerts += worth * profile.false_alert,
            Some(window) => of_window[window] = (worth / scaled_sigmoid(-1.0) * profile.find).max(of_window[window]),
        }
    }
    of_window.iter().sum::<f64>() + false_alerts
}

/// For each row: its window, and what an alert there is worth before the profile's weights.
fn worths(series: &Labelled) -> Vec<(Option<usize>, f64)> {
    let mut worths = Vec::with_capacity(series.values.len());
    let mut upcoming = series.windows.iter().enumerate().peekable();
    let mut current: Option<(usize, (usize, usize))> = None;
    let mut past: Option<(usize, f64)> = None;
    for row in 0..series.values.len() {
        if current.is_none()
            && let Some((number, &window)) = upcoming.next_if(|(_, window)| window.0 == row)
        {
            current = Some((number, window));
        }
        match current {
            Some((number, (from, to))) => {
                let rows = (to - from + 1) as f64;
                worths.push((Some(number), scaled_sigmoid(-((to - row + 1) as f64) / rows)));
                if row == to {
                    past = Some((to, rows));
                    current = None;
                }
            }
            None => {
                let worth = past.map_or(-1.0, |(end, rows)| scaled_sigmoid((row - end) as f64 / (rows - 1.0)));
                worths.push((None, worth));
            }
        }
    }
    worths
}

/// 1 long before a window's end, 0 at it, -1 from three windows' lengths after it.
fn scaled_sigmoid(distance: f64) -> f64 {
    if distance > 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * distance).exp()) - 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Labelled {
        let rows = 100;
        Labelled { name: "a/b".to_owned(), at_s: (0..rows).collect(), values: vec![0.0; rows as usize], windows: vec![(50, 59)] }
    }

    fn scored(alerts: &[usize], profile: Profile) -> f64 {
        let series = series();
        let mut scores = vec![0.0; 100];
        alerts.iter().for_each(|row| scores[*row] = 1.0);
        best(&[&series], &[&scores], profile).score
    }

    #[test]
    fn an_alert_at_a_windows_first_row_is_perfect() {
        assert!((scored(&[50], PROFILES[0]) - 100.0).abs() < 1e-9);
    }

    #[test]
    fn no_alert_is_worth_nothing_and_a_late_one_half() {
        assert!(scored(&[], PROFILES[0]).abs() < 1e-9);
        let late = scored(&[59], PROFILES[0]);
        assert!(late > 50.0 && late < 80.0, "{late}");
    }

    #[test]
    fn a_false_alert_costs_eleven_hundredths_of_a_window() {
        assert!((scored(&[50, 30], PROFILES[0]) - (100.0 - 100.0 * 0.11 / 2.0)).abs() < 1e-9);
        assert!((scored(&[50, 30], PROFILES[1]) - (100.0 - 100.0 * 0.22 / 2.0)).abs() < 1e-9);
    }

    #[test]
    fn one_threshold_gives_the_points_of_the_sweep() {
        let series = series();
        let scores: Vec<f64> = (0..100_u32).map(|row| f64::from(row * 37 % 100)).collect();
        for profile in PROFILES {
            let best = best(&[&series], &[&scores], profile);
            let points = at(&series, &scores, profile, best.threshold);
            let score = 100.0 * (points + profile.miss) / (profile.find + profile.miss);
            assert!((score - best.score).abs() < 1e-9, "{score} {}", best.score);
        }
    }

    #[test]
    fn probation_is_not_scored() {
        assert!((scored(&[50, 3], PROFILES[0]) - 100.0).abs() < 1e-9);
    }
}

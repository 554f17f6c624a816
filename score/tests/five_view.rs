//! The prototype's port gives the numbers of its Python original, point by point.

#![allow(clippy::unwrap_used)] // helpers of tests

use score::rivals::five_view::FiveView;

/// Days of two levels with noise, three outliers and a step; arithmetic only, so that two languages make the same bits.
fn series(points: usize) -> Vec<f64> {
    let mut noise: u64 = 12_345;
    (0..points)
        .map(|point| {
            noise = (noise * 1_103_515_245 + 12_345) % 2_147_483_648;
            let by_day = if (8..20).contains(&(point % 24)) { 8.0 } else { 0.0 };
            let usual = (10.0 + by_day) * (0.8 + 0.4 * (noise as f64 / 2_147_483_648.0));
            let outlier = if [400, 401, 700].contains(&point) { usual * 4.0 } else { usual };
            if point >= 900 { outlier + 6.0 } else { outlier }
        })
        .collect()
}

fn assert_equals_golden(golden: &str, increases_only: bool) {
    let mut detector = FiveView::new(3600.0, 60, increases_only);
    let found: Vec<Vec<f64>> = (0_u32..)
        .zip(series(1200))
        .map(|(hour, value)| {
            let found = detector.step(f64::from(hour) * 3600.0, value);
            [found.alert, found.surprise].into_iter().chain(found.views).collect()
        })
        .collect();
    for line in golden.lines().skip(1) {
        let (point, numbers) = line.split_once('\t').unwrap();
        for (ours, theirs) in found[point.parse::<usize>().unwrap()].iter().zip(numbers.split('\t')) {
            assert!((ours - theirs.parse::<f64>().unwrap()).abs() < 1e-9, "point {point}: {ours} is not {theirs}");
        }
    }
}

#[test]
fn both_signs_are_as_in_the_original() {
    assert_equals_golden(include_str!("golden/five_view_both.tsv"), false);
}

#[test]
fn increases_only_is_as_in_the_original() {
    assert_equals_golden(include_str!("golden/five_view_up.tsv"), true);
}

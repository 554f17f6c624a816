//! A picture of every acceptance case in `docs/rhythm`: `cargo run -p detection --example rhythm_pictures`.
//!
//! Above, spend (bars) and what was expected of it (line); in the middle coherence, phase and entropy, 0 to 1; below, the state.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic, reason = "a program to be run by hand")]

#[path = "../tests/rhythm_traces/mod.rs"]
mod rhythm_traces;

use std::fmt::Write as _;
use std::path::Path;

use detection::rhythm::{Judgement, Limits, State};
use rhythm_traces::{case, judged};

const CASES: [(&str, &str); 11] = [
    ("constant", "constant"),
    ("constant + 30% noise", "noise"),
    ("clean daily cycle", "daily"),
    ("weekday/weekend cycle", "weekly"),
    ("growth +3%/day", "growth"),
    ("daily + 1 spike (200x night) day 20", "spike_day_20"),
    ("daily + 1 spike 2 days ago", "spike_2_days_ago"),
    ("daily moved by 8 h last 4 days", "moved_by_8_h"),
    ("lognormal chaos s=1.5", "lognormal"),
    ("zero spend", "zero"),
    ("only 2 days of data", "two_days"),
];
/// One pixel an hour.
const WIDTH: usize = 672;
const SPEND_TOP: f64 = 24.0;
const SPEND_HEIGHT: f64 = 90.0;
const MEASURES_TOP: f64 = 126.0;
const MEASURES_HEIGHT: f64 = 80.0;
const STATE_TOP: f64 = 214.0;
const LEFT: f64 = 4.0;

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rhythm");
    std::fs::create_dir_all(&folder).expect("a folder to write to");
    for (name, file) in CASES {
        let picture = picture(name, &judged(&case(name), &Limits::default()));
        let path = folder.join(format!("{file}.svg"));
        println!("{} {} bytes", path.display(), picture.len());
        std::fs::write(path, picture).expect("a file to write");
    }
}

fn picture(name: &str, judgements: &[Judgement]) -> String {
    let last = judgements.last().expect("hours");
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} 250\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        WIDTH + 8
    );
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.2}"));
    let title = format!(
        "{name}: coherence {}, phase {}, entropy {}, {}",
        number(last.coherence),
        number(last.phase.smallest()),
        number(last.entropy),
        last.state
    );
    let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"15\" font-weight=\"bold\">{title}</text>");

    let top = judgements.iter().map(|judgement| judgement.actual.max(judgement.expected)).fold(1e-9, f64::max);
    let spend_y = |amount: f64| SPEND_TOP + SPEND_HEIGHT * (1.0 - amount / top);
    let mut bars = String::new();
    for (hour, judgement) in judgements.iter().enumerate().filter(|(_, judgement)| judgement.actual > 0.0) {
        let _ = write!(bars, "M{} {:.0}V{:.1}", LEFT + hour as f64, SPEND_TOP + SPEND_HEIGHT, spend_y(judgement.actual));
    }
    let _ = writeln!(svg, "<path d=\"{bars}\" stroke=\"#9db8d9\" fill=\"none\"/>");
    line(&mut svg, "#c0392b", judgements.iter().map(|judgement| judgement.hour.map(|_| spend_y(judgement.expected))));

    let measure_y = |value: f64| MEASURES_TOP + MEASURES_HEIGHT * (1.0 - value);
    for grid in [0.0, 0.5, 1.0] {
        let y = measure_y(grid);
        let _ = writeln!(svg, "<path d=\"M{LEFT} {y}h{WIDTH}\" stroke=\"#ddd\"/>");
    }
    line(&mut svg, "#27763d", judgements.iter().map(|judgement| judgement.coherence.map(measure_y)));
    line(&mut svg, "#8e44ad", judgements.iter().map(|judgement| judgement.phase.smallest().map(measure_y)));
    line(&mut svg, "#d98200", judgements.iter().map(|judgement| judgement.entropy.map(measure_y)));

    let mut from = 0;
    for to in 1..=judgements.len() {
        if to < judgements.len() && judgements[to].state == judgements[from].state {
            continue;
        }
        let (x, width) = (LEFT + from as f64, to - from);
        let state = judgements[from].state;
        let _ = writeln!(svg, "<rect x=\"{x}\" y=\"{STATE_TOP}\" width=\"{width}\" height=\"12\" fill=\"{}\"/>", colour(state));
        if width > 70 {
            let _ = writeln!(svg, "<text x=\"{}\" y=\"{}\" fill=\"#fff\" font-size=\"9\">{state}</text>", x + 3.0, STATE_TOP + 9.0);
        }
        from = to;
    }
    let legend = [("#9db8d9", "spend"), ("#c0392b", "expected"), ("#27763d", "coherence"), ("#8e44ad", "phase"), ("#d98200", "entropy")];
    for (place, (colour, what)) in legend.iter().enumerate() {
        let _ = writeln!(svg, "<text x=\"{}\" y=\"243\" fill=\"{colour}\">{what}</text>", LEFT + 80.0 * place as f64);
    }
    svg.push_str("</svg>\n");
    svg
}

/// A line through the values that there are.
fn line(svg: &mut String, colour: &str, values: impl Iterator<Item = Option<f64>>) {
    let mut path = String::new();
    for (hour, y) in values.enumerate() {
        if let Some(y) = y {
            let _ = write!(path, "{}{} {y:.1}", if path.is_empty() { 'M' } else { 'L' }, LEFT + hour as f64);
        }
    }
    if !path.is_empty() {
        let _ = writeln!(svg, "<path d=\"{path}\" stroke=\"{colour}\" fill=\"none\"/>");
    }
}

fn colour(state: State) -> &'static str {
    match state {
        State::Learning => "#7f8c8d",
        State::Idle => "#b5bdc0",
        State::Resonant => "#27763d",
        State::Dissonant => "#d98200",
        State::Chaotic => "#c0392b",
    }
}

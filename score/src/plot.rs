//! Pictures of figures and of series, as SVG: `docs/detection`. The same figures give the same bytes.

use crate::example::Example;
use crate::figures::Figures;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 320.0;
/// The plot's area: its left, top and bottom edge.
const LEFT: f64 = 48.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 262.0;
/// Of the first method, which is ours, and of the others.
const COLOURS: [&str; 8] = ["#c0392b", "#2c3e50", "#2980b9", "#7fb3d5", "#27763d", "#8bb89a", "#d98200", "#b5bdc0"];

/// Groups of bars: a group for each column, in it a bar for each row, the first one with its value.
pub fn bars(title: &str, figures: &Figures, top: f64, decimals: usize) -> String {
    let mut svg = open(title);
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * (value / top).clamp(0.0, 1.0);
    grid(&mut svg, top, y);
    let group = (WIDTH - LEFT) / figures.columns.len().max(1) as f64;
    let bar = group * 0.86 / figures.rows.len().max(1) as f64;
    for (place, column) in figures.columns.iter().enumerate() {
        let left = LEFT + group * (place as f64 + 0.07);
        for (row, (name, values)) in figures.rows.iter().enumerate().filter(|(_, (_, values))| values[place].is_finite()) {
            let (x, value) = (left + bar * row as f64, values[place]);
            put(
                &mut svg,
                &format!(
                    "<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"><title>{name}, {column}: {value:.decimals$}</title></rect>",
                    y(value),
                    bar * 0.92,
                    BOTTOM - y(value),
                    COLOURS[row % COLOURS.len()]
                ),
            );
            if row == 0 {
                put(&mut svg, &format!("<text x=\"{x:.1}\" y=\"{:.1}\" font-weight=\"bold\">{value:.decimals$}</text>", y(value) - 4.0));
            }
        }
        let middle = LEFT + group * (place as f64 + 0.5);
        put(&mut svg, &format!("<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{column}</text>", BOTTOM + 16.0));
    }
    let names: Vec<(&str, &str)> =
        figures.rows.iter().enumerate().map(|(row, (name, _))| (name.as_str(), COLOURS[row % COLOURS.len()])).collect();
    legend(&mut svg, &names);
    svg + "</svg>\n"
}

/// A series hour by hour: what it spends, what was injected, what was expected, from where on it is a spike, and when it was told.
pub fn hours(example: &Example) -> String {
    let delay = match example.told {
        Some(told) => format!("told {} h after it began", told - example.began),
        None => "not told".to_owned(),
    };
    let mut svg = open(&format!("{}: {}, {delay}", example.name, example.kind));
    let largest = example.hours.iter().map(|hour| hour.spend).fold(0.0, f64::max);
    let top = round_top(largest * 1.15);
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * (value / top).clamp(0.0, 1.0);
    grid(&mut svg, top, y);
    let step = (WIDTH - LEFT) / example.hours.len().max(1) as f64;
    let x = |place: usize| LEFT + step * place as f64;
    for (place, hour) in example.hours.iter().enumerate() {
        for (from, to, colour) in [(0.0, hour.untouched, "#9db8d9"), (hour.untouched, hour.spend, "#e59866")] {
            if to > from {
                let (high, low) = (y(to), y(from));
                put(
                    &mut svg,
                    &format!(
                        "<rect x=\"{:.1}\" y=\"{high:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
                        x(place),
                        step * 0.86,
                        low - high
                    ),
                );
            }
        }
    }
    let (mut expected, mut limit) = (String::new(), String::new());
    for (place, hour) in example.hours.iter().enumerate() {
        let path = |path: &mut String, value: f64| {
            let command = if path.is_empty() { 'M' } else { 'L' };
            path.push_str(&format!("{command}{:.1} {:.1}h{step:.1}", x(place), y(value)));
        };
        path(&mut expected, hour.expected);
        path(&mut limit, hour.limit.unwrap_or(top));
    }
    put(&mut svg, &format!("<path d=\"{expected}\" stroke=\"#27763d\" fill=\"none\"/>"));
    put(&mut svg, &format!("<path d=\"{limit}\" stroke=\"#c0392b\" fill=\"none\" stroke-dasharray=\"4 2\"/>"));
    if let Some(told) = example.told {
        let middle = x(told) + step / 2.0;
        put(&mut svg, &format!("<path d=\"M{middle:.1} {TOP}V{BOTTOM}\" stroke=\"#c0392b\" stroke-width=\"0.7\"/>"));
        put(&mut svg, &format!("<text x=\"{:.1}\" y=\"{:.1}\" fill=\"#c0392b\">told</text>", middle + 4.0, TOP + 10.0));
    }
    for day in (0..example.hours.len()).step_by(24) {
        put(&mut svg, &format!("<text x=\"{:.1}\" y=\"{:.1}\">day {}</text>", x(day), BOTTOM + 16.0, (example.first + day) / 24 + 1));
    }
    legend(&mut svg, &[("spend", "#9db8d9"), ("injected", "#e59866"), ("expected", "#27763d"), ("limit of the running hour", "#c0392b")]);
    svg + "</svg>\n"
}

fn open(title: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n<text x=\"4\" y=\"18\" font-size=\"13\" font-weight=\"bold\">{title}</text>\n"
    )
}

fn put(svg: &mut String, line: &str) {
    svg.push_str(line);
    svg.push('\n');
}

fn grid(svg: &mut String, top: f64, y: impl Fn(f64) -> f64) {
    for quarter in 0..=4 {
        let value = top * f64::from(quarter) / 4.0;
        let decimals = if top >= 20.0 { 0 } else { 2 };
        put(
            svg,
            &format!(
                "<path d=\"M{LEFT} {0:.1}H{WIDTH}\" stroke=\"#ddd\"/><text x=\"{1}\" y=\"{2:.1}\" text-anchor=\"end\" fill=\"#555\">{value:.decimals$}</text>",
                y(value),
                LEFT - 6.0,
                y(value) + 4.0
            ),
        );
    }
}

fn legend(svg: &mut String, names: &[(&str, &str)]) {
    let step = (WIDTH - LEFT) / 4.0;
    for (place, (name, colour)) in names.iter().enumerate() {
        let (x, y) = (LEFT + step * (place % 4) as f64, BOTTOM + 36.0 + 16.0 * (place / 4) as f64);
        put(svg, &format!("<rect x=\"{x:.1}\" y=\"{:.1}\" width=\"9\" height=\"9\" fill=\"{colour}\"/>", y - 8.0));
        put(svg, &format!("<text x=\"{:.1}\" y=\"{y:.1}\">{name}</text>", x + 14.0));
    }
}

/// The next 1, 2, 4 or 8 times a power of ten, from which quarters are round.
fn round_top(largest: f64) -> f64 {
    let power = 10_f64.powi(largest.max(1e-9).log10().floor() as i32);
    [1.0, 2.0, 4.0, 8.0, 10.0].into_iter().map(|factor| factor * power).find(|top| *top >= largest).unwrap_or(largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scale_ends_at_a_round_number_above_all_values() {
        for (largest, top) in [(0.3, 0.4), (1.0, 1.0), (4.1, 8.0), (81.0, 100.0)] {
            assert!((round_top(largest) - top).abs() < 1e-9, "{largest}: {}", round_top(largest));
        }
    }

    #[test]
    fn a_bar_is_as_high_as_its_value_and_what_there_is_not_has_none() {
        let mut figures = Figures::new(["one".to_owned()]);
        figures.push("ours", [0.5]);
        figures.push("none", [f64::NAN]);
        let svg = bars("t", &figures, 1.0, 2);
        assert_eq!(svg.matches("<title>").count(), 1);
        assert!(svg.contains("y=\"148.0\"") && svg.contains("height=\"114.0\"") && !svg.contains("NaN"), "{svg}");
    }
}

//! Columns as inline SVG: no script, no font, no colour of its own (the page's style gives them, in light and dark).

use super::Slot;
use super::html::escaped;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 220.0;
/// Room for the scale on the left and the names below.
const LEFT: f64 = 70.0;
const BELOW: f64 = 24.0;
const ABOVE: f64 = 10.0;

/// One column for each slot, in proportion to its cost; what costs less than nothing has none.
pub(super) fn columns(title: &str, slots: &[Slot], currency: &str) -> String {
    let costs: Vec<f64> = slots.iter().map(|slot| slot.cost.approximate().max(0.0)).collect();
    let top = nice_top(costs.iter().copied().fold(0.0, f64::max));
    let (area, step) = (HEIGHT - ABOVE - BELOW, (WIDTH - LEFT) / slots.len().max(1) as f64);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
        escaped(&format!("{title}: {}", summary(slots, currency)))
    );
    for quarter in 0..=4 {
        let y = ABOVE + area * (1.0 - f64::from(quarter) / 4.0);
        let value = top * f64::from(quarter) / 4.0;
        svg += &format!(
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
            LEFT - 8.0,
            y + 4.0,
            scale_text(value, top)
        );
    }
    // At most so many names that they do not touch.
    let every = (slots.len() as f64 * 48.0 / (WIDTH - LEFT)).ceil().max(1.0) as usize;
    for (number, (slot, cost)) in slots.iter().zip(&costs).enumerate() {
        let (x, height) = (LEFT + step * number as f64, area * cost / top);
        svg += &format!(
            "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>{}: {} {}, {} calls</title></rect>\n",
            x + step * 0.15,
            ABOVE + area - height,
            step * 0.7,
            escaped(&slot.name),
            slot.cost.short_in(currency),
            escaped(currency),
            slot.calls
        );
        if number % every == 0 {
            let name = slot.name.get(5..).unwrap_or(&slot.name);
            svg +=
                &format!("<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n", x + step / 2.0, HEIGHT - 6.0, escaped(name));
        }
    }
    svg + "</svg>\n"
}

fn summary(slots: &[Slot], currency: &str) -> String {
    match slots.iter().max_by_key(|slot| slot.cost) {
        Some(dearest) => format!("the dearest is {} with {} {currency}", dearest.name, dearest.cost.short_in(currency)),
        None => "no spend".to_owned(),
    }
}

/// The next 1, 2 or 5 times a power of ten.
fn nice_top(largest: f64) -> f64 {
    if largest <= 0.0 {
        return 1.0;
    }
    let power = 10_f64.powf(largest.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|top| *top >= largest).unwrap_or(largest)
}

fn scale_text(value: f64, top: f64) -> String {
    let decimals = if top >= 10.0 { 0 } else { (1.0 - top.log10().floor()).clamp(1.0, 12.0) as usize + 1 };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_a_round_number_above_all_columns() {
        for (largest, top) in [(0.0, 1.0), (1.0, 1.0), (1.1, 2.0), (48.0, 50.0), (51.0, 100.0), (0.03, 0.05)] {
            assert!((nice_top(largest) - top).abs() < 1e-9, "{largest}: {}", nice_top(largest));
        }
    }

    #[test]
    fn a_plot_of_nothing_and_names_of_others_do_no_harm() {
        let slot = Slot { name: "2026-<script>".to_owned(), calls: 0, cost: crate::Amount::default() };
        let svg = columns("By \"day\"", &[slot], "USD");
        assert!(!svg.contains("<script>") && svg.contains("&lt;script&gt;") && !svg.contains("NaN"), "{svg}");
        assert!(columns("x", &[], "USD").ends_with("</svg>\n"));
    }
}

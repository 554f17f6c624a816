//! The pictures in `docs/detection` are those of the figures beside them and of the detector as it is. If they change on purpose: `make plots`.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

use score::figures::Figures;
use score::pictures::pictures;

#[test]
fn every_picture_can_be_drawn_again_byte_for_byte() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = project.join("docs/detection");
    let drawn = pictures(&folder, &project.join("data/servegen")).unwrap();
    assert!(drawn.len() == 6);
    for (name, svg) in drawn {
        let kept = std::fs::read_to_string(folder.join(name)).unwrap();
        assert!(kept == svg, "{name} is not what is drawn now: `make plots`");
    }
}

#[test]
fn the_tables_of_the_page_have_the_figures_of_the_files() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = std::fs::read_to_string(project.join("docs/DETECTION.md")).unwrap();
    let figures = |name: &str| Figures::parse(&std::fs::read_to_string(project.join("docs/detection").join(name)).unwrap()).unwrap();
    let row = |name: &str, cells: Vec<String>| {
        let line = page.lines().find(|line| line.starts_with(&format!("| {name} |")) && line.contains(&cells[0]));
        let line = line.unwrap_or_else(|| panic!("no row of {name} with {}", cells[0])).replace('*', "");
        assert_eq!(line, format!("| {name} | {} |", cells.join(" | ")));
    };
    for (name, values) in figures("spend.tsv").rows {
        let kinds = (0..5).map(|kind| format!("{:.2} ({:.0})", values[kind], values[kind + 6])).chain([format!("{:.3}", values[5])]);
        row(&name, kinds.collect());
    }
    row("ours", figures("nab.tsv").rows[0].1.iter().map(|score| format!("{score:.2}")).collect());
}

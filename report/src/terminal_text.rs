//! Tables for a terminal.

/// Columns as wide as their widest cell; those in `right` end on the right.
pub(crate) fn table<const N: usize>(rows: &[[String; N]], right: std::ops::Range<usize>) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let room = " ".repeat(width - cell.chars().count());
            if right.contains(&column) { format!("{room}{cell}") } else { format!("{cell}{room}") }
        });
        format!("  {}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

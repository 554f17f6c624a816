//! The measured figures as files, so that plots can be drawn again without measuring again: `docs/detection/nab.tsv` and `spend.tsv`.

use std::path::Path;

use anyhow::{Context, ensure};

/// Figures of several methods. Each row has a name and a figure for each column; NaN where there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// What the figures of a row are.
    pub columns: Vec<String>,
    /// A method's name and its figures.
    pub rows: Vec<(String, Vec<f64>)>,
}

impl Figures {
    /// Without rows.
    pub fn new(columns: impl IntoIterator<Item = String>) -> Self {
        Figures { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Appends a method.
    pub fn push(&mut self, name: &str, figures: impl IntoIterator<Item = f64>) {
        self.rows.push((name.to_owned(), figures.into_iter().collect()));
    }

    /// Tabs between cells, the columns' names first, six decimals.
    pub fn to_text(&self) -> String {
        let mut text = format!("method\t{}\n", self.columns.join("\t"));
        for (name, figures) in &self.rows {
            text.push_str(name);
            figures.iter().for_each(|figure| text.push_str(&format!("\t{figure:.6}")));
            text.push('\n');
        }
        text
    }

    /// Reads what [`Self::to_text`] writes.
    ///
    /// # Errors
    /// A row with another number of cells than the first line, or a cell that is no number.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut lines = text.lines();
        let head = lines.next().context("expected a first line with the names of the columns, found nothing")?;
        let mut figures = Figures::new(head.split('\t').skip(1).map(str::to_owned));
        for line in lines {
            let mut cells = line.split('\t');
            let name = cells.next().unwrap_or_default().to_owned();
            let row = cells.map(|cell| cell.parse().with_context(|| format!("{name}: expected a number, found {cell:?}")));
            let row = row.collect::<anyhow::Result<Vec<f64>>>()?;
            ensure!(row.len() == figures.columns.len(), "{name}: expected {} figures, found {}", figures.columns.len(), row.len());
            figures.rows.push((name, row));
        }
        Ok(figures)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        std::fs::write(path, self.to_text()).with_context(|| format!("writing {}", path.display()))
    }

    /// Those of a few columns.
    pub fn of_columns(&self, from: usize, to: usize) -> Figures {
        let rows = self.rows.iter().map(|(name, figures)| (name.clone(), figures[from..to].to_vec()));
        Figures { columns: self.columns[from..to].to_vec(), rows: rows.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_as_they_are_written() {
        let mut figures = Figures::new(["a".to_owned(), "b".to_owned()]);
        figures.push("ours", [0.646, 4.0]);
        assert_eq!(figures.to_text(), "method\ta\tb\nours\t0.646000\t4.000000\n");
        assert_eq!(Figures::parse(&figures.to_text()).unwrap(), figures);
        for bad in ["", "method\ta\nours\tx", "method\ta\nours\t1\t2"] {
            assert!(Figures::parse(bad).is_err(), "{bad:?}");
        }
    }
}

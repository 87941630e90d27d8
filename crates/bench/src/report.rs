//! The table that a run prints.

use std::fmt::Write;

/// Rows in the order they were measured.
pub(crate) struct Report {
    machine: String,
    rows: Vec<(String, String)>,
}

impl Report {
    pub(crate) fn new(machine: String) -> Self {
        Self { machine, rows: Vec::new() }
    }

    /// Adds a figure and shows it at once: a run takes minutes.
    pub(crate) fn add(&mut self, what: impl Into<String>, figure: impl Into<String>) {
        let (what, figure) = (what.into(), figure.into());
        eprintln!("{what}: {figure}");
        self.rows.push((what, figure));
    }

    #[expect(clippy::print_stdout, reason = "the table is what this program is for")]
    pub(crate) fn print(&self) {
        print!("{}", self.table());
    }

    fn table(&self) -> String {
        let mut table = format!("Measured on: {}\n\n| what | figure |\n|---|---|\n", self.machine);
        for (what, figure) in &self.rows {
            let _ = writeln!(table, "| {what} | {figure} |");
        }
        table
    }
}

/// Median and spread of several runs, each shown by `show`.
pub(crate) fn median(mut values: Vec<f64>, show: impl Fn(f64) -> String) -> String {
    values.sort_by(f64::total_cmp);
    let (Some(min), Some(max)) = (values.first(), values.last()) else {
        return "nothing measured".into();
    };
    let middle = values.get(values.len() / 2).copied().unwrap_or(*min);
    format!("{} (median of {}, {} to {})", show(middle), values.len(), show(*min), show(*max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_run() {
        let text = median(vec![3.0, 1.0, 2.0], |value| format!("{value:.1}"));
        assert_eq!(text, "2.0 (median of 3, 1.0 to 3.0)");
    }

    #[test]
    fn rows_stand_in_the_order_of_measuring() {
        let mut report = Report::new("box".into());
        report.add("b", "1");
        report.add("a", "2");
        assert!(report.table().ends_with("| b | 1 |\n| a | 2 |\n"));
    }
}

//! docs/BENCHMARKS.md, made of the records alone: what it says can be no older than they are.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::goal::{Bound, Goal};
use crate::record::Record;
use crate::statistics::Summary;
use crate::{chat, transfer};

const INTRODUCTION: &str = "\
# Benchmarks

Simple Chat's downloads and its chat beside what else somebody could use, each part in one run on one machine.
`make bench-transfer` and `make bench-chat` measure again and write this file from `docs/benchmarks`; nothing here is
written by hand. Absolute figures move by tens of per cent from machine to machine and hour to hour; the ratios are
what counts. Medians stand first, the smallest and the largest run behind them.
";

/// What the document says of one part.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) goals: Vec<Goal>,
    pub(crate) text: String,
}

/// Writes it anew from what is in `docs/benchmarks`.
pub(crate) fn write(docs: &Path) -> Result<()> {
    Ok(fs::write(docs.join("BENCHMARKS.md"), render(&sections(&docs.join("benchmarks"))?))?)
}

/// Of everything that was measured.
fn sections(folder: &Path) -> Result<Vec<Section>> {
    let mut sections = transfer::sections(folder)?;
    sections.extend(chat::sections(folder)?);
    Ok(sections)
}

/// The whole document.
pub(crate) fn render(sections: &[Section]) -> String {
    let mut text = INTRODUCTION.to_owned();
    text += "\n## Goals\n\n";
    text += &goal_table(sections.iter().flat_map(|it| &it.goals));
    for Section { title, text: body, .. } in sections {
        let _ = write!(text, "\n## {title}\n\n{body}");
    }
    text
}

/// Where, when and with what.
pub(crate) fn provenance(record: &Record) -> String {
    let versions: Vec<String> =
        record.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let mut text = format!(
        "{}, {}; {}. Took {:.0} minutes.\n",
        record.date,
        record.machine,
        versions.join(", "),
        record.minutes.ceil()
    );
    if record.quick {
        text += "\n**Preliminary**: a short run that shows the instrument at work, on a machine that was busy with \
                 other things.\n";
    }
    text
}

fn goal_table<'a>(goals: impl Iterator<Item = &'a Goal>) -> String {
    let mut text = "| what | must | aim | measured | |\n|---|---|---|---|---|\n".to_owned();
    for goal in goals {
        let value = goal.value.map_or_else(|| "–".into(), |value| format!("{value:.2}"));
        let (must, aim) = (bounds(&goal.must), bounds(&goal.aim));
        let _ =
            writeln!(text, "| {} | {must} | {aim} | {value} | {} |", goal.what, goal.standing());
    }
    text
}

fn bounds(bounds: &[Bound]) -> String {
    bounds.iter().map(Bound::to_string).collect::<Vec<_>>().join(", ")
}

/// `1.23 (1.20–1.30)`.
pub(crate) fn figure(summary: Option<Summary>, digits: usize) -> String {
    summary.map_or_else(
        || "–".into(),
        |Summary { median, min, max, .. }| {
            format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_what_the_records_say() {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        let sections = sections(&docs.join("benchmarks")).unwrap();
        assert!(!sections.is_empty());
        let written = fs::read_to_string(docs.join("BENCHMARKS.md")).unwrap();
        assert!(written == render(&sections), "out of date: run `bench transfer --no-measuring`");
    }
}

//! `get`: download one file.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chat_client::command::{Command, DownloadId};
use chat_client::error_text;
use chat_client::event::{DownloadChange, Event, Transport, Waiting};
use chat_client::size_text;
use serde_json::json;

use crate::failure::Failure;
use crate::measure_text;
use crate::options;
use crate::output::Output;
use crate::visit::Visit;
use common::terminal_text::line;

/// There is only one.
const DOWNLOAD: DownloadId = DownloadId(1);

/// The longest time that is told.
const LEFT_MAX_S: u64 = 100 * 3600 - 1;

/// Where no name is left of what the server calls the file.
const NAME_DEFAULT: &str = "download";

pub(crate) async fn get(
    visit: &mut Visit,
    output: &mut Output,
    get: &options::Get,
) -> Result<(), Failure> {
    let download = Command::Download {
        id: DOWNLOAD,
        path: get.file.clone(),
        save_as: save_as(&get.file, get.output.as_deref())?,
        transport: get.transport.into(),
    };
    visit.ask(download).await?;
    let mut progress = ProgressLine::new(matches!(get.transport, options::Transport::Auto));
    loop {
        // The transfer goes on while the chat reconnects, and says itself when it cannot.
        let Event::Download { change, .. } = visit.next_for_ever().await? else { continue };
        match change {
            DownloadChange::Queued { position } => say_queued(output, position)?,
            DownloadChange::Started { size } => progress.size = size,
            DownloadChange::Progress { bytes, transport, waiting } => {
                progress.say_waiting(output, waiting);
                progress.show(output, bytes, transport, waiting)?;
            }
            DownloadChange::StartedAnew => {
                progress.begun = None;
                output.remark("The file changed on the server; starting again from its beginning.");
                output.json_only(|| json!({ "event": "restarted", "reason": "file changed" }))?;
            }
            // Nobody pauses it here.
            DownloadChange::Paused | DownloadChange::Resumed => {}
            DownloadChange::Verifying => output.progress("Checking …"),
            DownloadChange::Failed(failure) => return Err(Failure::of_download(&failure)),
            DownloadChange::Finished { path, bytes, seconds, transport, blake3, resumed_from } => {
                let way = way(transport);
                let path = path.display().to_string();
                let text = || {
                    let size = size_text::bytes(bytes);
                    let kept = match resumed_from {
                        0 => String::new(),
                        kept => format!(", {} kept from before", size_text::bytes(kept)),
                    };
                    let path = line(&path);
                    Some(format!("Saved {size} as {path} ({seconds:.1} s over {way}{kept})."))
                };
                return output.result(text, || {
                    json!({
                        "event": "finished",
                        "file": get.file,
                        "path": path,
                        "bytes": bytes,
                        "seconds": seconds,
                        "transport": way.to_lowercase(),
                        "blake3": hex(&blake3),
                        "resumed_from": resumed_from,
                    })
                });
            }
        }
    }
}

/// The wanted place as an absolute path: a named file, or the file's own name in a folder.
fn save_as(file: &str, wanted: Option<&Path>) -> Result<PathBuf, Failure> {
    let path = match wanted {
        None => own_name(file).into(),
        Some(path) if path.is_dir() || ends_like_a_folder(path) => path.join(own_name(file)),
        Some(path) => path.to_owned(),
    };
    std::path::absolute(path)
        .map_err(|error| Failure::Disk(format!("There is no folder to save in: {error}.")))
}

fn ends_like_a_folder(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().ends_with(b"/")
}

/// The last part of the server's path. It comes from the command line, but may have been copied from
/// a list that the server made.
fn own_name(file: &str) -> String {
    let last = file.rsplit('/').next().unwrap_or(file);
    let safe: String = last.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
    match safe.as_str() {
        "" | "." | ".." => NAME_DEFAULT.to_owned(),
        _ => safe,
    }
}

/// The line that is rewritten while bytes arrive.
struct ProgressLine {
    size: u64,
    begun: Option<(Instant, u64)>,
    may_fall_back: bool,
    /// Why nothing came when that was last said.
    waiting: Option<Waiting>,
}

impl ProgressLine {
    fn new(may_fall_back: bool) -> Self {
        Self { size: 0, begun: None, may_fall_back, waiting: None }
    }

    /// Says in a line of its own what is waited for, once.
    fn say_waiting(&mut self, output: &mut Output, waiting: Option<Waiting>) {
        let kind =
            |waiting: Option<Waiting>| waiting.map(|waiting| std::mem::discriminant(&waiting));
        if kind(waiting) != kind(self.waiting)
            && let Some(sentence) = waiting.and_then(error_text::download_waiting)
        {
            output.remark(&sentence);
        }
        self.waiting = waiting;
    }

    fn show(
        &mut self,
        output: &mut Output,
        bytes: u64,
        transport: Transport,
        waiting: Option<Waiting>,
    ) -> Result<(), Failure> {
        if self.may_fall_back && transport == Transport::Tcp {
            self.may_fall_back = false;
            output.remark("UDP is blocked; going on over TCP.");
        }
        let (since, from) = *self.begun.get_or_insert((Instant::now(), bytes));
        output.progress(&progress_text(
            bytes,
            self.size,
            bytes.saturating_sub(from),
            since.elapsed(),
            way(transport),
        ));
        output.json_only(|| {
            json!({
                "event": "progress",
                "bytes": bytes,
                "size": self.size,
                "transport": way(transport).to_lowercase(),
                "waiting": waiting.map(|waiting| match waiting {
                    Waiting::DiskFull { .. } => "disk",
                    Waiting::Network => "network",
                    Waiting::Paused => "paused",
                }),
            })
        })
    }
}

/// It waits for a place at the server.
pub(crate) fn say_queued(output: &mut Output, position: u32) -> Result<(), Failure> {
    let place = error_text::place_in_line(position);
    output.remark(&format!("The server is busy: waiting, {place}."));
    output.json_only(|| json!({ "event": "queued", "position": position }))
}

/// `45 %  115.2 MB of 256.0 MB  92.4 MB/s  0:01 left  UDP`
pub(crate) fn progress_text(
    bytes: u64,
    size: u64,
    moved: u64,
    elapsed: Duration,
    way: &str,
) -> String {
    let percent = if size == 0 { 100 } else { u128::from(bytes) * 100 / u128::from(size) };
    let per_second = u128::from(moved) * 1_000_000_000 / elapsed.as_nanos().max(1_000_000);
    let rate = u64::try_from(per_second).unwrap_or(u64::MAX);
    let left = Duration::from_secs((size.saturating_sub(bytes) / rate.max(1)).min(LEFT_MAX_S));
    let rate = size_text::bytes(rate);
    format!(
        "{percent:3} %  {} of {}  {rate}/s  {} left  {way}",
        size_text::bytes(bytes),
        size_text::bytes(size),
        measure_text::duration(left),
    )
}

pub(crate) fn way(transport: Transport) -> &'static str {
    match transport {
        Transport::Udp => "UDP",
        Transport::Tcp => "TCP",
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &str, name: &str) {
        assert_eq!(own_name(file), name);
    }

    #[test]
    fn a_file_is_saved_under_its_own_name_only() {
        check("report.pdf", "report.pdf");
        check("music/a/b.ogg", "b.ogg");
        check("/etc/passwd", "passwd");
        check("../..", NAME_DEFAULT);
        check("folder/", NAME_DEFAULT);
        check("a\x1b[2J", "a_[2J");
    }

    #[test]
    fn folders_get_the_files_own_name() {
        let folder = tempfile::tempdir().unwrap();
        let own = save_as("a/b.ogg", Some(folder.path())).unwrap();
        assert_eq!(own, folder.path().join("b.ogg"));
        let named = save_as("a/b.ogg", Some(&folder.path().join("c"))).unwrap();
        assert_eq!(named, folder.path().join("c"));
        let missing = save_as("a/b.ogg", Some(&folder.path().join("c/"))).unwrap();
        assert_eq!(missing, folder.path().join("c/b.ogg"));
        assert!(save_as("b.ogg", None).unwrap().is_absolute());
    }

    #[test]
    fn progress_reads_well() {
        let mb = 1_000_000;
        let text = progress_text(64 * mb, 256 * mb, 64 * mb, Duration::from_secs(2), "UDP");
        assert_eq!(text, " 25 %  64.0 MB of 256.0 MB  32.0 MB/s  0:06 left  UDP");
    }

    #[test]
    fn progress_without_end_or_size_is_no_trouble() {
        let text = progress_text(0, 0, 0, Duration::ZERO, "TCP");
        assert_eq!(text, "100 %  0 bytes of 0 bytes  0 bytes/s  0:00 left  TCP");
        let text = progress_text(0, u64::MAX, 0, Duration::ZERO, "TCP");
        assert!(text.contains("99:59:59 left"), "{text}");
    }
}

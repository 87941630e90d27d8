//! `put`: upload one file.

use std::path::Path;
use std::time::Instant;

use chat_client::command::{Command, UploadId};
use chat_client::error_text;
use chat_client::event::{Event, Transport, UploadChange};
use chat_client::size_text;
use serde_json::json;

use crate::failure::Failure;
use crate::get::{hex, progress_text, say_queued, way};
use crate::options;
use crate::output::Output;
use crate::visit::Visit;
use common::terminal_text::line;

/// There is only one.
const UPLOAD: UploadId = UploadId(1);

pub(crate) async fn put(
    visit: &mut Visit,
    output: &mut Output,
    put: &options::Put,
) -> Result<(), Failure> {
    let file = std::path::absolute(&put.file)
        .map_err(|error| Failure::Disk(format!("There is no such file: {error}.")))?;
    let path = path_there(&put.file, put.to.as_deref())?;
    let transport = put.transport.into();
    visit.ask(Command::Upload { id: UPLOAD, file, path, transport }).await?;
    let mut may_fall_back = matches!(put.transport, options::Transport::Auto);
    let (mut begun, mut was_full) = (None, false);
    loop {
        // The transfer goes on while the chat reconnects, and says itself when it cannot.
        let Event::Upload { change, .. } = visit.next_for_ever().await? else { continue };
        match change {
            UploadChange::Queued { position } => say_queued(output, position)?,
            UploadChange::Progress { bytes, size, transport, server_disk_full } => {
                if server_disk_full && !was_full {
                    output.remark(error_text::upload_waiting());
                }
                was_full = server_disk_full;
                if may_fall_back && transport == Transport::Tcp {
                    may_fall_back = false;
                    output.remark("UDP is blocked; going on over TCP.");
                }
                let (since, from) = *begun.get_or_insert((Instant::now(), bytes));
                let (moved, way) = (bytes.saturating_sub(from), way(transport));
                output.progress(&progress_text(bytes, size, moved, since.elapsed(), way));
                let way = way.to_lowercase();
                output.json_only(|| {
                    json!({
                        "event": "progress",
                        "bytes": bytes,
                        "size": size,
                        "transport": way,
                        "waiting": server_disk_full.then_some("server disk"),
                    })
                })?;
            }
            UploadChange::FileChanged => {
                begun = None;
                output.remark("The file changed meanwhile; starting anew.");
                output.json_only(|| json!({ "event": "restarted", "reason": "file changed" }))?;
            }
            UploadChange::Verifying => output.progress("Checking …"),
            UploadChange::Failed(failure) => return Err(Failure::of_upload(&failure)),
            UploadChange::Finished { path, bytes, seconds, transport, blake3, resumed_from } => {
                let way = way(transport);
                let text = || {
                    let size = size_text::bytes(bytes);
                    Some(format!("Stored {size} as {} ({seconds:.1} s over {way}).", line(&path)))
                };
                return output.result(text, || {
                    json!({
                        "event": "finished",
                        "file": put.file.display().to_string(),
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

/// What the file is to be called on the server: its own name, in a folder.
fn path_there(file: &Path, folder: Option<&str>) -> Result<String, Failure> {
    let name = file.file_name().and_then(|name| name.to_str()).ok_or_else(|| {
        Failure::Disk(format!("“{}” is no name that the server can use.", file.display()))
    })?;
    // However a person ends the name of a folder.
    Ok(match folder.map(|folder| folder.trim_end_matches('/')) {
        None | Some("") => name.to_owned(),
        Some(folder) => format!("{folder}/{name}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(file: &str, folder: Option<&str>, path: Option<&str>) {
        let found = path_there(Path::new(file), folder).ok();
        assert_eq!(found.as_deref(), path, "{file} to {folder:?}");
    }

    #[test]
    fn a_file_keeps_its_own_name() {
        check("notes.txt", None, Some("notes.txt"));
        check("/home/ann/notes.txt", Some("minutes/2026"), Some("minutes/2026/notes.txt"));
        check("notes.txt", Some("minutes/"), Some("minutes/notes.txt"));
        check("notes.txt", Some(""), Some("notes.txt"));
        // What the server makes of it is the server's business.
        check("notes.txt", Some("../etc"), Some("../etc/notes.txt"));
    }

    #[test]
    fn a_folder_has_no_file_name() {
        check("..", None, None);
        check("/", None, None);
    }
}

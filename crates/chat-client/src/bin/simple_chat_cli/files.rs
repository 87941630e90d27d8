//! `files`: what the server offers.

use chat_client::size_text;
use common::date_text;
use serde_json::json;

use crate::failure::Failure;
use crate::options;
use crate::output::Output;
use crate::visit::Visit;
use common::terminal_text::line;

pub(crate) async fn files(
    visit: &mut Visit,
    output: &mut Output,
    options: &options::Files,
) -> Result<(), Failure> {
    let mut files = visit.files().await?;
    let server_has_some = !files.is_empty();
    files.retain(|file| file.path.starts_with(&options.prefix));
    if files.is_empty() {
        output.text_only(if server_has_some {
            "No file of the server starts like this."
        } else {
            "The server has no files."
        })?;
    }
    for file in files {
        let text = || {
            let size = size_text::bytes(file.size);
            let modified = date_text::date(file.modified_ms);
            Some(format!("{size:>12}  {modified}  {}", line(&file.path)))
        };
        let json = || {
            json!({
                "event": "file",
                "name": file.path,
                "size": file.size,
                "modified": file.modified_ms,
            })
        };
        output.result(text, json)?;
    }
    Ok(())
}

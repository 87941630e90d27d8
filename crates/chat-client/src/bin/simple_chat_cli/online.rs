//! `online`: who is there, ourselves included.

use serde_json::json;

use crate::failure::Failure;
use crate::output::Output;
use crate::visit::Visit;
use common::terminal_text::line;

pub(crate) async fn online(visit: &mut Visit, output: &mut Output) -> Result<(), Failure> {
    for name in visit.online().await? {
        output.result(|| Some(line(&name)), || json!({ "event": "user", "name": name }))?;
    }
    Ok(())
}

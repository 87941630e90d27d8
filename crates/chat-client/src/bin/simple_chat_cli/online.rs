//! `online`: who is there, ourselves included.

use serde_json::json;

use crate::failure::Failure;
use crate::output::Output;
use crate::visit::Visit;
use common::terminal_text::line;

pub(crate) async fn online(visit: &mut Visit, output: &mut Output) -> Result<(), Failure> {
    for (name, is_away) in visit.online().await? {
        let away = if is_away { "  away" } else { "" };
        output.result(
            || Some(format!("{}{away}", line(&name))),
            || json!({ "event": "user", "name": name, "away": is_away }),
        )?;
    }
    Ok(())
}

//! `register`, `passwd`, `devices`, `remove-device`: what a person does with the own account.

use chat_client::question::{Answer, Question};
use common::orders::{device_id, device_line};
use serde_json::json;

use crate::failure::Failure;
use crate::options;
use crate::output::Output;
use crate::visit::{Visit, read_password};

/// `is_done`: coming in made the account.
pub(crate) async fn register(
    visit: &mut Visit,
    output: &mut Output,
    wanted: &options::NewPassword,
    is_done: bool,
) -> Result<(), Failure> {
    if !is_done {
        let password = read_password(&wanted.new_password_file)?;
        visit.question(Question::Register { password }).await?;
    }
    let text = "The name is an account now: it needs its password wherever you log in anew.";
    output.result(|| Some(text.to_owned()), || json!({ "event": "registered" }))
}

/// `old`: the one that was logged in with, if any.
pub(crate) async fn change_password(
    visit: &mut Visit,
    output: &mut Output,
    wanted: &options::NewPassword,
    old: Option<&std::path::Path>,
) -> Result<(), Failure> {
    let Some(old) = old else {
        let text = "Give the password that the account has now with --password-file.";
        return Err(Failure::Usage(text.to_owned()));
    };
    let (old, new) = (read_password(old)?, read_password(&wanted.new_password_file)?);
    visit.question(Question::ChangePassword { old, new }).await?;
    let text = "The password is changed. Every other device has to log in again.";
    output.result(|| Some(text.to_owned()), || json!({ "event": "password_changed" }))
}

pub(crate) async fn devices(visit: &mut Visit, output: &mut Output) -> Result<(), Failure> {
    let Answer::Devices(page) = visit.question(Question::ListDevices).await? else {
        return Err(Failure::unexpected_answer());
    };
    for entry in page.devices {
        output.result(
            || Some(device_line(&entry)),
            || {
                json!({
                    "event": "device", "id": device_id(&entry), "label": entry.label,
                    "since": entry.since_ms, "this": entry.is_this,
                })
            },
        )?;
    }
    Ok(())
}

pub(crate) async fn remove_device(
    visit: &mut Visit,
    output: &mut Output,
    wanted: &options::Device,
) -> Result<(), Failure> {
    visit.question(Question::RemoveDevice { id: wanted.device.0.clone() }).await?;
    let text = "The device is forgotten, and logged out.";
    output.result(|| Some(text.to_owned()), || json!({ "event": "device_removed" }))
}

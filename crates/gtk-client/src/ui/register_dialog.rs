//! Asks for the password with which the name becomes an account.

use adw::prelude::*;
use common::limits::PASSWORD_CHARS_MIN;
use gtk::glib;

use crate::model::chat_session::ChatSession;
use crate::ui::accessible;

/// What its buttons answer.
const CANCEL: &str = "cancel";
const REGISTER: &str = "register";

/// Shows the dialog over `parent`; what comes of it is told in the conversation.
pub fn present(parent: &impl IsA<gtk::Window>, session: &ChatSession) {
    let name = session.connection().own_name();
    let body = format!(
        "“{name}” becomes an account: from then on it needs this password wherever you log in anew, and nobody else gets the name."
    );
    let dialog = adw::MessageDialog::builder()
        .transient_for(parent)
        .modal(true)
        .heading("Register Name")
        .body(body)
        .close_response(CANCEL)
        .default_response(REGISTER)
        .build();
    dialog.add_responses(&[(CANCEL, "_Cancel"), (REGISTER, "_Register")]);
    dialog.set_response_appearance(REGISTER, adw::ResponseAppearance::Suggested);
    dialog.set_response_enabled(REGISTER, false);
    let (list, password, again) = entries();
    dialog.set_extra_child(Some(&list));
    for row in [&password, &again] {
        row.connect_changed(glib::clone!(
            #[weak]
            dialog,
            #[weak]
            password,
            #[weak]
            again,
            move |_| dialog.set_response_enabled(REGISTER, can_be(&password.text(), &again.text()))
        ));
    }
    dialog.connect_response(
        Some(REGISTER),
        glib::clone!(
            #[weak]
            session,
            move |_, _| session.register(&password.text())
        ),
    );
    GtkWindowExt::present(&dialog);
}

/// Typed twice: nobody sees what they type.
fn entries() -> (gtk::ListBox, adw::PasswordEntryRow, adw::PasswordEntryRow) {
    let list = gtk::ListBox::builder()
        .selection_mode(gtk::SelectionMode::None)
        .css_classes(["boxed-list"])
        .build();
    let row = |title: &str| {
        let row = adw::PasswordEntryRow::builder().title(title).activates_default(true).build();
        if let Some(entry) = row.delegate().and_then(|it| it.dynamic_cast::<gtk::Widget>().ok()) {
            accessible::set_label(&entry, title);
        }
        list.append(&row);
        row
    };
    let password = row(&format!("Password, at least {PASSWORD_CHARS_MIN} characters"));
    let again = row("Password again");
    (list, password, again)
}

/// Whether the server will take it, and it is what was meant.
fn can_be(password: &str, again: &str) -> bool {
    password.chars().count() >= PASSWORD_CHARS_MIN && password == again
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_long_enough_and_typed_twice() {
        assert!(can_be("12345678", "12345678"));
        assert!(!can_be("1234567", "1234567"));
        assert!(!can_be("12345678", "12345679"));
        assert!(can_be("äöüßäöüß", "äöüßäöüß"));
    }
}

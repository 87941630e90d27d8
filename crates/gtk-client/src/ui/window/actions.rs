//! What menus, buttons and keys ask the window for.

use super::*;

/// Actions that make sense in the conversation only.
const IN_CONVERSATION: [&str; 7] = [
    "win.choose-recipient",
    "win.clear-chat",
    "win.log-out",
    "win.show-files",
    "win.show-online",
    "win.show-transfers",
    "win.toggle-people",
];

/// Keys of actions. They are shown to people in `shortcuts_window.ui`.
pub(crate) const ACCELERATORS: [(&str, &[&str]); 10] = [
    ("app.quit", &["<Control>q"]),
    ("win.choose-recipient", &["<Control>t"]),
    ("win.clear-chat", &["<Control>l"]),
    ("win.log-out", &["<Control><Shift>l"]),
    ("win.show-files", &["<Control>d"]),
    ("win.show-online", &["<Control>u"]),
    ("win.show-shortcuts", &["<Control>question", "F1"]),
    ("win.show-transfers", &["<Control>j"]),
    ("win.toggle-people", &["F9"]),
    ("window.close", &["<Control>w"]),
];

/// Adds the actions to the class.
pub(super) fn install(klass: &mut <imp::Window as ObjectSubclass>::Class) {
    klass.install_action("win.about", None, |window, _, _| window.show_about());
    klass.install_action("win.choose-recipient", None, |window, _, _| {
        window.imp().conversation_page.open_recipients();
    });
    klass.install_action("win.clear-chat", None, |window, _, _| {
        window.imp().conversation_page.clear_chat()
    });
    klass.install_action("win.log-out", None, |window, _, _| window.log_out());
    klass.install_action("win.register", None, |window, _, _| window.register());
    klass.install_action("win.show-files", None, |window, _, _| window.show_files());
    klass.install_action("win.show-online", None, |window, _, _| window.show_online());
    klass.install_action("win.show-shortcuts", None, |window, _, _| window.show_shortcuts());
    klass.install_action("win.show-transfers", None, |window, _, _| {
        window.imp().conversation_page.show_transfers();
    });
    klass.install_action("win.toggle-people", None, |window, _, _| {
        window.imp().conversation_page.toggle_people()
    });
}

impl Window {
    /// Turns off what makes no sense where we stand.
    pub(super) fn enable_actions(&self, standing: &Standing) {
        for action in IN_CONVERSATION {
            self.action_set_enabled(action, standing.phase.is_in_conversation());
        }
        self.action_set_enabled("win.register", standing.can_register());
    }

    fn register(&self) {
        if let Some(session) = self.imp().session.get() {
            register_dialog::present(self, session);
        }
    }

    fn log_out(&self) {
        if let Some(session) = self.imp().session.get() {
            session.log_out();
        }
    }

    fn show_online(&self) {
        let Some(session) = self.imp().session.get() else { return };
        let dialog = self.imp().online_dialog.upgrade().unwrap_or_else(|| {
            let write_to = glib::clone!(
                #[weak(rename_to = window)]
                self,
                move |name: &str| window.write_to(name)
            );
            OnlineDialog::new(self, session.people(), write_to)
        });
        self.imp().online_dialog.set(Some(&dialog));
        GtkWindowExt::present(&dialog);
    }

    fn show_files(&self) {
        let Some(session) = self.imp().session.get() else { return };
        let dialog =
            self.imp().files_dialog.upgrade().unwrap_or_else(|| FilesDialog::new(self, session));
        self.imp().files_dialog.set(Some(&dialog));
        GtkWindowExt::present(&dialog);
    }

    /// Somebody was chosen in the dialog: everyone but ourselves can be written to.
    fn write_to(&self, name: &str) {
        let own =
            self.imp().session.get().is_some_and(|session| session.connection().own_name() == name);
        if !own {
            self.imp().conversation_page.write_to(Some(name));
        }
    }

    fn show_shortcuts(&self) {
        let builder =
            gtk::Builder::from_resource("/org/simplechat/SimpleChat/ui/shortcuts_window.ui");
        if let Some(shortcuts) = builder.object::<gtk::ShortcutsWindow>("shortcuts_window") {
            shortcuts.set_transient_for(Some(self));
            GtkWindowExt::present(&shortcuts);
        }
    }

    fn show_about(&self) {
        let about = adw::AboutWindow::builder()
            .transient_for(self)
            .modal(true)
            .destroy_with_parent(true)
            .application_name("Simple Chat")
            .application_icon(crate::application::ID)
            .version(env!("CARGO_PKG_VERSION"))
            .comments("Talk and share files on your own network")
            .license_type(gtk::License::Gpl30)
            .build();
        GtkWindowExt::present(&about);
    }
}

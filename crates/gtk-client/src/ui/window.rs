//! The window: which page is on the screen, the two dialogs over it, and how it ends.
//!
//! `window/actions.rs` is what menus, buttons and keys ask for; `window/notifications.rs` calls for
//! attention while the window has none.

use std::cell::{Cell, OnceCell};
use std::time::Duration;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::{CompositeTemplate, gio, glib};

use crate::model::chat_session::ChatSession;
use crate::model::connection_state::{Phase, Standing};
use crate::model::last_login::LastLogin;
use crate::ui::conversation_page::ConversationPage;
use crate::ui::files_dialog::FilesDialog;
use crate::ui::first_contact_page::FirstContactPage;
use crate::ui::key_changed_page::KeyChangedPage;
use crate::ui::log_in_page::LogInPage;
use crate::ui::online_dialog::OnlineDialog;
use crate::ui::register_dialog;

mod actions;
mod notifications;

pub(crate) use self::actions::ACCELERATORS;

/// A server that does not answer the goodbye holds the window up for no longer than this.
const GOODBYE_MAX: Duration = Duration::from_secs(2);

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(resource = "/org/simplechat/SimpleChat/ui/window.ui")]
    pub struct Window {
        #[template_child]
        pub(super) pages: TemplateChild<gtk::Stack>,
        #[template_child]
        pub(super) log_in_page: TemplateChild<LogInPage>,
        #[template_child]
        pub(super) first_contact_page: TemplateChild<FirstContactPage>,
        #[template_child]
        pub(super) key_changed_page: TemplateChild<KeyChangedPage>,
        #[template_child]
        pub(super) conversation_page: TemplateChild<ConversationPage>,
        pub(super) session: OnceCell<ChatSession>,
        pub(super) online_dialog: glib::WeakRef<OnlineDialog>,
        pub(super) files_dialog: glib::WeakRef<FilesDialog>,
        /// The person closed the window; it goes when the server has been told.
        pub(super) closing: Cell<bool>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Window {
        const NAME: &'static str = "ScWindow";
        type Type = super::Window;
        type ParentType = adw::ApplicationWindow;

        fn class_init(klass: &mut Self::Class) {
            LogInPage::ensure_type();
            FirstContactPage::ensure_type();
            KeyChangedPage::ensure_type();
            ConversationPage::ensure_type();
            klass.bind_template();
            actions::install(klass);
        }

        fn instance_init(obj: &glib::subclass::InitializingObject<Self>) {
            obj.init_template();
        }
    }

    impl ObjectImpl for Window {}
    impl WidgetImpl for Window {}

    impl WindowImpl for Window {
        fn close_request(&self) -> glib::Propagation {
            self.obj().say_goodbye()
        }
    }

    impl ApplicationWindowImpl for Window {}
    impl AdwApplicationWindowImpl for Window {}
}

glib::wrapper! {
    /// The window of the program.
    pub struct Window(ObjectSubclass<imp::Window>)
        @extends adw::ApplicationWindow, gtk::ApplicationWindow, gtk::Window, gtk::Widget,
        @implements gio::ActionGroup, gio::ActionMap, gtk::Buildable, gtk::ConstraintTarget,
            gtk::Native, gtk::Root, gtk::ShortcutManager;
}

impl Window {
    /// A window of `application` that shows `session`; the log-in page starts with `login`.
    #[must_use]
    pub fn new(application: &adw::Application, session: &ChatSession, login: &LastLogin) -> Self {
        let window: Self = glib::Object::builder().property("application", application).build();
        let imp = window.imp();
        imp.session.get_or_init(|| session.clone());
        imp.log_in_page.set_session(session);
        imp.first_contact_page.set_session(session);
        imp.key_changed_page.set_session(session);
        imp.conversation_page.set_session(session);
        imp.log_in_page.prefill(login);
        window.add_action(&gio::PropertyAction::new("away", session, "away"));
        window.follow_connection(session);
        window.notify_of_messages(session);
        window
    }

    /// Opens the conversation with `name`, or with everyone.
    pub fn open_conversation(&self, name: Option<&str>) {
        self.imp().conversation_page.write_to(name);
        GtkWindowExt::present(self);
    }

    fn follow_connection(&self, session: &ChatSession) {
        session.connection().connect_changed(glib::clone!(
            #[weak(rename_to = window)]
            self,
            move |connection| window.show_standing(&connection.standing())
        ));
        self.show_standing(&session.connection().standing());
    }

    fn show_standing(&self, standing: &Standing) {
        let (imp, phase) = (self.imp(), &standing.phase);
        let page = match phase {
            Phase::LoggedOut | Phase::LoggingIn | Phase::LoggingOut => "log-in",
            Phase::FirstContact { .. } => "first-contact",
            Phase::KeyChanged { .. } => "key-changed",
            Phase::Online | Phase::Reconnecting { .. } => "conversation",
        };
        let page_before = imp.pages.visible_child_name();
        imp.pages.set_visible_child_name(page);
        self.enable_actions(standing);
        if page_before.as_deref() == Some(page) {
            return;
        }
        self.close_dialogs();
        imp.conversation_page.reset();
        if page == "log-in" && *phase == Phase::LoggedOut {
            // Behind the menu that closes: it gives the focus back to where it was.
            let page = imp.log_in_page.get();
            glib::idle_add_local_once(move || page.focus_first_gap());
        }
    }

    fn close_dialogs(&self) {
        if let Some(dialog) = self.imp().online_dialog.upgrade() {
            dialog.close();
        }
        if let Some(dialog) = self.imp().files_dialog.upgrade() {
            dialog.close();
        }
    }

    /// The window is being closed: tells the server first, if there is one.
    fn say_goodbye(&self) -> glib::Propagation {
        let Some(session) = self.imp().session.get() else { return glib::Propagation::Proceed };
        if session.connection().phase() == Phase::LoggedOut || self.imp().closing.replace(true) {
            return glib::Propagation::Proceed;
        }
        self.close_dialogs();
        session.connection().connect_changed(glib::clone!(
            #[weak(rename_to = window)]
            self,
            move |connection| {
                if connection.phase() == Phase::LoggedOut {
                    window.end();
                }
            }
        ));
        glib::timeout_add_local_once(
            GOODBYE_MAX,
            glib::clone!(
                #[weak(rename_to = window)]
                self,
                move || window.end()
            ),
        );
        session.log_out();
        glib::Propagation::Stop
    }

    fn end(&self) {
        // Not inside the signal that tells of it.
        glib::idle_add_local_once(glib::clone!(
            #[weak(rename_to = window)]
            self,
            move || window.destroy()
        ));
    }
}

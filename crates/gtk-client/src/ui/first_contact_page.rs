//! Shown at the first contact with a server that no invite link vouches for: its key's fingerprint, to
//! be compared by a person. Nothing has been sent yet.

use std::cell::OnceCell;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::{CompositeTemplate, glib};

use crate::model::chat_session::ChatSession;
use crate::model::connection_state::Phase;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(resource = "/org/simplechat/SimpleChat/ui/first_contact_page.ui")]
    pub struct FirstContactPage {
        #[template_child]
        pub(super) fingerprint: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) cancel_button: TemplateChild<gtk::Button>,
        pub(super) session: OnceCell<ChatSession>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for FirstContactPage {
        const NAME: &'static str = "ScFirstContactPage";
        type Type = super::FirstContactPage;
        type ParentType = gtk::Box;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
            klass.bind_template_callbacks();
        }

        fn instance_init(obj: &glib::subclass::InitializingObject<Self>) {
            obj.init_template();
        }
    }

    impl ObjectImpl for FirstContactPage {}
    impl WidgetImpl for FirstContactPage {}
    impl BoxImpl for FirstContactPage {}

    #[gtk::template_callbacks]
    impl FirstContactPage {
        /// Trusts the key that is on the screen, whatever came in since.
        #[template_callback]
        fn on_trust(&self) {
            if let Some(session) = self.session.get()
                && let Phase::FirstContact { pin } = session.connection().phase()
                && pin.to_groups() == self.fingerprint.text()
            {
                session.trust(pin);
            }
        }

        #[template_callback]
        fn on_cancel(&self) {
            if let Some(session) = self.session.get() {
                session.give_up_log_in();
            }
        }
    }
}

glib::wrapper! {
    /// The page that asks whether a server's key is the right one.
    pub struct FirstContactPage(ObjectSubclass<imp::FirstContactPage>)
        @extends gtk::Box, gtk::Widget,
        @implements gtk::Buildable, gtk::ConstraintTarget, gtk::Orientable;
}

impl FirstContactPage {
    /// Follows the first contacts of `session`.
    pub fn set_session(&self, session: &ChatSession) {
        self.imp().session.get_or_init(|| session.clone());
        session.connection().connect_changed(glib::clone!(
            #[weak(rename_to = page)]
            self,
            move |connection| {
                if let Phase::FirstContact { pin } = connection.phase() {
                    page.imp().fingerprint.set_text(&pin.to_groups());
                    // Not on the button that trusts: a stray Enter must not.
                    page.imp().cancel_button.grab_focus();
                }
            }
        ));
    }
}

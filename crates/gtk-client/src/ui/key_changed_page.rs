//! The hard stop: the server showed another key than the remembered one. There is no button that goes
//! on from here, on purpose.

use std::cell::OnceCell;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::{CompositeTemplate, glib};

use crate::model::chat_session::ChatSession;
use crate::model::connection_state::Phase;
use crate::model::session_bridge;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(resource = "/org/simplechat/SimpleChat/ui/key_changed_page.ui")]
    pub struct KeyChangedPage {
        #[template_child]
        pub(super) expected: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) found: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) whence: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) back_button: TemplateChild<gtk::Button>,
        pub(super) session: OnceCell<ChatSession>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for KeyChangedPage {
        const NAME: &'static str = "ScKeyChangedPage";
        type Type = super::KeyChangedPage;
        type ParentType = gtk::Box;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
            klass.bind_template_callbacks();
        }

        fn instance_init(obj: &glib::subclass::InitializingObject<Self>) {
            obj.init_template();
        }
    }

    impl ObjectImpl for KeyChangedPage {}
    impl WidgetImpl for KeyChangedPage {}
    impl BoxImpl for KeyChangedPage {}

    #[gtk::template_callbacks]
    impl KeyChangedPage {
        #[template_callback]
        fn on_back(&self) {
            if let Some(session) = self.session.get() {
                session.give_up_log_in();
            }
        }
    }
}

glib::wrapper! {
    /// The page that says that the server's key has changed.
    pub struct KeyChangedPage(ObjectSubclass<imp::KeyChangedPage>)
        @extends gtk::Box, gtk::Widget,
        @implements gtk::Buildable, gtk::ConstraintTarget, gtk::Orientable;
}

impl KeyChangedPage {
    /// Follows what `session` finds.
    pub fn set_session(&self, session: &ChatSession) {
        self.imp().session.get_or_init(|| session.clone());
        session.connection().connect_changed(glib::clone!(
            #[weak(rename_to = page)]
            self,
            move |connection| {
                if let Phase::KeyChanged { expected, found } = connection.phase() {
                    let imp = page.imp();
                    imp.expected.set_text(&expected.to_groups());
                    imp.found.set_text(&found.to_groups());
                    let file = session_bridge::known_servers_file();
                    imp.whence.set_text(&format!("Remembered keys are in {}", file.display()));
                    imp.back_button.grab_focus();
                }
            }
        ));
    }
}

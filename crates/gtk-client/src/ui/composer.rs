//! Where a message is written: to whom, what, and off it goes.

use std::cell::OnceCell;

use adw::prelude::*;
use adw::subclass::prelude::*;
use common::conversation::Conversation;
use gtk::{CompositeTemplate, glib};

use crate::model::chat_session::ChatSession;
use crate::model::plain_text;
use crate::ui::accessible;
use crate::ui::recipient_button::RecipientButton;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(resource = "/org/simplechat/SimpleChat/ui/composer.ui")]
    pub struct Composer {
        #[template_child]
        pub(super) recipient_button: TemplateChild<RecipientButton>,
        #[template_child]
        pub(super) entry: TemplateChild<gtk::Entry>,
        #[template_child]
        pub(super) send_button: TemplateChild<gtk::Button>,
        pub(super) session: OnceCell<ChatSession>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Composer {
        const NAME: &'static str = "ScComposer";
        type Type = super::Composer;
        type ParentType = gtk::Box;

        fn class_init(klass: &mut Self::Class) {
            RecipientButton::ensure_type();
            klass.bind_template();
            klass.bind_template_callbacks();
        }

        fn instance_init(obj: &glib::subclass::InitializingObject<Self>) {
            obj.init_template();
        }
    }

    impl ObjectImpl for Composer {
        fn constructed(&self) {
            self.parent_constructed();
            if let Ok(text) = self.entry.delegate().and_dynamic_cast::<gtk::Widget>() {
                accessible::set_label(&text, "Message");
            }
            self.recipient_button.connect_chosen(glib::clone!(
                #[weak(rename_to = composer)]
                self.obj(),
                move |_| composer.recipient_chosen()
            ));
        }
    }

    impl WidgetImpl for Composer {
        fn grab_focus(&self) -> bool {
            self.entry.grab_focus_without_selecting()
        }
    }

    impl BoxImpl for Composer {}

    #[gtk::template_callbacks]
    impl Composer {
        #[template_callback]
        fn on_changed(&self) {
            let has_text = !self.entry.text().trim().is_empty();
            self.send_button.set_sensitive(has_text);
            if let Some(session) = self.session.get().filter(|_| has_text) {
                session.types(self.recipient_button.conversation());
            }
        }

        #[template_callback]
        fn on_send(&self) {
            let text = self.entry.text();
            let Some(session) = self.session.get().filter(|_| !text.trim().is_empty()) else {
                return;
            };
            session.send(self.recipient_button.conversation(), &text);
            self.entry.set_text("");
        }
    }
}

glib::wrapper! {
    /// The row in which messages are written.
    pub struct Composer(ObjectSubclass<imp::Composer>)
        @extends gtk::Box, gtk::Widget,
        @implements gtk::Buildable, gtk::ConstraintTarget, gtk::Orientable;
}

impl Composer {
    /// Writes in `session`.
    pub fn set_session(&self, session: &ChatSession) {
        self.imp().session.get_or_init(|| session.clone());
        self.imp().recipient_button.set_people(session.people());
    }

    /// Writes to `name` in private, or to everyone.
    pub fn write_to(&self, name: Option<&str>) {
        self.imp().recipient_button.choose(name);
    }

    /// Whom is written to.
    #[must_use]
    pub fn conversation(&self) -> Conversation {
        self.imp().recipient_button.conversation()
    }

    /// Calls `follow` whenever somebody else is chosen.
    pub fn connect_chosen(&self, follow: impl Fn() + 'static) {
        self.imp().recipient_button.connect_chosen(move |_| follow());
    }

    /// Opens the choice of whom to write to.
    pub fn open_recipients(&self) {
        self.imp().recipient_button.open();
    }

    /// As for somebody who has just logged in.
    pub fn reset(&self) {
        self.imp().entry.set_text("");
        self.imp().recipient_button.choose(None);
    }

    fn recipient_chosen(&self) {
        let imp = self.imp();
        let hint = match imp.recipient_button.conversation() {
            Conversation::Room(_) => "Message".to_owned(),
            Conversation::User(name) => {
                format!("Private message to {}", plain_text::shown_name(&name))
            }
        };
        imp.entry.set_placeholder_text(Some(&hint));
        self.grab_focus();
    }
}

//! One row of the conversation. Rows are used again and again for other messages: [`MessageRow::bind`]
//! sets everything.

use std::cell::RefCell;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::{CompositeTemplate, gio, glib};

use crate::model::chat_session::ChatSession;
use crate::model::message::{Kind, Message};
use crate::ui::accessible;
use crate::ui::message_text::MessageText;

/// Width of the avatar with the space beside it: rows without one keep their text in line.
const AVATAR_SPACE: i32 = 32 + 12;

/// What a long message shows at first. A message may have 16,384 line feeds.
const LINES_FOLDED: usize = 24;

/// As [`LINES_FOLDED`], for a message of few long lines.
const CHARS_FOLDED: usize = 2400;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(resource = "/org/simplechat/SimpleChat/ui/message_row.ui")]
    pub struct MessageRow {
        #[template_child]
        pub(super) avatar: TemplateChild<adw::Avatar>,
        #[template_child]
        pub(super) content: TemplateChild<gtk::Box>,
        #[template_child]
        pub(super) header: TemplateChild<gtk::Box>,
        #[template_child]
        pub(super) author: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) privacy_box: TemplateChild<gtk::Box>,
        #[template_child]
        pub(super) privacy_icon: TemplateChild<gtk::Image>,
        #[template_child]
        pub(super) privacy: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) time: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) text: TemplateChild<MessageText>,
        #[template_child]
        pub(super) more_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) failure_box: TemplateChild<gtk::Box>,
        #[template_child]
        pub(super) failure: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) retry_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) folder_button: TemplateChild<gtk::Button>,
        pub(super) message: RefCell<Option<Message>>,
        pub(super) followed: RefCell<Option<glib::SignalHandlerId>>,
        pub(super) session: glib::WeakRef<ChatSession>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for MessageRow {
        const NAME: &'static str = "ScMessageRow";
        type Type = super::MessageRow;
        type ParentType = gtk::Box;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
            klass.bind_template_callbacks();
            klass.set_accessible_role(gtk::AccessibleRole::Group);
        }

        fn instance_init(obj: &glib::subclass::InitializingObject<Self>) {
            obj.init_template();
        }
    }

    impl ObjectImpl for MessageRow {}
    impl WidgetImpl for MessageRow {}
    impl BoxImpl for MessageRow {}

    #[gtk::template_callbacks]
    impl MessageRow {
        #[template_callback]
        fn on_more(&self) {
            if let Some(message) = self.message.borrow().as_ref() {
                self.text.set_text(message.content().text.as_str());
                self.more_button.set_visible(false);
            }
        }

        #[template_callback]
        fn on_retry(&self) {
            if let (Some(session), Some(message)) =
                (self.session.upgrade(), self.message.borrow().clone())
            {
                session.retry(&message);
            }
        }

        #[template_callback]
        fn on_open_folder(&self) {
            let kind = self.message.borrow().as_ref().map(|message| message.content().kind.clone());
            if let Some(Kind::Downloaded { folder }) = kind {
                let window = self.obj().root().and_downcast::<gtk::Window>();
                gtk::show_uri(
                    window.as_ref(),
                    &gio::File::for_path(folder).uri(),
                    gtk::gdk::CURRENT_TIME,
                );
            }
        }
    }
}

glib::wrapper! {
    /// One row of the conversation.
    pub struct MessageRow(ObjectSubclass<imp::MessageRow>)
        @extends gtk::Box, gtk::Widget,
        @implements gtk::Buildable, gtk::ConstraintTarget, gtk::Orientable;
}

impl MessageRow {
    /// An empty row, whose button retries in `session`.
    #[must_use]
    pub fn new(session: &ChatSession) -> Self {
        let row: Self = glib::Object::new();
        row.imp().session.set(Some(session));
        row
    }

    /// The message that is shown.
    #[must_use]
    pub fn message(&self) -> Option<Message> {
        self.imp().message.borrow().clone()
    }

    /// Shows `message` and follows it.
    pub fn bind(&self, message: &Message) {
        self.unbind();
        self.show_content(message);
        self.show_fate(message);
        let followed = message.connect_notify_local(
            None,
            glib::clone!(
                #[weak(rename_to = row)]
                self,
                move |message, _| row.show_fate(message)
            ),
        );
        self.imp().followed.replace(Some(followed));
        self.imp().message.replace(Some(message.clone()));
    }

    /// Lets go of the message.
    pub fn unbind(&self) {
        let imp = self.imp();
        if let (Some(message), Some(followed)) = (imp.message.take(), imp.followed.take()) {
            message.disconnect(followed);
        }
    }

    fn show_content(&self, message: &Message) {
        let imp = self.imp();
        let content = message.content();
        let written = message.is_written();
        imp.avatar.set_text(written.then_some(content.author.as_str()));
        imp.author.set_text(&content.author);
        imp.time.set_text(&message.shown_time());
        imp.time.set_tooltip_text(Some(&message.shown_date()));
        let folded = folded(&content.text);
        imp.text.set_text(folded.unwrap_or(&content.text));
        imp.text.set_centered(!written);
        imp.more_button.set_visible(folded.is_some());
        imp.folder_button.set_visible(matches!(content.kind, Kind::Downloaded { .. }));
        let privacy = message.privacy();
        let is_private = matches!(content.kind, Kind::Private { .. });
        imp.privacy_box.set_visible(privacy.is_some());
        // A room may be anybody's to see.
        imp.privacy_icon.set_visible(is_private);
        imp.privacy.set_text(privacy.as_deref().unwrap_or_default());
        set_class(self, "private", is_private);
        set_class(self, "notice", !written);
        set_class(&*imp.text, "dim-label", matches!(content.kind, Kind::Presence));
        set_class(&*imp.author, "own", content.own);
    }

    /// Everything that changes while the message is shown.
    fn show_fate(&self, message: &Message) {
        let imp = self.imp();
        let has_header = message.is_written() && !message.continues();
        imp.avatar.set_visible(has_header);
        imp.header.set_visible(has_header);
        imp.content.set_margin_start(if message.is_written() && !has_header {
            AVATAR_SPACE
        } else {
            0
        });
        let failure = message.failure();
        imp.failure_box.set_visible(failure.is_some());
        imp.failure.set_text(failure.as_deref().unwrap_or_default());
        set_class(self, "first", has_header);
        set_class(self, "failed", failure.is_some());
        set_class(
            &*imp.text,
            "dim-label",
            message.pending() || matches!(message.content().kind, Kind::Presence),
        );
        accessible::set_label(self, &message.accessible_label());
        accessible::set_description(self, &message.accessible_description());
    }
}

fn set_class(widget: &impl IsA<gtk::Widget>, class: &str, on: bool) {
    if on {
        widget.add_css_class(class);
    } else {
        widget.remove_css_class(class);
    }
}

/// The beginning of a text that is too long to be shown at once; `None` if it is not.
fn folded(text: &str) -> Option<&str> {
    let by_lines = text.match_indices('\n').nth(LINES_FOLDED - 1).map(|(end, _)| end);
    let by_chars = text.char_indices().nth(CHARS_FOLDED).map(|(end, _)| end);
    let end = [by_lines, by_chars].into_iter().flatten().min()?;
    text.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_texts_are_shown_whole() {
        assert_eq!(folded(&"x\n".repeat(LINES_FOLDED - 1)), None);
        assert_eq!(folded(&"x".repeat(CHARS_FOLDED)), None);
    }

    #[test]
    fn many_lines_are_folded() {
        assert_eq!(folded(&"\n".repeat(16_384)).map(str::len), Some(LINES_FOLDED - 1));
    }

    #[test]
    fn a_long_line_is_folded_between_characters() {
        assert_eq!(folded(&"é".repeat(CHARS_FOLDED + 1)).map(str::len), Some(2 * CHARS_FOLDED));
    }
}

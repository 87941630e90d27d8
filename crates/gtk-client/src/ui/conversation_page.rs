//! The page on which people talk: who is here at the side, what was said, and where to write.

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::{CompositeTemplate, glib};

use crate::model::chat_session::ChatSession;
use crate::model::connection_state::Standing;
use crate::model::people::People;
use crate::model::plain_text;
use crate::ui::accessible;
use crate::ui::composer::Composer;
use crate::ui::connection_banner::ConnectionBanner;
use crate::ui::message_list::MessageList;
use crate::ui::people_list::PeopleList;
use crate::ui::transfers_button::TransfersButton;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(resource = "/org/simplechat/SimpleChat/ui/conversation_page.ui")]
    pub struct ConversationPage {
        #[template_child]
        pub(super) window_title: TemplateChild<adw::WindowTitle>,
        #[template_child]
        pub(super) menu_button: TemplateChild<gtk::MenuButton>,
        #[template_child]
        pub(super) transfers_button: TemplateChild<TransfersButton>,
        #[template_child]
        pub(super) banner: TemplateChild<ConnectionBanner>,
        #[template_child]
        pub(super) flap: TemplateChild<adw::Flap>,
        #[template_child]
        pub(super) people_heading: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) people_list: TemplateChild<PeopleList>,
        #[template_child]
        pub(super) message_list: TemplateChild<MessageList>,
        #[template_child]
        pub(super) typing_line: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) composer: TemplateChild<Composer>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for ConversationPage {
        const NAME: &'static str = "ScConversationPage";
        type Type = super::ConversationPage;
        type ParentType = gtk::Box;

        fn class_init(klass: &mut Self::Class) {
            ConnectionBanner::ensure_type();
            TransfersButton::ensure_type();
            PeopleList::ensure_type();
            MessageList::ensure_type();
            Composer::ensure_type();
            klass.bind_template();
        }

        fn instance_init(obj: &glib::subclass::InitializingObject<Self>) {
            obj.init_template();
        }
    }

    impl ObjectImpl for ConversationPage {
        fn constructed(&self) {
            self.parent_constructed();
            accessible::set_menu_button_label(&self.menu_button, "Main Menu");
        }
    }

    impl WidgetImpl for ConversationPage {
        fn grab_focus(&self) -> bool {
            self.composer.grab_focus()
        }
    }

    impl BoxImpl for ConversationPage {}
}

glib::wrapper! {
    /// The page on which people talk.
    pub struct ConversationPage(ObjectSubclass<imp::ConversationPage>)
        @extends gtk::Box, gtk::Widget,
        @implements gtk::Buildable, gtk::ConstraintTarget, gtk::Orientable;
}

impl ConversationPage {
    /// Shows the conversation of `session`.
    pub fn set_session(&self, session: &ChatSession) {
        let imp = self.imp();
        imp.banner.set_session(session);
        imp.transfers_button.set_session(session);
        imp.message_list.set_session(session);
        imp.composer.set_session(session);
        imp.people_list.set_people(session.people(), false);
        self.follow_people(session.people());
        self.write_to_the_chosen();
        self.follow_typists(session);
        session.connection().connect_changed(glib::clone!(
            #[weak(rename_to = page)]
            self,
            move |connection| page.show(&connection.standing())
        ));
    }

    /// Writes to `name` in private, or to everyone.
    pub fn write_to(&self, name: Option<&str>) {
        self.imp().composer.write_to(name);
        if self.imp().flap.is_folded() {
            self.imp().flap.set_reveal_flap(false);
        }
    }

    /// Opens the choice of whom to write to.
    pub fn open_recipients(&self) {
        self.imp().composer.open_recipients();
    }

    /// Shows or hides the people at the side.
    pub fn toggle_people(&self) {
        let flap = &*self.imp().flap;
        flap.set_reveal_flap(!flap.reveals_flap());
    }

    /// Opens the list of downloads.
    pub fn show_transfers(&self) {
        self.imp().transfers_button.open();
    }

    /// Empties the conversation, with a way back.
    pub fn clear_chat(&self) {
        self.imp().message_list.clear();
    }

    /// As for somebody who has just logged in.
    pub fn reset(&self) {
        self.imp().composer.reset();
        self.imp().message_list.forget_cleared();
    }

    fn show(&self, standing: &Standing) {
        let title = &self.imp().window_title;
        title.set_title(&standing.server_name);
        title.set_subtitle(&plain_text::shown_name(&standing.own_name));
    }

    fn follow_people(&self, people: &People) {
        let followed = people.clone();
        people.list().connect_items_changed(glib::clone!(
            #[weak(rename_to = page)]
            self,
            move |_, _, _, _| page
                .imp()
                .people_heading
                .set_text(&format!("Online ({})", followed.len()))
        ));
    }

    /// Of whom is written to, not of everybody: what others write elsewhere is not about this line.
    fn follow_typists(&self, session: &ChatSession) {
        let show = glib::clone!(
            #[weak(rename_to = page)]
            self,
            #[weak]
            session,
            move || {
                let sentence = session.typists().sentence(&page.imp().composer.conversation());
                page.imp().typing_line.set_text(&sentence);
            }
        );
        self.imp().composer.connect_chosen(show.clone());
        session.typists().connect_changed(move |_| show());
    }

    fn write_to_the_chosen(&self) {
        let write_to = glib::clone!(
            #[weak(rename_to = page)]
            self,
            move |name: &str| page.write_to(Some(name))
        );
        self.imp().people_list.connect_chosen(write_to.clone());
        self.imp().message_list.connect_person_chosen(write_to);
    }
}

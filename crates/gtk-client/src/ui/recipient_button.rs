//! The choice *To*: everyone, somebody of the list, or a name typed into the search.

use std::cell::{OnceCell, RefCell};
use std::sync::LazyLock;

use adw::prelude::*;
use adw::subclass::prelude::*;
use common::conversation::Conversation;
use gtk::glib::subclass::Signal;
use gtk::{CompositeTemplate, glib};

use crate::model::people::People;
use crate::model::plain_text;
use crate::ui::accessible;
use crate::ui::people_list::PeopleList;

/// Height of the list before it scrolls.
const LIST_HEIGHT_MAX: i32 = 280;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(resource = "/org/simplechat/SimpleChat/ui/recipient_button.ui")]
    pub struct RecipientButton {
        #[template_child]
        pub(super) button: TemplateChild<gtk::MenuButton>,
        #[template_child]
        pub(super) icon: TemplateChild<gtk::Image>,
        #[template_child]
        pub(super) label: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) popover: TemplateChild<gtk::Popover>,
        #[template_child]
        pub(super) people_list: TemplateChild<PeopleList>,
        #[template_child]
        pub(super) typed_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) typed_label: TemplateChild<gtk::Label>,
        /// A name, or `None` for everyone.
        pub(super) name: RefCell<Option<String>>,
        /// What stands in the search.
        pub(super) typed: RefCell<String>,
        pub(super) people: OnceCell<People>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for RecipientButton {
        const NAME: &'static str = "ScRecipientButton";
        type Type = super::RecipientButton;
        type ParentType = adw::Bin;

        fn class_init(klass: &mut Self::Class) {
            PeopleList::ensure_type();
            klass.bind_template();
            klass.bind_template_callbacks();
        }

        fn instance_init(obj: &glib::subclass::InitializingObject<Self>) {
            obj.init_template();
        }
    }

    impl ObjectImpl for RecipientButton {
        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<Vec<Signal>> =
                LazyLock::new(|| vec![Signal::builder("chosen").build()]);
            &SIGNALS
        }

        fn constructed(&self) {
            self.parent_constructed();
            accessible::set_menu_button_label(&self.button, "To");
            self.obj().prepare_list();
        }
    }

    impl WidgetImpl for RecipientButton {}
    impl BinImpl for RecipientButton {}

    #[gtk::template_callbacks]
    impl RecipientButton {
        #[template_callback]
        fn on_everyone(&self) {
            self.obj().choose(None);
        }

        #[template_callback]
        fn on_typed(&self) {
            let name = self.typed.borrow().clone();
            self.obj().choose(Some(&name));
        }
    }
}

glib::wrapper! {
    /// The choice of whom to write to. `chosen` is emitted after each.
    pub struct RecipientButton(ObjectSubclass<imp::RecipientButton>)
        @extends adw::Bin, gtk::Widget,
        @implements gtk::Buildable, gtk::ConstraintTarget;
}

impl RecipientButton {
    /// Offers `people`.
    pub fn set_people(&self, people: &People) {
        self.imp().people.get_or_init(|| people.clone());
        self.imp().people_list.set_people(people, true);
        people.list().connect_items_changed(glib::clone!(
            #[weak(rename_to = button)]
            self,
            move |_, _, _, _| button.show_choice()
        ));
    }

    /// Whom to write to.
    #[must_use]
    pub fn conversation(&self) -> Conversation {
        self.imp().name.borrow().clone().map_or_else(Conversation::lobby, Conversation::User)
    }

    /// Chooses a person, or everyone.
    pub fn choose(&self, name: Option<&str>) {
        self.imp().name.replace(name.map(ToOwned::to_owned));
        self.imp().popover.popdown();
        self.show_choice();
        self.emit_by_name::<()>("chosen", &[]);
    }

    /// Opens the choice.
    pub fn open(&self) {
        self.imp().popover.popup();
    }

    /// Calls `follow` after each choice.
    pub fn connect_chosen(&self, follow: impl Fn(&Self) + 'static) {
        self.connect_closure(
            "chosen",
            false,
            glib::closure_local!(move |button: Self| follow(&button)),
        );
    }

    fn prepare_list(&self) {
        let imp = self.imp();
        imp.people_list.fit_height(LIST_HEIGHT_MAX);
        imp.people_list.set_search_hint("Find or type a name");
        imp.people_list.connect_chosen(glib::clone!(
            #[weak(rename_to = button)]
            self,
            move |name| button.choose(Some(name))
        ));
        imp.people_list.connect_searched(glib::clone!(
            #[weak(rename_to = button)]
            self,
            move |text| button.offer_typed(text)
        ));
        imp.popover.connect_closed(glib::clone!(
            #[weak(rename_to = button)]
            self,
            move |_| button.imp().people_list.reset_search()
        ));
    }

    /// Somebody who is not online can be written to by name.
    fn offer_typed(&self, text: &str) {
        let imp = self.imp();
        let listed = imp.people.get().is_some_and(|people| people.contains(text));
        imp.typed.replace(text.to_owned());
        imp.typed_button.set_visible(!text.is_empty() && !listed);
        let offer = format!("Write to “{}”", plain_text::shown_name(text));
        imp.typed_label.set_text(&offer);
        accessible::set_label(&*imp.typed_button, &offer);
    }

    fn show_choice(&self) {
        let imp = self.imp();
        let name = imp.name.borrow().clone();
        let online = |name: &String| imp.people.get().is_some_and(|people| people.contains(name));
        let text = match &name {
            None => "Everyone".to_owned(),
            Some(name) if online(name) => plain_text::shown_name(name),
            Some(name) => format!("{} (offline)", plain_text::shown_name(name)),
        };
        imp.label.set_text(&text);
        imp.icon.set_icon_name(Some(if name.is_some() {
            "changes-prevent-symbolic"
        } else {
            "system-users-symbolic"
        }));
        accessible::set_menu_button_description(&imp.button, &text);
    }
}

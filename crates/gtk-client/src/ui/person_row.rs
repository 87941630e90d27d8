//! One person in a list: a button that chooses them.

use std::cell::RefCell;
use std::sync::LazyLock;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::glib::subclass::Signal;
use gtk::{CompositeTemplate, glib};

use crate::model::person::Person;
use crate::ui::accessible;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(resource = "/org/simplechat/SimpleChat/ui/person_row.ui")]
    pub struct PersonRow {
        #[template_child]
        pub(super) button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) avatar: TemplateChild<adw::Avatar>,
        #[template_child]
        pub(super) name: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) standing: TemplateChild<gtk::Label>,
        pub(super) person: RefCell<Option<Person>>,
        pub(super) following: RefCell<Option<glib::SignalHandlerId>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for PersonRow {
        const NAME: &'static str = "ScPersonRow";
        type Type = super::PersonRow;
        type ParentType = adw::Bin;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
            klass.bind_template_callbacks();
        }

        fn instance_init(obj: &glib::subclass::InitializingObject<Self>) {
            obj.init_template();
        }
    }

    impl ObjectImpl for PersonRow {
        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
                vec![Signal::builder("chosen").param_types([Person::static_type()]).build()]
            });
            &SIGNALS
        }
    }

    impl WidgetImpl for PersonRow {}
    impl BinImpl for PersonRow {}

    #[gtk::template_callbacks]
    impl PersonRow {
        #[template_callback]
        fn on_clicked(&self) {
            let person = self.person.borrow().clone();
            if let Some(person) = person {
                self.obj().emit_by_name::<()>("chosen", &[&person]);
            }
        }
    }
}

glib::wrapper! {
    /// One person in a list. `chosen` is emitted with them on a click.
    pub struct PersonRow(ObjectSubclass<imp::PersonRow>)
        @extends adw::Bin, gtk::Widget,
        @implements gtk::Buildable, gtk::ConstraintTarget;
}

impl Default for PersonRow {
    fn default() -> Self {
        glib::Object::new()
    }
}

impl PersonRow {
    /// Shows `person`, and whether they are away.
    pub fn bind(&self, person: &Person) {
        let (imp, name) = (self.imp(), person.shown_name());
        imp.avatar.set_text(Some(&name));
        imp.name.set_text(&name);
        accessible::set_label(&*imp.button, &name);
        self.show_standing(person);
        let following = person.connect_away_notify(glib::clone!(
            #[weak(rename_to = row)]
            self,
            move |person| row.show_standing(person)
        ));
        let before = imp.person.replace(Some(person.clone()));
        let followed = imp.following.replace(Some(following));
        if let (Some(before), Some(followed)) = (before, followed) {
            before.disconnect(followed);
        }
    }

    fn show_standing(&self, person: &Person) {
        let imp = self.imp();
        imp.standing.set_text(person.standing());
        accessible::set_description(&*imp.button, person.standing());
    }

    /// Calls `follow` with the person of the row on a click.
    pub fn connect_chosen(&self, follow: impl Fn(&Person) + 'static) {
        let closure = glib::closure_local!(move |_: Self, person: Person| follow(&person));
        self.connect_closure("chosen", false, closure);
    }
}

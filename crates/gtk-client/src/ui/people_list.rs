//! A live list of people with a search in it, used at the side of the conversation, in the *online*
//! dialog and where one chooses whom to write to.

use std::sync::LazyLock;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::glib::subclass::Signal;
use gtk::{CompositeTemplate, glib};

use crate::model::people::People;
use crate::model::person::Person;
use crate::ui::person_row::PersonRow;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(resource = "/org/simplechat/SimpleChat/ui/people_list.ui")]
    pub struct PeopleList {
        #[template_child]
        pub(super) search_entry: TemplateChild<gtk::SearchEntry>,
        #[template_child]
        pub(super) scrolled_window: TemplateChild<gtk::ScrolledWindow>,
        #[template_child]
        pub(super) list_view: TemplateChild<gtk::ListView>,
        pub(super) filter: gtk::StringFilter,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for PeopleList {
        const NAME: &'static str = "ScPeopleList";
        type Type = super::PeopleList;
        type ParentType = gtk::Box;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
            klass.bind_template_callbacks();
        }

        fn instance_init(obj: &glib::subclass::InitializingObject<Self>) {
            obj.init_template();
        }
    }

    impl ObjectImpl for PeopleList {
        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
                vec![
                    Signal::builder("chosen").param_types([String::static_type()]).build(),
                    Signal::builder("searched").param_types([String::static_type()]).build(),
                ]
            });
            &SIGNALS
        }

        fn constructed(&self) {
            self.parent_constructed();
            self.filter.set_expression(Some(Person::this_expression("name")));
            self.list_view.set_factory(Some(&self.obj().row_factory()));
        }
    }

    impl WidgetImpl for PeopleList {
        fn grab_focus(&self) -> bool {
            self.search_entry.grab_focus()
        }
    }

    impl BoxImpl for PeopleList {}

    #[gtk::template_callbacks]
    impl PeopleList {
        #[template_callback]
        fn on_search_changed(&self) {
            let text = self.search_entry.text();
            self.filter.set_search(Some(text.trim()));
            self.obj().emit_by_name::<()>("searched", &[&text.trim()]);
        }

        /// Enter takes the first that was found.
        #[template_callback]
        fn on_search_activated(&self) {
            self.on_activated(0);
        }

        #[template_callback]
        fn on_activated(&self, position: u32) {
            let person = self
                .list_view
                .model()
                .and_then(|model| model.item(position))
                .and_downcast::<Person>();
            if let Some(person) = person {
                self.obj().choose(&person);
            }
        }
    }
}

glib::wrapper! {
    /// A list of people. `chosen` is emitted with a name; `searched` with what is searched for.
    pub struct PeopleList(ObjectSubclass<imp::PeopleList>)
        @extends gtk::Box, gtk::Widget,
        @implements gtk::Buildable, gtk::ConstraintTarget, gtk::Orientable;
}

impl PeopleList {
    /// Shows `people`, without ourselves if only `others` are wanted.
    pub fn set_people(&self, people: &People, others: bool) {
        let imp = self.imp();
        let all = people.list().clone();
        let wanted = gtk::CustomFilter::new(move |item| {
            !others || item.downcast_ref::<Person>().is_some_and(|person| !person.own())
        });
        let wanted = gtk::FilterListModel::new(Some(all), Some(wanted));
        let found = gtk::FilterListModel::new(Some(wanted), Some(imp.filter.clone()));
        imp.list_view.set_model(Some(&gtk::NoSelection::new(Some(found))));
    }

    /// Takes as much height as the people need, up to `height_max`, as a popover wants it.
    pub fn fit_height(&self, height_max: i32) {
        let window = &*self.imp().scrolled_window;
        window.set_propagate_natural_height(true);
        window.set_max_content_height(height_max);
    }

    /// Shows everybody again.
    pub fn reset_search(&self) {
        self.imp().search_entry.set_text("");
        self.imp().filter.set_search(None);
    }

    /// Says what the search entry is for.
    pub fn set_search_hint(&self, hint: &str) {
        self.imp().search_entry.set_placeholder_text(Some(hint));
        crate::ui::accessible::set_label(&*self.imp().search_entry, hint);
    }

    /// Calls `follow` with the name of whoever is chosen.
    pub fn connect_chosen(&self, follow: impl Fn(&str) + 'static) {
        let closure = glib::closure_local!(move |_: Self, name: String| follow(&name));
        self.connect_closure("chosen", false, closure);
    }

    /// Calls `follow` with what is searched for.
    pub fn connect_searched(&self, follow: impl Fn(&str) + 'static) {
        let closure = glib::closure_local!(move |_: Self, text: String| follow(&text));
        self.connect_closure("searched", false, closure);
    }

    fn choose(&self, person: &Person) {
        self.emit_by_name::<()>("chosen", &[&person.name()]);
    }

    fn row_factory(&self) -> gtk::SignalListItemFactory {
        let factory = gtk::SignalListItemFactory::new();
        factory.connect_setup(glib::clone!(
            #[weak(rename_to = list)]
            self,
            move |_, item| {
                if let Some(item) = item.downcast_ref::<gtk::ListItem>() {
                    let row = PersonRow::default();
                    row.connect_chosen(glib::clone!(
                        #[weak]
                        list,
                        move |person| list.choose(person)
                    ));
                    item.set_child(Some(&row));
                }
            }
        ));
        factory.connect_bind(|_, item| {
            let Some(item) = item.downcast_ref::<gtk::ListItem>() else { return };
            if let (Some(row), Some(person)) =
                (item.child().and_downcast::<PersonRow>(), item.item().and_downcast::<Person>())
            {
                row.bind(&person);
            }
        });
        factory
    }
}

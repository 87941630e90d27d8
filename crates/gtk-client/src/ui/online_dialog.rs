//! The dialog *Online*: everybody who is online, live while it is open. It is made anew each time and
//! closed, never hidden: GTK 4.8 does not survive accessibility clients that look at hidden windows.

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::{CompositeTemplate, glib};

use crate::model::people::People;
use crate::ui::people_list::PeopleList;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(resource = "/org/simplechat/SimpleChat/ui/online_dialog.ui")]
    pub struct OnlineDialog {
        #[template_child]
        pub(super) window_title: TemplateChild<adw::WindowTitle>,
        #[template_child]
        pub(super) people_list: TemplateChild<PeopleList>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for OnlineDialog {
        const NAME: &'static str = "ScOnlineDialog";
        type Type = super::OnlineDialog;
        type ParentType = adw::Window;

        fn class_init(klass: &mut Self::Class) {
            PeopleList::ensure_type();
            klass.bind_template();
        }

        fn instance_init(obj: &glib::subclass::InitializingObject<Self>) {
            obj.init_template();
        }
    }

    impl ObjectImpl for OnlineDialog {}
    impl WidgetImpl for OnlineDialog {}
    impl WindowImpl for OnlineDialog {}
    impl AdwWindowImpl for OnlineDialog {}
}

glib::wrapper! {
    /// The dialog that shows who is online.
    pub struct OnlineDialog(ObjectSubclass<imp::OnlineDialog>)
        @extends adw::Window, gtk::Window, gtk::Widget,
        @implements gtk::Buildable, gtk::ConstraintTarget, gtk::Native, gtk::Root, gtk::ShortcutManager;
}

impl OnlineDialog {
    /// A dialog over `parent`; whoever is clicked is given to `chosen`, and the dialog closes.
    #[must_use]
    pub fn new(
        parent: &impl IsA<gtk::Window>,
        people: &People,
        chosen: impl Fn(&str) + 'static,
    ) -> Self {
        let dialog: Self = glib::Object::builder().property("transient-for", parent).build();
        let list = &*dialog.imp().people_list;
        list.set_people(people, false);
        list.connect_chosen(glib::clone!(
            #[weak]
            dialog,
            move |name| {
                chosen(name);
                dialog.close();
            }
        ));
        dialog.count(people);
        let counted = people.list().connect_items_changed(glib::clone!(
            #[weak]
            dialog,
            #[strong]
            people,
            move |_, _, _, _| dialog.count(&people)
        ));
        let (people, counted) = (people.clone(), std::cell::Cell::new(Some(counted)));
        dialog.connect_destroy(move |_| {
            if let Some(counted) = counted.take() {
                people.list().disconnect(counted);
            }
        });
        dialog
    }

    fn count(&self, people: &People) {
        let subtitle = match people.len() {
            1 => "Only you".to_owned(),
            count => format!("{count} people"),
        };
        self.imp().window_title.set_subtitle(&subtitle);
    }
}

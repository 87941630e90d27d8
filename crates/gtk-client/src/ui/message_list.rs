//! The conversation: follows its end, pages older messages in on scrolling up, and clears with a way
//! back. What a row looks like is in `message_row.rs`.

use std::cell::{Cell, OnceCell, RefCell};

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::{CompositeTemplate, gdk, gio, glib};

use crate::model::chat_session::ChatSession;
use crate::model::message::Message;
use crate::ui::accessible;
use crate::ui::message_row::MessageRow;

mod context_menu;
mod following;

/// How long the way back from clearing stays open, in seconds.
const UNDO_SECONDS: u32 = 10;

mod imp {
    use std::sync::LazyLock;

    use gtk::glib::subclass::Signal;

    use super::*;

    #[derive(Debug, CompositeTemplate)]
    #[template(resource = "/org/simplechat/SimpleChat/ui/message_list.ui")]
    pub struct MessageList {
        #[template_child]
        pub(super) toasts: TemplateChild<adw::ToastOverlay>,
        #[template_child]
        pub(super) pages: TemplateChild<gtk::Stack>,
        #[template_child]
        pub(super) scrolled_window: TemplateChild<gtk::ScrolledWindow>,
        #[template_child]
        pub(super) list_view: TemplateChild<gtk::ListView>,
        #[template_child]
        pub(super) latest_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) context_menu: TemplateChild<gio::Menu>,
        pub(super) session: OnceCell<ChatSession>,
        /// The end is on the screen and stays there whatever comes.
        pub(super) following: Cell<bool>,
        /// Frames until the list has found its heights and a scroll to the end is at the end: what the
        /// adjustment says until then is no wish of anybody.
        pub(super) settling: Cell<u32>,
        /// The row whose menu was opened last.
        pub(super) menu_row: glib::WeakRef<MessageRow>,
        pub(super) cleared_toast: RefCell<Option<adw::Toast>>,
    }

    impl Default for MessageList {
        fn default() -> Self {
            Self {
                toasts: TemplateChild::default(),
                pages: TemplateChild::default(),
                scrolled_window: TemplateChild::default(),
                list_view: TemplateChild::default(),
                latest_button: TemplateChild::default(),
                context_menu: TemplateChild::default(),
                session: OnceCell::new(),
                following: Cell::new(true),
                settling: Cell::new(0),
                menu_row: glib::WeakRef::new(),
                cleared_toast: RefCell::new(None),
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for MessageList {
        const NAME: &'static str = "ScMessageList";
        type Type = super::MessageList;
        type ParentType = adw::Bin;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
            klass.bind_template_callbacks();
            context_menu::install(klass);
        }

        fn instance_init(obj: &glib::subclass::InitializingObject<Self>) {
            obj.init_template();
        }
    }

    impl ObjectImpl for MessageList {
        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<Vec<Signal>> = LazyLock::new(|| {
                vec![Signal::builder("person-chosen").param_types([String::static_type()]).build()]
            });
            &SIGNALS
        }
    }

    impl WidgetImpl for MessageList {}
    impl BinImpl for MessageList {}

    #[gtk::template_callbacks]
    impl MessageList {
        #[template_callback]
        fn on_latest(&self) {
            self.obj().go_to_end();
        }
    }
}

glib::wrapper! {
    /// The list of messages. `person-chosen` is emitted with a name when somebody is to be written to.
    pub struct MessageList(ObjectSubclass<imp::MessageList>)
        @extends adw::Bin, gtk::Widget,
        @implements gtk::Buildable, gtk::ConstraintTarget;
}

impl MessageList {
    /// Shows the conversation of `session`.
    pub fn set_session(&self, session: &ChatSession) {
        let imp = self.imp();
        imp.session.get_or_init(|| session.clone());
        imp.list_view.set_factory(Some(&row_factory(session)));
        imp.list_view.set_model(Some(&gtk::NoSelection::new(Some(session.messages().clone()))));
        self.follow_end();
        self.open_menus();
        session.messages().connect_items_changed(glib::clone!(
            #[weak(rename_to = list)]
            self,
            move |messages, _, _, _| {
                list.show_page(messages.n_items() > 0);
                list.settle();
            }
        ));
        self.show_page(session.messages().n_items() > 0);
    }

    /// Calls `follow` with the name of whoever is to be written to in private.
    pub fn connect_person_chosen(&self, follow: impl Fn(&str) + 'static) {
        let closure = glib::closure_local!(move |_: Self, name: String| follow(&name));
        self.connect_closure("person-chosen", false, closure);
    }

    /// Empties the conversation on this computer, with a way back for a while.
    pub fn clear(&self) {
        let imp = self.imp();
        let Some(session) = imp.session.get().filter(|session| session.messages().n_items() > 0)
        else {
            return;
        };
        if let Some(earlier) = imp.cleared_toast.take() {
            earlier.dismiss();
        }
        let taken = RefCell::new(session.messages().take_all());
        let toast = adw::Toast::new("Chat cleared");
        toast.set_button_label(Some("Undo"));
        toast.set_timeout(UNDO_SECONDS);
        let messages = session.messages().clone();
        toast.connect_button_clicked(move |_| messages.put_back(taken.take()));
        imp.toasts.add_toast(toast.clone());
        if let Some(undo) = button_with_label(imp.toasts.upcast_ref(), "Undo") {
            accessible::forget_labelling_widget(&undo);
        }
        imp.cleared_toast.replace(Some(toast));
    }

    /// Lets go of what was cleared: it belongs to a login that is over.
    pub fn forget_cleared(&self) {
        if let Some(toast) = self.imp().cleared_toast.take() {
            toast.dismiss();
        }
    }

    fn show_page(&self, has_messages: bool) {
        self.imp().pages.set_visible_child_name(if has_messages { "messages" } else { "empty" });
    }
}

/// The button below `widget` that shows `label`.
fn button_with_label(widget: &gtk::Widget, label: &str) -> Option<gtk::Button> {
    if let Some(button) = widget.downcast_ref::<gtk::Button>()
        && button.label().as_deref() == Some(label)
    {
        return Some(button.clone());
    }
    let children = std::iter::successors(widget.first_child(), WidgetExt::next_sibling);
    children.into_iter().find_map(|child| button_with_label(&child, label))
}

fn row_factory(session: &ChatSession) -> gtk::SignalListItemFactory {
    let factory = gtk::SignalListItemFactory::new();
    factory.connect_setup(glib::clone!(
        #[weak]
        session,
        move |_, item| {
            if let Some(item) = item.downcast_ref::<gtk::ListItem>() {
                item.set_activatable(false);
                item.set_child(Some(&MessageRow::new(&session)));
            }
        }
    ));
    factory.connect_bind(|_, item| {
        if let Some((row, message)) = parts(item) {
            row.bind(&message);
        }
    });
    factory.connect_unbind(|_, item| {
        if let Some((row, _)) = parts(item) {
            row.unbind();
        }
    });
    factory
}

fn parts(item: &glib::Object) -> Option<(MessageRow, Message)> {
    let item = item.downcast_ref::<gtk::ListItem>()?;
    Some((item.child().and_downcast()?, item.item().and_downcast()?))
}

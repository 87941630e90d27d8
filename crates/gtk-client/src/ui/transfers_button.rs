//! The button *Transfers*: how many run, and behind it the list of all downloads.

use std::cell::OnceCell;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::{CompositeTemplate, glib};

use crate::model::chat_session::ChatSession;
use crate::model::transfer::Transfer;
use crate::ui::accessible;
use crate::ui::transfer_row::TransferRow;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(resource = "/org/simplechat/SimpleChat/ui/transfers_button.ui")]
    pub struct TransfersButton {
        #[template_child]
        pub(super) button: TemplateChild<gtk::MenuButton>,
        #[template_child]
        pub(super) count_label: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) popover: TemplateChild<gtk::Popover>,
        #[template_child]
        pub(super) contents: TemplateChild<gtk::Stack>,
        #[template_child]
        pub(super) list_box: TemplateChild<gtk::ListBox>,
        #[template_child]
        pub(super) forget_button: TemplateChild<gtk::Button>,
        pub(super) session: OnceCell<ChatSession>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for TransfersButton {
        const NAME: &'static str = "ScTransfersButton";
        type Type = super::TransfersButton;
        type ParentType = adw::Bin;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
            klass.bind_template_callbacks();
        }

        fn instance_init(obj: &glib::subclass::InitializingObject<Self>) {
            obj.init_template();
        }
    }

    impl ObjectImpl for TransfersButton {
        fn constructed(&self) {
            self.parent_constructed();
            accessible::set_menu_button_label(&self.button, "Transfers");
        }
    }

    impl WidgetImpl for TransfersButton {}
    impl BinImpl for TransfersButton {}

    #[gtk::template_callbacks]
    impl TransfersButton {
        #[template_callback]
        fn on_forget(&self) {
            if let Some(session) = self.session.get() {
                session.transfers().forget_over();
            }
        }
    }
}

glib::wrapper! {
    /// The button that shows the downloads.
    pub struct TransfersButton(ObjectSubclass<imp::TransfersButton>)
        @extends adw::Bin, gtk::Widget,
        @implements gtk::Buildable, gtk::ConstraintTarget;
}

impl TransfersButton {
    /// Shows the downloads of `session`.
    pub fn set_session(&self, session: &ChatSession) {
        let imp = self.imp();
        imp.session.get_or_init(|| session.clone());
        let weak = session.downgrade();
        imp.list_box.bind_model(Some(session.transfers().list()), move |item| {
            let row = TransferRow::default();
            if let (Some(transfer), Some(session)) =
                (item.downcast_ref::<Transfer>(), weak.upgrade())
            {
                row.show(transfer, &session);
            }
            row.upcast()
        });
        session.transfers().list().connect_items_changed(glib::clone!(
            #[weak(rename_to = button)]
            self,
            move |list, position, _, added| {
                for new in position..position + added {
                    button.follow(list.item(new).and_downcast::<Transfer>());
                }
                button.show_counts();
            }
        ));
        self.show_counts();
    }

    /// Opens the list.
    pub fn open(&self) {
        self.imp().popover.popup();
    }

    fn follow(&self, transfer: Option<Transfer>) {
        if let Some(transfer) = transfer {
            transfer.connect_revision_notify(glib::clone!(
                #[weak(rename_to = button)]
                self,
                move |transfer| {
                    if transfer.stage().is_over() {
                        button.show_counts();
                    }
                }
            ));
        }
    }

    fn show_counts(&self) {
        let imp = self.imp();
        let Some(transfers) = imp.session.get().map(ChatSession::transfers) else { return };
        let (running, all) = (transfers.running(), transfers.iter().count());
        imp.contents.set_visible_child_name(if all == 0 { "empty" } else { "list" });
        imp.forget_button.set_sensitive(running < all);
        imp.count_label.set_visible(running > 0);
        imp.count_label.set_text(&running.to_string());
        let description = match running {
            0 => String::new(),
            1 => "1 download is running".to_owned(),
            _ => format!("{running} downloads are running"),
        };
        accessible::set_menu_button_description(&imp.button, &description);
    }
}

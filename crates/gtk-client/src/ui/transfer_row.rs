//! One download in the list: how far, how fast, and what can be done about it.

use std::cell::RefCell;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::{CompositeTemplate, gio, glib};

use crate::model::chat_session::ChatSession;
use crate::model::transfer::{Stage, Transfer};
use crate::ui::accessible;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(resource = "/org/simplechat/SimpleChat/ui/transfer_row.ui")]
    pub struct TransferRow {
        #[template_child]
        pub(super) name: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) progress_bar: TemplateChild<gtk::ProgressBar>,
        #[template_child]
        pub(super) status: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) pause_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) resume_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) cancel_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) folder_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) again_button: TemplateChild<gtk::Button>,
        pub(super) transfer: RefCell<Option<Transfer>>,
        pub(super) session: glib::WeakRef<ChatSession>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for TransferRow {
        const NAME: &'static str = "ScTransferRow";
        type Type = super::TransferRow;
        type ParentType = gtk::ListBoxRow;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
            klass.bind_template_callbacks();
        }

        fn instance_init(obj: &glib::subclass::InitializingObject<Self>) {
            obj.init_template();
        }
    }

    impl ObjectImpl for TransferRow {}
    impl WidgetImpl for TransferRow {}
    impl ListBoxRowImpl for TransferRow {}

    #[gtk::template_callbacks]
    impl TransferRow {
        #[template_callback]
        fn on_pause(&self) {
            if let (Some(session), Some(transfer)) =
                (self.session.upgrade(), self.transfer.borrow().clone())
            {
                session.pause(&transfer);
            }
        }

        #[template_callback]
        fn on_resume(&self) {
            if let (Some(session), Some(transfer)) =
                (self.session.upgrade(), self.transfer.borrow().clone())
            {
                session.resume(&transfer);
            }
        }

        #[template_callback]
        fn on_cancel(&self) {
            if let (Some(session), Some(transfer)) =
                (self.session.upgrade(), self.transfer.borrow().clone())
            {
                session.cancel(&transfer);
            }
        }

        #[template_callback]
        fn on_again(&self) {
            if let (Some(session), Some(transfer)) =
                (self.session.upgrade(), self.transfer.borrow().clone())
            {
                session.download_again(&transfer);
            }
        }

        #[template_callback]
        fn on_open_folder(&self) {
            let stage = self.transfer.borrow().as_ref().map(Transfer::stage);
            if let Some(Stage::Finished(path)) = stage
                && let Some(folder) = path.parent()
            {
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
    /// One download in the list.
    pub struct TransferRow(ObjectSubclass<imp::TransferRow>)
        @extends gtk::ListBoxRow, gtk::Widget,
        @implements gtk::Actionable, gtk::Buildable, gtk::ConstraintTarget;
}

impl Default for TransferRow {
    fn default() -> Self {
        glib::Object::new()
    }
}

impl TransferRow {
    /// Shows `transfer` and follows it.
    pub fn show(&self, transfer: &Transfer, session: &ChatSession) {
        let (imp, name) = (self.imp(), transfer.shown_name());
        imp.session.set(Some(session));
        imp.transfer.replace(Some(transfer.clone()));
        imp.name.set_text(&name);
        imp.name.set_tooltip_text(Some(&name));
        accessible::set_label(&*imp.pause_button, &format!("Pause {name}"));
        accessible::set_label(&*imp.resume_button, &format!("Resume {name}"));
        accessible::set_label(&*imp.cancel_button, &format!("Cancel {name}"));
        accessible::set_label(&*imp.folder_button, &format!("Open Folder of {name}"));
        accessible::set_label(&*imp.again_button, &format!("Download {name} Again"));
        accessible::set_label(&*imp.progress_bar, &name);
        transfer.connect_revision_notify(glib::clone!(
            #[weak(rename_to = row)]
            self,
            move |transfer| row.update(transfer)
        ));
        self.update(transfer);
    }

    fn update(&self, transfer: &Transfer) {
        let (imp, stage) = (self.imp(), transfer.stage());
        imp.progress_bar.set_visible(!stage.is_over());
        match transfer.fraction() {
            Some(fraction) => imp.progress_bar.set_fraction(fraction),
            None => imp.progress_bar.pulse(),
        }
        let status = transfer.status();
        imp.status.set_text(&status);
        if matches!(stage, Stage::Failed(_)) {
            imp.status.add_css_class("error");
        }
        imp.pause_button.set_visible(stage.can_pause());
        imp.resume_button.set_visible(stage == Stage::Paused);
        imp.cancel_button.set_visible(!stage.is_over());
        imp.folder_button.set_visible(matches!(stage, Stage::Finished(_)));
        imp.again_button.set_visible(matches!(stage, Stage::Failed(_) | Stage::Cancelled));
        accessible::set_label(self, &format!("{}, {status}", transfer.shown_name()));
    }
}

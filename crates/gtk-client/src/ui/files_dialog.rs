//! The dialog *Server Files*: what the server offers, live while it is open, to be downloaded with a
//! click or under another name. Made anew each time and closed, as [`crate::ui::online_dialog`] is.

use std::cell::{Cell, OnceCell};

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::{CompositeTemplate, glib};

use crate::model::chat_session::ChatSession;
use crate::model::save_place::{self, SaveName};
use crate::model::server_file::ServerFile;
use crate::ui::save_as_page::SaveAsPage;

mod columns;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(resource = "/org/simplechat/SimpleChat/ui/files_dialog.ui")]
    pub struct FilesDialog {
        #[template_child]
        pub(super) pages: TemplateChild<gtk::Stack>,
        #[template_child]
        pub(super) window_title: TemplateChild<adw::WindowTitle>,
        #[template_child]
        pub(super) toasts: TemplateChild<adw::ToastOverlay>,
        #[template_child]
        pub(super) contents: TemplateChild<gtk::Stack>,
        #[template_child]
        pub(super) search_entry: TemplateChild<gtk::SearchEntry>,
        #[template_child]
        pub(super) column_view: TemplateChild<gtk::ColumnView>,
        #[template_child]
        pub(super) name_column: TemplateChild<gtk::ColumnViewColumn>,
        #[template_child]
        pub(super) size_column: TemplateChild<gtk::ColumnViewColumn>,
        #[template_child]
        pub(super) action_column: TemplateChild<gtk::ColumnViewColumn>,
        #[template_child]
        pub(super) save_as_page: TemplateChild<SaveAsPage>,
        pub(super) filter: gtk::StringFilter,
        pub(super) session: OnceCell<ChatSession>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for FilesDialog {
        const NAME: &'static str = "ScFilesDialog";
        type Type = super::FilesDialog;
        type ParentType = adw::Window;

        fn class_init(klass: &mut Self::Class) {
            SaveAsPage::ensure_type();
            klass.bind_template();
            klass.bind_template_callbacks();
        }

        fn instance_init(obj: &glib::subclass::InitializingObject<Self>) {
            obj.init_template();
        }
    }

    impl ObjectImpl for FilesDialog {}
    impl WidgetImpl for FilesDialog {}
    impl WindowImpl for FilesDialog {}
    impl AdwWindowImpl for FilesDialog {}

    #[gtk::template_callbacks]
    impl FilesDialog {
        #[template_callback]
        fn on_search_changed(&self) {
            self.filter.set_search(Some(self.search_entry.text().trim()));
        }

        /// Enter or a double click on a row downloads it.
        #[template_callback]
        fn on_activated(&self, position: u32) {
            let file = self
                .column_view
                .model()
                .and_then(|model| model.item(position))
                .and_downcast::<ServerFile>();
            if let Some(file) = file {
                self.obj().download(&file);
            }
        }
    }
}

glib::wrapper! {
    /// The dialog that shows the files of the server.
    pub struct FilesDialog(ObjectSubclass<imp::FilesDialog>)
        @extends adw::Window, gtk::Window, gtk::Widget,
        @implements gtk::Buildable, gtk::ConstraintTarget, gtk::Native, gtk::Root, gtk::ShortcutManager;
}

impl FilesDialog {
    /// A dialog over `parent` that downloads in `session`.
    #[must_use]
    pub fn new(parent: &impl IsA<gtk::Window>, session: &ChatSession) -> Self {
        let dialog: Self = glib::Object::builder().property("transient-for", parent).build();
        dialog.imp().session.get_or_init(|| session.clone());
        dialog.fill_columns();
        dialog.follow_save_as();
        dialog.follow_files(session);
        dialog
    }

    /// Saves `file` under its own name in the person's folder for downloads.
    pub(super) fn download(&self, file: &ServerFile) {
        let save_as = SaveName::suggested(&file.path()).in_folder(&save_place::downloads_folder());
        self.start(file, save_as);
    }

    /// Asks for another name and folder first.
    pub(super) fn save_as(&self, file: &ServerFile) {
        let imp = self.imp();
        imp.save_as_page.ask_for(file);
        imp.pages.set_visible_child_name("save-as");
        imp.save_as_page.grab_focus();
    }

    fn start(&self, file: &ServerFile, save_as: std::path::PathBuf) {
        if let Some(session) = self.imp().session.get() {
            session.download(&file.path(), save_as);
            let toast = adw::Toast::new(&glib::markup_escape_text(&format!(
                "Downloading {}",
                file.shown_path()
            )));
            toast.set_timeout(2);
            self.imp().toasts.add_toast(toast);
        }
    }

    fn follow_save_as(&self) {
        let imp = self.imp();
        imp.save_as_page.connect_answered(glib::clone!(
            #[weak(rename_to = dialog)]
            self,
            move |page| {
                dialog.imp().pages.set_visible_child_name("files");
                if let Some((file, save_as)) = page.answer() {
                    dialog.start(&file, save_as);
                }
            }
        ));
    }

    fn follow_files(&self, session: &ChatSession) {
        let list = session.files().list().clone();
        self.show_count(list.n_items());
        let followed = list.connect_items_changed(glib::clone!(
            #[weak(rename_to = dialog)]
            self,
            move |list, _, _, _| dialog.show_count(list.n_items())
        ));
        let followed = Cell::new(Some(followed));
        self.connect_destroy(move |_| {
            if let Some(followed) = followed.take() {
                list.disconnect(followed);
            }
        });
    }

    fn show_count(&self, count: u32) {
        let imp = self.imp();
        imp.contents.set_visible_child_name(if count == 0 { "empty" } else { "list" });
        let subtitle = match count {
            0 => String::new(),
            1 => "1 file".to_owned(),
            _ => format!("{count} files"),
        };
        imp.window_title.set_subtitle(&subtitle);
    }
}

//! Asks under which name, and in which folder, a file shall be saved.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::LazyLock;

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::glib::subclass::Signal;
use gtk::{CompositeTemplate, gio, glib};

use crate::model::save_place::{self, SaveName};
use crate::model::server_file::ServerFile;
use crate::ui::accessible;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(resource = "/org/simplechat/SimpleChat/ui/save_as_page.ui")]
    pub struct SaveAsPage {
        #[template_child]
        pub(super) download_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) file_label: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) name_row: TemplateChild<adw::EntryRow>,
        #[template_child]
        pub(super) problem_row: TemplateChild<gtk::ListBoxRow>,
        #[template_child]
        pub(super) problem: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) folder_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) folder_label: TemplateChild<gtk::Label>,
        pub(super) file: RefCell<Option<ServerFile>>,
        pub(super) folder: RefCell<PathBuf>,
        pub(super) answer: RefCell<Option<(ServerFile, PathBuf)>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for SaveAsPage {
        const NAME: &'static str = "ScSaveAsPage";
        type Type = super::SaveAsPage;
        type ParentType = gtk::Box;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
            klass.bind_template_callbacks();
        }

        fn instance_init(obj: &glib::subclass::InitializingObject<Self>) {
            obj.init_template();
        }
    }

    impl ObjectImpl for SaveAsPage {
        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<Vec<Signal>> =
                LazyLock::new(|| vec![Signal::builder("answered").build()]);
            &SIGNALS
        }

        fn constructed(&self) {
            self.parent_constructed();
            if let Ok(text) = self.name_row.delegate().and_dynamic_cast::<gtk::Widget>() {
                accessible::set_label(&text, &self.name_row.title());
            }
        }
    }

    impl WidgetImpl for SaveAsPage {
        fn grab_focus(&self) -> bool {
            self.name_row.grab_focus()
        }
    }

    impl BoxImpl for SaveAsPage {}

    #[gtk::template_callbacks]
    impl SaveAsPage {
        #[template_callback]
        fn on_name_changed(&self) {
            let problem = SaveName::parse(&self.name_row.text()).err();
            self.problem.set_text(problem.map_or("", |problem| problem.sentence()));
            self.problem_row.set_visible(problem.is_some());
            self.download_button.set_sensitive(problem.is_none());
        }

        #[template_callback]
        fn on_cancel(&self) {
            self.answer.replace(None);
            self.obj().emit_by_name::<()>("answered", &[]);
        }

        #[template_callback]
        fn on_download(&self) {
            let file = self.file.borrow().clone();
            if let (Ok(name), Some(file)) = (SaveName::parse(&self.name_row.text()), file) {
                let place = name.in_folder(&self.folder.borrow());
                self.answer.replace(Some((file, place)));
                self.obj().emit_by_name::<()>("answered", &[]);
            }
        }

        #[template_callback]
        fn on_choose_folder(&self) {
            self.obj().choose_folder();
        }
    }
}

glib::wrapper! {
    /// The page that asks where a file shall be saved. `answered` is emitted when it is done.
    pub struct SaveAsPage(ObjectSubclass<imp::SaveAsPage>)
        @extends gtk::Box, gtk::Widget,
        @implements gtk::Buildable, gtk::ConstraintTarget, gtk::Orientable;
}

impl SaveAsPage {
    /// Starts anew with what `file` suggests.
    pub fn ask_for(&self, file: &ServerFile) {
        let imp = self.imp();
        imp.file.replace(Some(file.clone()));
        imp.file_label.set_text(&file.shown_path());
        imp.name_row.set_text(SaveName::suggested(&file.path()).as_str());
        self.set_folder(save_place::downloads_folder());
    }

    /// The file and where it shall be saved; `None` if the person does not want it any more.
    #[must_use]
    pub fn answer(&self) -> Option<(ServerFile, PathBuf)> {
        self.imp().answer.take()
    }

    /// Calls `follow` when the person has decided.
    pub fn connect_answered(&self, follow: impl Fn(&Self) + 'static) {
        self.connect_closure(
            "answered",
            false,
            glib::closure_local!(move |page: Self| follow(&page)),
        );
    }

    fn set_folder(&self, folder: PathBuf) {
        let name = folder
            .file_name()
            .map_or_else(|| folder.display().to_string(), |name| name.display().to_string());
        self.imp().folder_label.set_text(&name);
        self.imp().folder_button.set_tooltip_text(Some(&folder.display().to_string()));
        accessible::set_description(&*self.imp().folder_button, &folder.display().to_string());
        self.imp().folder.replace(folder);
    }

    fn choose_folder(&self) {
        let window = self.root().and_downcast::<gtk::Window>();
        let chooser = gtk::FileChooserNative::new(
            Some("Choose Folder"),
            window.as_ref(),
            gtk::FileChooserAction::SelectFolder,
            Some("Choose"),
            Some("Cancel"),
        );
        // One that does not exist yet is where the chooser starts by itself.
        chooser.set_current_folder(Some(&gio::File::for_path(&*self.imp().folder.borrow()))).ok();
        let page = self.downgrade();
        glib::spawn_future_local(async move {
            let response = chooser.run_future().await;
            let folder = chooser.file().and_then(|file| file.path());
            if let (gtk::ResponseType::Accept, Some(folder), Some(page)) =
                (response, folder, page.upgrade())
            {
                page.set_folder(folder);
            }
        });
    }
}

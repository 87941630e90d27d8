//! The first page: which server, which name. What is wrong is said under the row it belongs to.

use std::cell::{Cell, OnceCell};

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::{CompositeTemplate, glib};

use crate::model::chat_session::{ChatSession, LogInForm};
use crate::model::connection_state::{LogInField, LogInProblem, Phase, Standing};
use crate::model::last_login::LastLogin;
use crate::ui::accessible;

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(resource = "/org/simplechat/SimpleChat/ui/log_in_page.ui")]
    pub struct LogInPage {
        #[template_child]
        pub(super) menu_button: TemplateChild<gtk::MenuButton>,
        #[template_child]
        pub(super) server_row: TemplateChild<adw::EntryRow>,
        #[template_child]
        pub(super) server_problem_row: TemplateChild<gtk::ListBoxRow>,
        #[template_child]
        pub(super) server_problem: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) name_row: TemplateChild<adw::EntryRow>,
        #[template_child]
        pub(super) name_problem_row: TemplateChild<gtk::ListBoxRow>,
        #[template_child]
        pub(super) name_problem: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) password_row: TemplateChild<adw::PasswordEntryRow>,
        #[template_child]
        pub(super) password_problem_row: TemplateChild<gtk::ListBoxRow>,
        #[template_child]
        pub(super) password_problem: TemplateChild<gtk::Label>,
        #[template_child]
        pub(super) cancel_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) log_in_button: TemplateChild<gtk::Button>,
        #[template_child]
        pub(super) spinner: TemplateChild<gtk::Spinner>,
        pub(super) session: OnceCell<ChatSession>,
        /// A login is under way.
        pub(super) busy: Cell<bool>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for LogInPage {
        const NAME: &'static str = "ScLogInPage";
        type Type = super::LogInPage;
        type ParentType = gtk::Box;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
            klass.bind_template_callbacks();
        }

        fn instance_init(obj: &glib::subclass::InitializingObject<Self>) {
            obj.init_template();
        }
    }

    impl ObjectImpl for LogInPage {
        fn constructed(&self) {
            self.parent_constructed();
            accessible::set_menu_button_label(&self.menu_button, "Menu");
            self.obj().name_entries();
        }
    }

    impl WidgetImpl for LogInPage {}
    impl BoxImpl for LogInPage {}

    #[gtk::template_callbacks]
    impl LogInPage {
        #[template_callback]
        fn on_server_changed(&self) {
            self.obj().retract_problem(LogInField::Server);
            // Another server may want no password.
            self.password_row.set_visible(false);
            self.password_row.set_text("");
            self.obj().update_button();
        }

        #[template_callback]
        fn on_name_changed(&self) {
            self.obj().retract_problem(LogInField::Name);
            self.obj().update_button();
        }

        #[template_callback]
        fn on_password_changed(&self) {
            self.obj().retract_problem(LogInField::Password);
        }

        /// Enter goes to the first empty row, and logs in from the last.
        #[template_callback]
        fn on_entry_activated(&self) {
            let rows = [self.server_row.upcast_ref::<gtk::Widget>(), self.name_row.upcast_ref()];
            let is_empty = |row: &&&gtk::Widget| row.property::<String>("text").is_empty();
            match rows.iter().find(is_empty) {
                Some(row) => {
                    row.grab_focus();
                }
                None => self.on_log_in(),
            }
        }

        #[template_callback]
        fn on_log_in(&self) {
            if let Some(session) = self.session.get().filter(|_| self.log_in_button.is_sensitive())
            {
                session.log_in(self.obj().form());
            }
        }

        #[template_callback]
        fn on_cancel(&self) {
            if let Some(session) = self.session.get() {
                session.give_up_log_in();
            }
        }
    }
}

glib::wrapper! {
    /// The page on which a person logs in.
    pub struct LogInPage(ObjectSubclass<imp::LogInPage>)
        @extends gtk::Box, gtk::Widget,
        @implements gtk::Buildable, gtk::ConstraintTarget, gtk::Orientable;
}

impl LogInPage {
    /// Shows where `session` stands, and logs in there.
    pub fn set_session(&self, session: &ChatSession) {
        self.imp().session.get_or_init(|| session.clone());
        session.connection().connect_changed(glib::clone!(
            #[weak(rename_to = page)]
            self,
            move |connection| page.show(&connection.standing())
        ));
    }

    /// Fills in what is known already, and puts the cursor where something is missing.
    pub fn prefill(&self, login: &LastLogin) {
        let imp = self.imp();
        imp.server_row.set_text(&login.server);
        imp.name_row.set_text(&login.name);
        self.update_button();
        self.focus_first_gap();
    }

    /// Puts the cursor where something is missing.
    pub fn focus_first_gap(&self) {
        let imp = self.imp();
        if imp.server_row.text().is_empty() {
            imp.server_row.grab_focus();
        } else {
            imp.name_row.grab_focus();
        }
    }

    fn show(&self, standing: &Standing) {
        let imp = self.imp();
        let busy = matches!(standing.phase, Phase::LoggingIn | Phase::LoggingOut);
        imp.busy.set(busy);
        imp.server_row.set_editable(!busy);
        imp.name_row.set_editable(!busy);
        imp.password_row.set_editable(!busy);
        imp.cancel_button.set_visible(busy);
        imp.spinner.set_visible(busy);
        imp.spinner.set_spinning(busy);
        self.update_button();
        if standing.password_needed {
            imp.password_row.set_visible(true);
        }
        for field in [LogInField::Server, LogInField::Name, LogInField::Password] {
            self.show_problem(
                field,
                standing.problem.as_ref().filter(|problem| problem.field == field),
            );
        }
        if let Some(problem) = &standing.problem {
            self.row(problem.field).0.grab_focus();
        }
    }

    fn show_problem(&self, field: LogInField, problem: Option<&LogInProblem>) {
        let (row, problem_row, label) = self.row(field);
        let sentence = problem.map_or("", |problem| problem.sentence.as_str());
        label.set_text(sentence);
        problem_row.set_visible(problem.is_some());
        if problem.is_some() {
            row.add_css_class("error");
        } else {
            row.remove_css_class("error");
        }
        if let Some(entry) = entry_of(&row) {
            accessible::set_description(&entry, sentence);
        }
    }

    fn retract_problem(&self, field: LogInField) {
        self.show_problem(field, None);
    }

    fn row(&self, field: LogInField) -> (gtk::Widget, &gtk::ListBoxRow, &gtk::Label) {
        let imp = self.imp();
        match field {
            LogInField::Server => {
                (imp.server_row.get().upcast(), &*imp.server_problem_row, &*imp.server_problem)
            }
            LogInField::Name => {
                (imp.name_row.get().upcast(), &*imp.name_problem_row, &*imp.name_problem)
            }
            LogInField::Password => (
                imp.password_row.get().upcast(),
                &*imp.password_problem_row,
                &*imp.password_problem,
            ),
        }
    }

    fn form(&self) -> LogInForm {
        let imp = self.imp();
        LogInForm {
            server: imp.server_row.text().trim().to_owned(),
            name: imp.name_row.text().into(),
            password: imp.password_row.text().into(),
        }
    }

    fn update_button(&self) {
        let imp = self.imp();
        let complete =
            !imp.server_row.text().trim().is_empty() && !imp.name_row.text().trim().is_empty();
        imp.log_in_button.set_sensitive(complete && !imp.busy.get());
    }

    /// The rows' titles are labels of their own to GTK 4.8; the entries are called like them.
    fn name_entries(&self) {
        for field in [LogInField::Server, LogInField::Name, LogInField::Password] {
            let (row, ..) = self.row(field);
            if let (Some(entry), Some(row)) =
                (entry_of(&row), row.downcast_ref::<adw::PreferencesRow>())
            {
                accessible::set_label(&entry, &row.title());
            }
        }
    }
}

/// The widget inside an entry row that holds the text.
fn entry_of(row: &gtk::Widget) -> Option<gtk::Widget> {
    row.dynamic_cast_ref::<gtk::Editable>()?.delegate()?.dynamic_cast::<gtk::Widget>().ok()
}

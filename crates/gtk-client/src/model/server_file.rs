//! One file of the server, as a row of a list sees it.

use std::cell::{Cell, RefCell};

use chat_client::event;
use gtk::glib;
use gtk::prelude::*;
use gtk::subclass::prelude::*;

use crate::model::plain_text;

mod imp {
    use super::*;

    #[derive(Debug, Default, glib::Properties)]
    #[properties(wrapper_type = super::ServerFile)]
    pub struct ServerFile {
        /// Relative, `/` between folders: what requests carry.
        #[property(get, construct_only)]
        path: RefCell<String>,
        /// In bytes.
        #[property(get, construct_only)]
        size: Cell<u64>,
        /// Milliseconds since 1970-01-01 UTC.
        #[property(get, construct_only)]
        modified_ms: Cell<i64>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for ServerFile {
        const NAME: &'static str = "ScServerFile";
        type Type = super::ServerFile;
    }

    #[glib::derived_properties]
    impl ObjectImpl for ServerFile {}
}

glib::wrapper! {
    /// One version of one file of the server; a changed file is a new object.
    pub struct ServerFile(ObjectSubclass<imp::ServerFile>);
}

impl From<&event::ServerFile> for ServerFile {
    fn from(file: &event::ServerFile) -> Self {
        glib::Object::builder()
            .property("path", &file.path)
            .property("size", file.size)
            .property("modified-ms", file.modified_ms)
            .build()
    }
}

impl ServerFile {
    /// The path, safe to show.
    #[must_use]
    pub fn shown_path(&self) -> String {
        plain_text::shown_name(&self.path())
    }

    /// The size for people: `1.2 MB`.
    #[must_use]
    pub fn shown_size(&self) -> String {
        glib::format_size(self.size()).to_string()
    }
}

//! Somebody who is online, as a row of a list sees it.

use std::cell::{Cell, RefCell};

use gtk::glib;
use gtk::prelude::*;
use gtk::subclass::prelude::*;

use crate::model::plain_text;

mod imp {
    use super::*;

    #[derive(Debug, Default, glib::Properties)]
    #[properties(wrapper_type = super::Person)]
    pub struct Person {
        /// As the server spells it: what requests carry.
        #[property(get, construct_only)]
        name: RefCell<String>,
        /// Whether it is us.
        #[property(get, construct_only)]
        own: Cell<bool>,
        /// Whether they are away from all their devices.
        #[property(get, set)]
        away: Cell<bool>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Person {
        const NAME: &'static str = "ScPerson";
        type Type = super::Person;
    }

    #[glib::derived_properties]
    impl ObjectImpl for Person {}
}

glib::wrapper! {
    /// Somebody who is online.
    pub struct Person(ObjectSubclass<imp::Person>);
}

impl Person {
    /// Somebody of this name; `own` if it is ourselves.
    #[must_use]
    pub fn new(name: &str, own: bool) -> Self {
        glib::Object::builder().property("name", name).property("own", own).build()
    }

    /// What is said beside the name.
    #[must_use]
    pub fn standing(&self) -> &'static str {
        match (self.own(), self.away()) {
            (true, true) => "You, away",
            (true, false) => "You",
            (false, true) => "Away",
            (false, false) => "",
        }
    }

    /// The name, safe to show.
    #[must_use]
    pub fn shown_name(&self) -> String {
        plain_text::shown_name(&self.name())
    }
}

//! Who is writing, in each conversation, and the line that says so.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::LazyLock;

use common::conversation::Conversation;
use common::user_name::NameKey;
use gtk::glib;
use gtk::glib::subclass::Signal;
use gtk::prelude::*;
use gtk::subclass::prelude::*;

use crate::model::plain_text;

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct Typists {
        /// Names by conversation, however that is spelt. The session bounds both.
        pub(super) names: RefCell<HashMap<Conversation, Vec<String>>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Typists {
        const NAME: &'static str = "ScTypists";
        type Type = super::Typists;
    }

    impl ObjectImpl for Typists {
        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<Vec<Signal>> =
                LazyLock::new(|| vec![Signal::builder("changed").build()]);
            &SIGNALS
        }
    }
}

glib::wrapper! {
    /// Who is writing. `changed` is emitted whenever that is somebody else.
    pub struct Typists(ObjectSubclass<imp::Typists>);
}

impl Default for Typists {
    fn default() -> Self {
        glib::Object::new()
    }
}

impl Typists {
    /// Follows the session.
    pub(crate) fn apply(&self, conversation: &Conversation, names: Vec<String>) {
        let key = key_of(conversation);
        if names.is_empty() {
            self.imp().names.borrow_mut().remove(&key);
        } else {
            self.imp().names.borrow_mut().insert(key, names);
        }
        self.emit_by_name::<()>("changed", &[]);
    }

    /// Nobody writes any more, as far as we know.
    pub(crate) fn forget_all(&self) {
        self.imp().names.borrow_mut().clear();
        self.emit_by_name::<()>("changed", &[]);
    }

    /// What to say of a conversation; empty where nobody writes.
    #[must_use]
    pub fn sentence(&self, conversation: &Conversation) -> String {
        let names = self.imp().names.borrow();
        match names.get(&key_of(conversation)).map(Vec::as_slice) {
            None | Some([]) => String::new(),
            Some([one]) => format!("{} is typing…", plain_text::shown_name(one)),
            Some([one, other]) => {
                let (one, other) = (plain_text::shown_name(one), plain_text::shown_name(other));
                format!("{one} and {other} are typing…")
            }
            Some(_) => "Several people are typing…".to_owned(),
        }
    }

    /// Calls `follow` after each change.
    pub fn connect_changed(&self, follow: impl Fn(&Self) + 'static) {
        let closure = glib::closure_local!(move |typists: Self| follow(&typists));
        self.connect_closure("changed", false, closure);
    }
}

fn key_of(conversation: &Conversation) -> Conversation {
    match conversation {
        Conversation::Room(room) => Conversation::Room(NameKey::of(room).as_str().to_owned()),
        Conversation::User(name) => Conversation::User(NameKey::of(name).as_str().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &[&str], sentence: &str) {
        let typists = Typists::default();
        let bob = |spelling: &str| Conversation::User(spelling.to_owned());
        typists.apply(&bob("bob"), names.iter().map(ToString::to_string).collect());
        assert_eq!(typists.sentence(&bob("Bob")), sentence);
        assert_eq!(typists.sentence(&Conversation::lobby()), "");
    }

    #[test]
    fn a_few_are_named_and_a_crowd_is_not() {
        check(&[], "");
        check(&["bob"], "bob is typing…");
        check(&["ann", "bob"], "ann and bob are typing…");
        check(&["ann", "bob", "eve"], "Several people are typing…");
    }
}

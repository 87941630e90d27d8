//! The rows of the conversation, of which a list widget sees only the last few hundred: GTK measures
//! every row it knows of again and again. Scrolling up pages older ones in.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use gtk::prelude::*;
use gtk::subclass::prelude::*;
use gtk::{gio, glib};

use crate::model::message::Message;

/// Rows shown while the view follows the end. A screen holds some 30.
pub const ROWS_SHOWN: usize = 200;

/// Rows shown before those that scrolled away are let go again.
pub const ROWS_SHOWN_MAX: usize = 2 * ROWS_SHOWN;

/// Rows that one paging adds.
pub const ROWS_PAGED: usize = 100;

/// Rows remembered at all, about 10 MB; the oldest are forgotten beyond.
pub const ROWS_KEPT_MAX: usize = 20_000;

const _: () = assert!(ROWS_SHOWN_MAX + ROWS_PAGED < ROWS_KEPT_MAX);

mod imp {
    use super::*;

    #[derive(Debug)]
    pub struct MessageWindow {
        pub(super) rows: RefCell<VecDeque<Message>>,
        /// Index of the first row that the list shows.
        pub(super) first: Cell<usize>,
        /// The view is at the end and stays there: what scrolls away may be let go.
        pub(super) following: Cell<bool>,
    }

    impl Default for MessageWindow {
        fn default() -> Self {
            Self { rows: RefCell::default(), first: Cell::new(0), following: Cell::new(true) }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for MessageWindow {
        const NAME: &'static str = "ScMessageWindow";
        type Type = super::MessageWindow;
        type Interfaces = (gio::ListModel,);
    }

    impl ObjectImpl for MessageWindow {}

    impl ListModelImpl for MessageWindow {
        fn item_type(&self) -> glib::Type {
            Message::static_type()
        }

        fn n_items(&self) -> u32 {
            count(self.rows.borrow().len() - self.first.get())
        }

        fn item(&self, position: u32) -> Option<glib::Object> {
            let index = self.first.get().checked_add(usize::try_from(position).ok()?)?;
            self.rows.borrow().get(index).cloned().map(Cast::upcast)
        }
    }
}

glib::wrapper! {
    /// A list model of [`Message`]s: the last few hundred of all that are remembered.
    pub struct MessageWindow(ObjectSubclass<imp::MessageWindow>)
        @implements gio::ListModel;
}

impl Default for MessageWindow {
    fn default() -> Self {
        glib::Object::new()
    }
}

impl MessageWindow {
    /// Adds `rows` at the end, and groups them under their authors' names.
    pub fn append(&self, rows: Vec<Message>) {
        let added = rows.len();
        let imp = self.imp();
        let shown_before = self.n_items();
        {
            let mut all = imp.rows.borrow_mut();
            for row in rows {
                row.set_continues(all.back().is_some_and(|last| row.stands_under(last)));
                all.push_back(row);
            }
        }
        self.items_changed(shown_before, 0, count(added));
        self.let_go();
    }

    /// Shows up to [`ROWS_PAGED`] older rows; gives how many there were.
    pub fn page_in(&self) -> usize {
        let first = self.imp().first.get();
        let added = first.min(ROWS_PAGED);
        if added > 0 {
            self.imp().first.set(first - added);
            self.items_changed(0, 0, count(added));
        }
        added
    }

    /// Tells whether the view stays at the end.
    pub fn set_following(&self, following: bool) {
        self.imp().following.set(following);
        self.let_go();
    }

    /// Takes all rows out, to be put back by [`MessageWindow::put_back`].
    #[must_use]
    pub fn take_all(&self) -> Vec<Message> {
        let shown = self.n_items();
        let taken = self.imp().rows.take();
        self.imp().first.set(0);
        self.items_changed(0, shown, 0);
        taken.into()
    }

    /// Puts `taken` back in front of what came meanwhile.
    pub fn put_back(&self, taken: Vec<Message>) {
        let imp = self.imp();
        let shown_before = self.n_items();
        let mut rows: VecDeque<Message> = taken.into();
        rows.extend(imp.rows.take());
        let first = rows.len().saturating_sub(ROWS_SHOWN);
        imp.rows.replace(rows);
        imp.first.set(first);
        self.items_changed(0, shown_before, self.n_items());
    }

    /// Forgets what is too old and, while the view follows the end, lets go of what scrolled away.
    fn let_go(&self) {
        let imp = self.imp();
        let too_many = imp.rows.borrow().len().saturating_sub(ROWS_KEPT_MAX);
        if too_many > 0 {
            imp.rows.borrow_mut().drain(..too_many);
        }
        let first = imp.first.get();
        imp.first.set(first.saturating_sub(too_many));
        let forgotten = too_many.saturating_sub(first);
        if forgotten > 0 {
            self.items_changed(0, count(forgotten), 0);
        }
        let shown = imp.rows.borrow().len() - imp.first.get();
        if imp.following.get() && shown > ROWS_SHOWN_MAX {
            let removed = shown - ROWS_SHOWN;
            imp.first.set(imp.first.get() + removed);
            self.items_changed(0, count(removed), 0);
        }
    }
}

/// Rows as list models count them; there are never more than [`ROWS_KEPT_MAX`] and a batch.
fn count(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::model::message::{Content, Kind};

    fn row(number: usize) -> Message {
        let text = number.to_string();
        Message::new(Content {
            kind: Kind::Notice,
            author: "Server".to_owned(),
            own: false,
            text,
            at_ms: 0,
        })
    }

    fn rows(numbers: std::ops::Range<usize>) -> Vec<Message> {
        numbers.map(row).collect()
    }

    /// A window, and a copy kept up only by what it says has changed.
    fn window() -> (MessageWindow, Rc<RefCell<Vec<String>>>) {
        let window = MessageWindow::default();
        let copy = Rc::new(RefCell::new(Vec::new()));
        let followed = Rc::clone(&copy);
        window.connect_items_changed(move |window, position, removed, added| {
            let text = |position| {
                window.item(position).and_downcast::<Message>().unwrap().content().text.clone()
            };
            let start = position as usize;
            let new: Vec<String> = (position..position + added).map(text).collect();
            followed.borrow_mut().splice(start..start + removed as usize, new);
        });
        (window, copy)
    }

    #[track_caller]
    fn check(
        window: &MessageWindow,
        copy: &Rc<RefCell<Vec<String>>>,
        expected: std::ops::Range<usize>,
    ) {
        let shown: Vec<String> = window
            .iter::<Message>()
            .map(|message| message.unwrap().content().text.clone())
            .collect();
        assert_eq!(shown, *copy.borrow(), "what was said to change is what changed");
        assert_eq!(shown, expected.map(|number| number.to_string()).collect::<Vec<_>>());
    }

    #[test]
    fn following_lets_go_of_what_scrolled_away() {
        let (window, copy) = window();
        for number in 0..=ROWS_SHOWN_MAX {
            window.append(vec![row(number)]);
        }
        check(&window, &copy, ROWS_SHOWN_MAX + 1 - ROWS_SHOWN..ROWS_SHOWN_MAX + 1);
    }

    #[test]
    fn reading_back_keeps_everything_in_place() {
        let (window, copy) = window();
        window.append(rows(0..1000));
        window.set_following(false);
        assert_eq!(window.page_in(), ROWS_PAGED);
        window.append(rows(1000..1500));
        check(&window, &copy, 700..1500);
        window.set_following(true);
        check(&window, &copy, 1300..1500);
    }

    #[test]
    fn paging_ends_at_the_first_row() {
        let (window, copy) = window();
        window.append(rows(0..450));
        window.set_following(false);
        while window.page_in() > 0 {}
        check(&window, &copy, 0..450);
    }

    #[test]
    fn oldest_are_forgotten() {
        let (window, copy) = window();
        window.set_following(false);
        window.append(rows(0..ROWS_KEPT_MAX + 5));
        while window.page_in() > 0 {}
        check(&window, &copy, 5..ROWS_KEPT_MAX + 5);
    }

    #[test]
    fn cleared_rows_come_back_in_front() {
        let (window, copy) = window();
        window.append(rows(0..10));
        let taken = window.take_all();
        check(&window, &copy, 0..0);
        window.append(rows(10..12));
        window.put_back(taken);
        check(&window, &copy, 0..12);
    }
}

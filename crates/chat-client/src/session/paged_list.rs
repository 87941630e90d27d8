//! A list of the server that is read page by page and then kept true by changes: who is online, which
//! files there are.
//!
//! The server sends pages and changes in one order, so a change that arrives between two pages is
//! applied to what is there: a later page already knows of it.

use std::collections::BTreeMap;

/// Entries beyond this are not kept: no server has as many, and a hostile one fills no memory.
const ENTRIES_MAX: usize = 200_000;

/// What to do after a page.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum PageStep {
    /// Ask for the page after this key.
    AskAfter(String),
    /// The list is whole.
    Complete,
}

/// Entries by key, in the order of the keys' bytes.
#[derive(Debug)]
pub(crate) struct PagedList<T> {
    entries: BTreeMap<String, T>,
    is_complete: bool,
}

impl<T> Default for PagedList<T> {
    fn default() -> Self {
        Self { entries: BTreeMap::new(), is_complete: false }
    }
}

impl<T> PagedList<T> {
    /// Forgets everything: a new login starts from the first page.
    pub(crate) fn restart(&mut self) {
        *self = Self::default();
    }

    /// Takes a page in.
    pub(crate) fn add_page(
        &mut self,
        page: impl IntoIterator<Item = (String, T)>,
        more: bool,
    ) -> PageStep {
        let mut last = None;
        for (key, value) in page {
            last = Some(key.clone());
            self.insert(key, value);
        }
        match last {
            Some(after) if more && self.entries.len() < ENTRIES_MAX => PageStep::AskAfter(after),
            _ => {
                self.is_complete = true;
                PageStep::Complete
            }
        }
    }

    /// A change: one more, or another value. Whether the user interface has to hear of it: before the
    /// list is complete it will see the result.
    pub(crate) fn insert(&mut self, key: String, value: T) -> bool {
        let has_room = self.entries.len() < ENTRIES_MAX || self.entries.contains_key(&key);
        if has_room {
            self.entries.insert(key, value);
        }
        has_room && self.is_complete
    }

    /// Whether there is one of this key, as far as the pages have come.
    pub(crate) fn contains(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// A change: one less. Whether the user interface has to hear of it.
    pub(crate) fn remove(&mut self, key: &str) -> bool {
        self.entries.remove(key).is_some() && self.is_complete
    }

    /// All entries, sorted by key.
    pub(crate) fn entries(&self) -> &BTreeMap<String, T> {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(keys: &str) -> Vec<(String, ())> {
        keys.chars().map(|key| (key.to_string(), ())).collect()
    }

    fn keys(list: &PagedList<()>) -> String {
        list.entries().keys().map(String::as_str).collect()
    }

    #[test]
    fn pages_add_up() {
        let mut list = PagedList::default();
        assert_eq!(list.add_page(page("ab"), true), PageStep::AskAfter("b".into()));
        assert_eq!(list.add_page(page("cd"), false), PageStep::Complete);
        assert_eq!(keys(&list), "abcd");
    }

    #[test]
    fn changes_between_pages_are_applied_and_not_told() {
        let mut list = PagedList::default();
        assert_eq!(list.add_page(page("ac"), true), PageStep::AskAfter("c".into()));
        assert!(!list.remove("a"));
        assert!(!list.insert("b".into(), ()));
        assert!(!list.insert("e".into(), ()));
        assert_eq!(list.add_page(page("de"), false), PageStep::Complete);
        assert_eq!(keys(&list), "bcde");
    }

    #[test]
    fn changes_of_a_whole_list_are_told() {
        let mut list = PagedList::default();
        assert_eq!(list.add_page(page("a"), false), PageStep::Complete);
        assert!(list.insert("b".into(), ()));
        assert!(list.remove("a"));
        assert!(!list.remove("a"));
    }

    #[test]
    fn an_empty_page_ends_the_list_whatever_the_server_says() {
        let mut list = PagedList::<()>::default();
        assert_eq!(list.add_page(page(""), true), PageStep::Complete);
    }
}

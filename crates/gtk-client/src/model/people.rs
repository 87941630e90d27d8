//! Who is online: a live list in the order of the alphabet.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use chat_client::event::OnlineChange;
use gtk::gio;
use gtk::prelude::*;

use crate::model::person::Person;

/// Everybody online, ourselves included. Clones share one list.
#[derive(Clone, Debug)]
pub struct People {
    store: gio::ListStore,
}

impl Default for People {
    fn default() -> Self {
        Self { store: gio::ListStore::new::<Person>() }
    }
}

impl People {
    /// The list for widgets: items are [`Person`]s.
    #[must_use]
    pub fn list(&self) -> &gio::ListStore {
        &self.store
    }

    /// How many are online.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.store.n_items()
    }

    /// Whether nobody is online, which is so only while we are not.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether somebody of exactly this name is online.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.place(name).is_ok()
    }

    /// Follows the server. `own_name` is how it spells us.
    pub fn apply(&self, change: &OnlineChange, own_name: &str) {
        match change {
            OnlineChange::Reset { names, away } => self.reset(names, away, own_name),
            OnlineChange::Joined(name) => self.add(name, own_name),
            OnlineChange::Left { name, .. } => self.remove(name),
            OnlineChange::Away { name, is_away } => self.set_away(name, *is_away),
        }
    }

    fn reset(&self, names: &[String], away: &BTreeSet<String>, own_name: &str) {
        let mut names: Vec<&String> = names.iter().collect();
        names.sort_by(|a, b| compare(a, b));
        names.dedup();
        let person = |name: &String| {
            let person = Person::new(name, name == own_name);
            person.set_away(away.contains(name));
            person
        };
        let people: Vec<Person> = names.into_iter().map(person).collect();
        self.store.splice(0, self.len(), &people);
    }

    fn add(&self, name: &str, own_name: &str) {
        if let Err(position) = self.place(name) {
            self.store.insert(position, &Person::new(name, name == own_name));
        }
    }

    fn set_away(&self, name: &str, is_away: bool) {
        let place = self.place(name).ok();
        let person = place.and_then(|place| self.store.item(place)).and_downcast::<Person>();
        if let Some(person) = person {
            person.set_away(is_away);
        }
    }

    fn remove(&self, name: &str) {
        if let Ok(position) = self.place(name) {
            self.store.remove(position);
        }
    }

    /// Where `name` is, or where it belongs.
    fn place(&self, name: &str) -> Result<u32, u32> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            let found =
                self.store.item(middle).and_downcast::<Person>().map(|person| person.name());
            match found.map_or(Ordering::Greater, |found| compare(&found, name)) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Ok(middle),
                Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }
}

/// Without regard to case first, so that `bob` stands beside `Bob`; then exactly.
fn compare(a: &str, b: &str) -> Ordering {
    a.to_lowercase().cmp(&b.to_lowercase()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(people: &People) -> Vec<String> {
        people.list().iter::<Person>().map(|person| person.unwrap().name()).collect()
    }

    fn reset(names: &[&str]) -> OnlineChange {
        let names = names.iter().map(ToString::to_string).collect();
        OnlineChange::Reset { names, away: BTreeSet::new() }
    }

    #[track_caller]
    fn check(changes: &[OnlineChange], expected: &[&str]) {
        let people = People::default();
        for change in changes {
            people.apply(change, "me");
        }
        assert_eq!(names(&people), expected);
    }

    fn joined(name: &str) -> OnlineChange {
        OnlineChange::Joined(name.to_owned())
    }

    fn left(name: &str) -> OnlineChange {
        OnlineChange::Left { name: name.to_owned(), connection_lost: false }
    }

    #[test]
    fn alphabet_not_case_gives_the_order() {
        check(&[reset(&["zoe", "Bob", "me", "alice"])], &["alice", "Bob", "me", "zoe"]);
    }

    #[test]
    fn newcomer_takes_its_place() {
        check(&[reset(&["alice", "me"]), joined("Bob")], &["alice", "Bob", "me"]);
    }

    #[test]
    fn who_is_away_says_so() {
        let people = People::default();
        let names = vec!["bob".to_owned(), "me".to_owned()];
        let away = BTreeSet::from(["me".to_owned()]);
        people.apply(&OnlineChange::Reset { names, away }, "me");
        let standings = || -> Vec<&str> {
            people.list().iter::<Person>().map(|person| person.unwrap().standing()).collect()
        };
        assert_eq!(standings(), ["", "You, away"]);
        let away = |name: &str, is_away| OnlineChange::Away { name: name.to_owned(), is_away };
        people.apply(&away("bob", true), "me");
        people.apply(&away("me", false), "me");
        people.apply(&away("nobody", true), "me");
        assert_eq!(standings(), ["Away", "You"]);
    }

    #[test]
    fn joining_twice_is_once() {
        check(&[reset(&["me"]), joined("bob"), joined("bob")], &["bob", "me"]);
    }

    #[test]
    fn who_leaves_is_gone() {
        check(&[reset(&["bob", "me"]), left("bob"), left("nobody")], &["me"]);
    }

    #[test]
    fn reset_forgets_those_before() {
        check(&[reset(&["bob", "me"]), reset(&["carol", "me"])], &["carol", "me"]);
    }

    #[test]
    fn we_are_told_apart() {
        let people = People::default();
        people.apply(&reset(&["bob", "me"]), "me");
        let own: Vec<bool> =
            people.list().iter::<Person>().map(|person| person.unwrap().own()).collect();
        assert_eq!(own, [false, true]);
    }
}

//! Who has been here: a private message to somebody who is away is for the person who had the name last.

use std::collections::{BTreeMap, HashMap};

use common::user_name::NameKey;

use crate::log::event::Person;

/// People that are remembered, some 200 bytes each. When full, whoever was met longest ago is forgotten: to
/// others there is no such person then, until they come back.
pub(crate) const PEOPLE_MAX: usize = 64 * 1024;

/// The last person of each name.
#[derive(Debug, Default)]
pub(crate) struct People {
    by_key: HashMap<NameKey, (u64, Person)>,
    /// In the order in which they were met last.
    met: BTreeMap<u64, NameKey>,
    last: u64,
}

impl People {
    /// Somebody is here, or was.
    pub(crate) fn meet(&mut self, person: Person) {
        self.last += 1;
        self.met.insert(self.last, person.key.clone());
        if let Some((before, _)) = self.by_key.insert(person.key.clone(), (self.last, person)) {
            self.met.remove(&before);
        }
        if self.met.len() > PEOPLE_MAX
            && let Some((_, forgotten)) = self.met.pop_first()
        {
            self.by_key.remove(&forgotten);
        }
    }

    pub(crate) fn find(&self, key: &NameKey) -> Option<&Person> {
        self.by_key.get(key).map(|(_, person)| person)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::event::Identity;

    fn person(name: &str, identity: u64) -> Person {
        Person { key: NameKey::of(name), name: name.into(), identity: Identity(identity) }
    }

    #[test]
    fn the_last_one_of_a_name_has_it() {
        let mut people = People::default();
        people.meet(person("bob", 1));
        people.meet(person("Bob", 2));
        assert_eq!(people.find(&NameKey::of("BOB")), Some(&person("Bob", 2)));
        assert_eq!(people.find(&NameKey::of("ann")), None);
    }

    #[test]
    fn whoever_was_met_longest_ago_is_forgotten() {
        let mut people = People::default();
        for n in 0..=PEOPLE_MAX {
            people.meet(person(&format!("p{n}"), 1));
            people.meet(person("p0", 2));
        }
        assert_eq!(people.find(&NameKey::of("p1")), None);
        assert!(people.find(&NameKey::of("p0")).is_some());
        assert!(people.find(&NameKey::of("p2")).is_some());
        assert_eq!((people.met.len(), people.by_key.len()), (PEOPLE_MAX, PEOPLE_MAX));
    }
}

//! All downloads of this run of the program, the newest first.

use chat_client::command::DownloadId;
use gtk::gio;
use gtk::prelude::*;

use crate::model::transfer::Transfer;

/// Downloads remembered after they are over; the oldest are forgotten beyond.
pub const TRANSFERS_OVER_MAX: usize = 50;

/// All downloads, running and over. Clones share one list.
#[derive(Clone, Debug)]
pub struct Transfers {
    store: gio::ListStore,
}

impl Default for Transfers {
    fn default() -> Self {
        Self { store: gio::ListStore::new::<Transfer>() }
    }
}

impl Transfers {
    /// The list for widgets: items are [`Transfer`]s.
    #[must_use]
    pub fn list(&self) -> &gio::ListStore {
        &self.store
    }

    /// Adds a download in front, and forgets the oldest of those that are over.
    pub fn add(&self, transfer: &Transfer) {
        self.store.insert(0, transfer);
        let mut over = 0;
        self.store.retain(|item| {
            let is_over =
                item.downcast_ref::<Transfer>().is_none_or(|transfer| transfer.stage().is_over());
            over += usize::from(is_over);
            !is_over || over <= TRANSFERS_OVER_MAX
        });
    }

    /// The download of this name.
    #[must_use]
    pub fn find(&self, id: DownloadId) -> Option<Transfer> {
        self.iter().find(|transfer| transfer.id() == id)
    }

    /// Forgets those that are over.
    pub fn forget_over(&self) {
        self.store.retain(|item| {
            item.downcast_ref::<Transfer>().is_some_and(|transfer| !transfer.stage().is_over())
        });
    }

    /// How many are not over.
    #[must_use]
    pub fn running(&self) -> usize {
        self.iter().filter(|transfer| !transfer.stage().is_over()).count()
    }

    /// All of them, the newest first.
    pub fn iter(&self) -> impl Iterator<Item = Transfer> + '_ {
        self.store.iter::<Transfer>().filter_map(Result::ok)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::model::transfer::Order;

    fn add(transfers: &Transfers, number: u64) -> Transfer {
        let transfer = Transfer::new(Order {
            id: DownloadId(number),
            path: number.to_string(),
            save_as: PathBuf::new(),
        });
        transfers.add(&transfer);
        transfer
    }

    #[test]
    fn newest_comes_first() {
        let transfers = Transfers::default();
        add(&transfers, 1);
        add(&transfers, 2);
        assert_eq!(transfers.iter().map(|transfer| transfer.id().0).collect::<Vec<_>>(), [2, 1]);
    }

    #[test]
    fn running_ones_are_never_forgotten() {
        let transfers = Transfers::default();
        add(&transfers, 0);
        for number in 1..100 {
            add(&transfers, number).failed(None);
        }
        add(&transfers, 100);
        assert_eq!(transfers.running(), 2);
        assert_eq!(transfers.iter().count(), 2 + TRANSFERS_OVER_MAX);
        transfers.forget_over();
        assert_eq!(transfers.iter().map(|transfer| transfer.id().0).collect::<Vec<_>>(), [100, 0]);
    }
}

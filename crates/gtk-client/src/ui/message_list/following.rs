//! Where the view stands. While the end is on the screen it stays there; once a person scrolls up,
//! nothing moves under their eyes, and older messages are paged in before they come to the top.

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::glib;

use super::MessageList;

/// Closer to the end than this, in pixels, is at the end.
const END_TOLERANCE: f64 = 40.0;

/// Pages of the screen that are above the view before older messages are asked for.
const PAGES_AHEAD: f64 = 2.0;

/// Frames that a scroll to the end takes: the list guesses the heights of rows that it has not shown,
/// and finds them out in the first; the others are for rows that this brought in.
const FRAMES_TO_SETTLE: u32 = 4;

impl MessageList {
    /// Starts to watch how the person scrolls and what comes.
    pub(super) fn follow_end(&self) {
        let adjustment = self.imp().scrolled_window.vadjustment();
        adjustment.connect_value_changed(glib::clone!(
            #[weak(rename_to = list)]
            self,
            move |adjustment| list.scrolled(adjustment)
        ));
        adjustment.connect_changed(glib::clone!(
            #[weak(rename_to = list)]
            self,
            move |_| list.settle()
        ));
    }

    /// Shows the newest message and stays there.
    pub(super) fn go_to_end(&self) {
        self.set_following(true);
        self.settle();
    }

    fn scrolled(&self, adjustment: &gtk::Adjustment) {
        if self.imp().settling.get() > 0 {
            return;
        }
        let below = adjustment.upper() - adjustment.page_size() - adjustment.value();
        self.set_following(below < END_TOLERANCE);
        if adjustment.value() < PAGES_AHEAD * adjustment.page_size() && !self.imp().following.get()
        {
            self.page_in();
        }
    }

    /// The content or the window changed its height: goes to the end again if that is where the view
    /// was.
    pub(super) fn settle(&self) {
        let imp = self.imp();
        if imp.following.get() && imp.settling.get() == 0 {
            self.scroll_to_end();
            self.wait_until_settled();
        }
    }

    /// Frame by frame until the list has settled, where it should.
    fn wait_until_settled(&self) {
        if self.imp().settling.replace(FRAMES_TO_SETTLE) > 0 {
            return;
        }
        self.add_tick_callback(|list, _| {
            let left = list.imp().settling.get().saturating_sub(1);
            list.imp().settling.set(left);
            if list.imp().following.get() {
                list.scroll_to_end();
            }
            if left == 0 { glib::ControlFlow::Break } else { glib::ControlFlow::Continue }
        });
    }

    /// Older rows come in above. The list keeps what is on the screen in its place, but its adjustment
    /// passes through values meanwhile that look like the end.
    fn page_in(&self) {
        // Not inside the list's own change of its adjustment.
        glib::idle_add_local_once(glib::clone!(
            #[weak(rename_to = list)]
            self,
            move || {
                let Some(session) = list.imp().session.get() else { return };
                if !list.imp().following.get() && session.messages().page_in() > 0 {
                    list.wait_until_settled();
                }
            }
        ));
    }

    fn set_following(&self, following: bool) {
        let imp = self.imp();
        if imp.following.replace(following) != following {
            imp.latest_button.set_visible(!following);
            if let Some(session) = imp.session.get() {
                session.messages().set_following(following);
            }
        }
    }

    /// The list knows the heights of the rows on the screen only and guesses the others: asking it for
    /// the last row is exact, setting the adjustment is not.
    fn scroll_to_end(&self) {
        let imp = self.imp();
        let rows = imp.session.get().map_or(0, |session| session.messages().n_items());
        if let Some(last) = rows.checked_sub(1) {
            let asked =
                imp.list_view.activate_action("list.scroll-to-item", Some(&last.to_variant()));
            debug_assert!(asked.is_ok(), "GtkListView has this action");
        }
    }
}

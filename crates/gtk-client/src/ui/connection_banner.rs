//! The banner over the conversation: that the connection is lost, and when it is tried again.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use adw::prelude::*;
use adw::subclass::prelude::*;
use gtk::{CompositeTemplate, glib};

use crate::model::chat_session::ChatSession;
use crate::model::connection_state::Phase;

/// How often the seconds are counted down.
const COUNTDOWN: Duration = Duration::from_millis(500);

mod imp {
    use super::*;

    #[derive(Debug, Default, CompositeTemplate)]
    #[template(resource = "/org/simplechat/SimpleChat/ui/connection_banner.ui")]
    pub struct ConnectionBanner {
        #[template_child]
        pub(super) revealer: TemplateChild<gtk::Revealer>,
        #[template_child]
        pub(super) label: TemplateChild<gtk::Label>,
        pub(super) retry_at: RefCell<Option<Instant>>,
        pub(super) countdown: RefCell<Option<glib::SourceId>>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for ConnectionBanner {
        const NAME: &'static str = "ScConnectionBanner";
        type Type = super::ConnectionBanner;
        type ParentType = adw::Bin;

        fn class_init(klass: &mut Self::Class) {
            klass.bind_template();
        }

        fn instance_init(obj: &glib::subclass::InitializingObject<Self>) {
            obj.init_template();
        }
    }

    impl ObjectImpl for ConnectionBanner {}
    impl WidgetImpl for ConnectionBanner {}
    impl BinImpl for ConnectionBanner {}
}

glib::wrapper! {
    /// The banner that is there while the connection is not.
    pub struct ConnectionBanner(ObjectSubclass<imp::ConnectionBanner>)
        @extends adw::Bin, gtk::Widget,
        @implements gtk::Buildable, gtk::ConstraintTarget;
}

impl ConnectionBanner {
    /// Follows the connection of `session`.
    pub fn set_session(&self, session: &ChatSession) {
        session.connection().connect_changed(glib::clone!(
            #[weak(rename_to = banner)]
            self,
            move |connection| banner.show(&connection.phase())
        ));
    }

    fn show(&self, phase: &Phase) {
        let imp = self.imp();
        if let Some(countdown) = imp.countdown.take() {
            countdown.remove();
        }
        imp.revealer.set_reveal_child(matches!(phase, Phase::Reconnecting { .. }));
        if let Phase::Reconnecting { reason, retry_at } = phase {
            imp.revealer.set_tooltip_text(Some(reason));
            imp.retry_at.replace(*retry_at);
            self.count_down();
            let tick = glib::clone!(
                #[weak(rename_to = banner)]
                self,
                #[upgrade_or]
                glib::ControlFlow::Break,
                move || {
                    banner.count_down();
                    glib::ControlFlow::Continue
                }
            );
            imp.countdown.replace(Some(glib::timeout_add_local(COUNTDOWN, tick)));
        }
    }

    fn count_down(&self) {
        let left =
            self.imp().retry_at.borrow().map(|at| at.saturating_duration_since(Instant::now()));
        self.imp().label.set_text(&sentence(left));
    }
}

/// What the banner says when the next attempt is `left` away, or under way.
fn sentence(left: Option<Duration>) -> String {
    match left.map(|left| left.as_secs() + u64::from(left.subsec_millis() > 0)) {
        None | Some(0) => "Connection lost. Trying again…".to_owned(),
        Some(seconds) => format!("Connection lost. Trying again in {seconds} s…"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!(
            sentence(Some(Duration::from_millis(1200))),
            "Connection lost. Trying again in 2 s…"
        );
        assert_eq!(sentence(Some(Duration::ZERO)), "Connection lost. Trying again…");
        assert_eq!(sentence(None), "Connection lost. Trying again…");
    }
}

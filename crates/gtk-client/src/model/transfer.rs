//! One download as the window shows it: how far, how fast, on which way, and how it ended.

use std::cell::{Cell, OnceCell, RefCell};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chat_client::command::DownloadId;
use chat_client::error_text;
use chat_client::event::{Transport, Waiting};
use gtk::glib;
use gtk::prelude::*;
use gtk::subclass::prelude::*;

use crate::model::plain_text;
use crate::model::speed_meter::SpeedMeter;

/// Where a download stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Asked for; the server has not answered.
    Waiting,
    /// All places at the server are taken; this is its position in line, counted from 1.
    Queued(u32),
    /// Bytes flow, or do so again by themselves.
    Running,
    /// It rests until the person lets it go on.
    Paused,
    /// All bytes are there and are compared with the server's hash.
    Verifying,
    /// Complete, under this name.
    Finished(PathBuf),
    /// Given up by the person.
    Cancelled,
    /// Ended without a file, for this reason.
    Failed(String),
}

impl Stage {
    /// Whether nothing more will happen.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Finished(_) | Self::Cancelled | Self::Failed(_))
    }

    /// Whether it makes sense to let it rest.
    #[must_use]
    pub fn can_pause(&self) -> bool {
        matches!(self, Self::Waiting | Self::Queued(_) | Self::Running)
    }
}

/// What was asked for; never changes.
#[derive(Clone, Debug)]
pub struct Order {
    /// Names it between us and the session.
    pub id: DownloadId,
    /// As the server lists it.
    pub path: String,
    /// Where it was to end up.
    pub save_as: PathBuf,
}

mod imp {
    use super::*;

    #[derive(Debug, glib::Properties)]
    #[properties(wrapper_type = super::Transfer)]
    pub struct Transfer {
        pub(super) order: OnceCell<Order>,
        pub(super) stage: RefCell<Stage>,
        pub(super) size: Cell<u64>,
        pub(super) bytes: Cell<u64>,
        pub(super) transport: Cell<Option<Transport>>,
        /// Why no bytes come at the moment.
        pub(super) waiting: Cell<Option<Waiting>>,
        /// Of the bytes, those of an earlier attempt.
        pub(super) kept: Cell<u64>,
        /// The file changed on the server in the middle.
        pub(super) started_anew: Cell<bool>,
        pub(super) meter: RefCell<SpeedMeter>,
        /// Counts changes, so that widgets follow all of them by one signal.
        #[property(get)]
        pub(super) revision: Cell<u32>,
    }

    impl Default for Transfer {
        fn default() -> Self {
            Self {
                order: OnceCell::new(),
                stage: RefCell::new(Stage::Waiting),
                size: Cell::new(0),
                bytes: Cell::new(0),
                transport: Cell::new(None),
                waiting: Cell::new(None),
                kept: Cell::new(0),
                started_anew: Cell::new(false),
                meter: RefCell::default(),
                revision: Cell::new(0),
            }
        }
    }

    #[glib::object_subclass]
    impl ObjectSubclass for Transfer {
        const NAME: &'static str = "ScTransfer";
        type Type = super::Transfer;
    }

    #[glib::derived_properties]
    impl ObjectImpl for Transfer {}
}

glib::wrapper! {
    /// One download. Everything that changes is announced by `notify::revision`.
    pub struct Transfer(ObjectSubclass<imp::Transfer>);
}

impl Transfer {
    /// A download that was just asked for.
    #[must_use]
    pub fn new(order: Order) -> Self {
        let transfer: Self = glib::Object::new();
        transfer.imp().order.get_or_init(|| order);
        transfer
    }

    /// Names it between us and the session.
    #[must_use]
    pub fn id(&self) -> DownloadId {
        self.imp().order.get().map_or(DownloadId(0), |order| order.id)
    }

    /// The file as the server lists it.
    #[must_use]
    pub fn path(&self) -> String {
        self.imp().order.get().map_or_else(String::new, |order| order.path.clone())
    }

    /// Where it was to end up.
    #[must_use]
    pub fn save_as(&self) -> PathBuf {
        self.imp().order.get().map_or_else(PathBuf::new, |order| order.save_as.clone())
    }

    /// The file's name, safe to show.
    #[must_use]
    pub fn shown_name(&self) -> String {
        plain_text::shown_name(&self.path())
    }

    /// Where it stands.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.imp().stage.borrow().clone()
    }

    /// The part that is there, from 0 to 1; `None` before the size is known.
    #[must_use]
    pub fn fraction(&self) -> Option<f64> {
        let (bytes, size) = (self.imp().bytes.get(), self.imp().size.get());
        match self.stage() {
            Stage::Waiting => None,
            Stage::Verifying | Stage::Finished(_) => Some(1.0),
            Stage::Queued(_)
            | Stage::Running
            | Stage::Paused
            | Stage::Cancelled
            | Stage::Failed(_) => match size {
                0 => Some(0.0),
                size => Some((bytes as f64 / size as f64).min(1.0)),
            },
        }
    }

    /// It stands in the server's line.
    pub fn queued(&self, position: u32) {
        self.enter(Stage::Queued(position));
    }

    /// It rests.
    pub fn paused(&self) {
        self.enter(Stage::Paused);
    }

    /// It shall go on; the server is asked.
    pub fn resumed(&self) {
        self.imp().meter.replace(SpeedMeter::default());
        self.enter(Stage::Waiting);
    }

    /// The file changed on the server: all its bytes come again.
    pub fn started_anew(&self) {
        self.imp().bytes.set(0);
        self.imp().started_anew.set(true);
        self.imp().meter.replace(SpeedMeter::default());
        self.enter(Stage::Waiting);
    }

    /// The server lets it start.
    pub fn started(&self, now: Instant, size: u64) {
        self.imp().size.set(size);
        self.imp().meter.borrow_mut().record(now, self.imp().bytes.get());
        self.enter(Stage::Running);
    }

    /// There are `bytes` in the file, and why no more come if they do not.
    pub fn progressed(
        &self,
        now: Instant,
        bytes: u64,
        transport: Transport,
        waiting: Option<Waiting>,
    ) {
        self.imp().bytes.set(bytes);
        self.imp().waiting.set(waiting);
        self.imp().transport.set(Some(transport));
        self.imp().meter.borrow_mut().record(now, bytes);
        self.enter(Stage::Running);
    }

    /// All bytes are there.
    pub fn verifying(&self) {
        self.enter(Stage::Verifying);
    }

    /// Complete, `bytes` long, as `path`; `kept` of them were there from an earlier attempt.
    pub fn finished(&self, path: &Path, bytes: u64, transport: Transport, kept: u64) {
        self.imp().bytes.set(bytes);
        self.imp().kept.set(kept);
        self.imp().size.set(bytes);
        self.imp().transport.set(Some(transport));
        self.enter(Stage::Finished(path.to_owned()));
    }

    /// Ended without a file. `None`: the person did not want it any more.
    pub fn failed(&self, reason: Option<String>) {
        self.enter(reason.map_or(Stage::Cancelled, Stage::Failed));
    }

    /// One line about how it goes: `1.2 MB of 3.4 MB · 5.6 MB/s · 1 second left · UDP`.
    #[must_use]
    pub fn status(&self) -> String {
        let size = glib::format_size(self.imp().size.get());
        match self.stage() {
            Stage::Waiting => join(&[Some("Waiting for the server".to_owned()), self.news()]),
            Stage::Queued(position) => {
                let amount = (self.imp().bytes.get() > 0).then(|| self.amount(&size));
                join(&[Some(format!("Waiting ({})", error_text::place_in_line(position))), amount])
            }
            Stage::Running => self.running_status(&size),
            Stage::Paused if self.imp().size.get() == 0 => "Paused".to_owned(),
            Stage::Paused => join(&[Some("Paused".to_owned()), Some(self.amount(&size))]),
            Stage::Verifying => join(&[Some(size.to_string()), Some("Checking".to_owned())]),
            Stage::Finished(_) => {
                let kept = match self.imp().kept.get() {
                    0 => None,
                    kept => Some(format!("{} kept from before", glib::format_size(kept))),
                };
                let finished = Some("Finished".to_owned());
                join(&[finished, Some(size.to_string()), kept, self.shown_transport()])
            }
            Stage::Cancelled => "Cancelled".to_owned(),
            Stage::Failed(reason) => reason,
        }
    }

    fn running_status(&self, size: &str) -> String {
        let meter = self.imp().meter.borrow();
        let amount = self.amount(size);
        if let Some(waiting) = self.imp().waiting.get() {
            let reason = match waiting {
                Waiting::DiskFull { needed } => {
                    format!("Waiting for {} of disk space", glib::format_size(needed))
                }
                Waiting::Network => "Waiting for the file server".to_owned(),
                Waiting::Paused => "Paused".to_owned(),
            };
            return join(&[Some(reason), Some(amount)]);
        }
        let speed =
            meter.bytes_per_second().map(|speed| format!("{}/s", glib::format_size(whole(speed))));
        let left = meter.time_left(self.imp().size.get()).map(time_left);
        join(&[Some(amount), speed, left, self.shown_transport(), self.news()])
    }

    fn amount(&self, size: &str) -> String {
        format!("{} of {size}", glib::format_size(self.imp().bytes.get()))
    }

    fn news(&self) -> Option<String> {
        self.imp().started_anew.get().then(|| "started again: the file changed".to_owned())
    }

    fn shown_transport(&self) -> Option<String> {
        self.imp().transport.get().map(|transport| match transport {
            Transport::Udp => "UDP".to_owned(),
            Transport::Tcp => "over TCP (UDP is blocked)".to_owned(),
        })
    }

    /// What is over stays as it ended, a late report of progress does not bring it back; but a file
    /// that came faster than its cancellation is there.
    fn enter(&self, stage: Stage) {
        let is_late = self.stage().is_over() && !matches!(stage, Stage::Finished(_));
        if !is_late {
            self.imp().stage.replace(stage);
            self.imp().revision.set(self.imp().revision.get().wrapping_add(1));
            self.notify_revision();
        }
    }
}

fn join(parts: &[Option<String>]) -> String {
    parts.iter().flatten().map(String::as_str).collect::<Vec<_>>().join(" · ")
}

#[expect(clippy::cast_possible_truncation, reason = "a float becomes the nearest integer there is")]
#[expect(clippy::cast_sign_loss, reason = "a speed is never negative")]
fn whole(speed: f64) -> u64 {
    speed as u64
}

/// `about 3 minutes left`, in one unit.
fn time_left(left: Duration) -> String {
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    let (number, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds.div_ceil(60), "minute"),
        3600.. => (seconds.div_ceil(3600), "hour"),
    };
    format!("{number} {unit}{} left", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer() -> Transfer {
        Transfer::new(Order {
            id: DownloadId(1),
            path: "docs/a.bin".to_owned(),
            save_as: PathBuf::from("/x/a.bin"),
        })
    }

    /// glib puts a no-break space between number and unit.
    fn status(transfer: &Transfer) -> String {
        transfer.status().replace('\u{a0}', " ")
    }

    #[test]
    fn shows_amount_speed_time_and_way() {
        let (transfer, start) = (transfer(), Instant::now());
        assert_eq!(status(&transfer), "Waiting for the server");
        transfer.started(start, 10_000_000);
        transfer.progressed(start + Duration::from_secs(1), 2_000_000, Transport::Udp, None);
        assert_eq!(status(&transfer), "2.0 MB of 10.0 MB · 2.0 MB/s · 4 seconds left · UDP");
        assert_eq!(transfer.fraction(), Some(0.2));
    }

    #[test]
    fn says_that_udp_is_blocked() {
        let (transfer, start) = (transfer(), Instant::now());
        transfer.started(start, 10_000_000);
        transfer.progressed(start, 5_000_000, Transport::Tcp, None);
        assert_eq!(status(&transfer), "5.0 MB of 10.0 MB · over TCP (UDP is blocked)");
    }

    #[test]
    fn says_what_it_waits_for() {
        let (transfer, start) = (transfer(), Instant::now());
        transfer.queued(2);
        assert_eq!(status(&transfer), "Waiting (2nd in line)");
        transfer.started(start, 10_000_000);
        let full = Some(Waiting::DiskFull { needed: 5_000_000 });
        transfer.progressed(start, 5_000_000, Transport::Udp, full);
        assert_eq!(status(&transfer), "Waiting for 5.0 MB of disk space · 5.0 MB of 10.0 MB");
        transfer.progressed(start, 6_000_000, Transport::Udp, None);
        assert_eq!(status(&transfer), "6.0 MB of 10.0 MB · UDP");
        transfer.queued(3);
        assert_eq!(status(&transfer), "Waiting (3rd in line) · 6.0 MB of 10.0 MB");
    }

    #[test]
    fn rests_and_goes_on() {
        let (transfer, start) = (transfer(), Instant::now());
        transfer.paused();
        assert_eq!((status(&transfer).as_str(), transfer.stage().can_pause()), ("Paused", false));
        transfer.started(start, 10_000_000);
        transfer.progressed(start, 5_000_000, Transport::Udp, None);
        transfer.paused();
        assert_eq!(status(&transfer), "Paused · 5.0 MB of 10.0 MB");
        transfer.resumed();
        assert_eq!(status(&transfer), "Waiting for the server");
        transfer.progressed(start, 6_000_000, Transport::Udp, None);
        transfer.finished(Path::new("/x/a.bin"), 10_000_000, Transport::Udp, 4_000_000);
        assert_eq!(status(&transfer), "Finished · 10.0 MB · 4.0 MB kept from before · UDP");
    }

    #[test]
    fn says_that_the_file_changed() {
        let (transfer, start) = (transfer(), Instant::now());
        transfer.started(start, 10_000_000);
        transfer.progressed(start, 5_000_000, Transport::Udp, None);
        transfer.started_anew();
        transfer.started(start, 20_000_000);
        transfer.progressed(start, 1_000_000, Transport::Udp, None);
        let expected = "1.0 MB of 20.0 MB · UDP · started again: the file changed";
        assert_eq!(status(&transfer), expected);
    }

    #[test]
    fn over_is_over() {
        let (transfer, now) = (transfer(), Instant::now());
        transfer.started(now, 10);
        transfer.failed(None);
        transfer.progressed(now, 5, Transport::Udp, None);
        assert_eq!(transfer.stage(), Stage::Cancelled);
    }

    #[test]
    fn one_that_is_checked_says_so_and_cannot_be_paused() {
        let (transfer, start) = (transfer(), Instant::now());
        transfer.started(start, 10_000_000);
        transfer.progressed(start, 10_000_000, Transport::Udp, None);
        transfer.verifying();
        assert_eq!(status(&transfer), "10.0 MB · Checking");
        assert!(!transfer.stage().can_pause());
        // Pieces that were damaged come again.
        transfer.progressed(start, 9_000_000, Transport::Udp, None);
        assert_eq!(status(&transfer), "9.0 MB of 10.0 MB · UDP");
        assert!(transfer.stage().can_pause());
    }

    #[test]
    fn sizes_are_spelled_as_in_sentences() {
        for bytes in [0, 1, 999, 1000, 1536, 53_687_091_200] {
            let shown = glib::format_size(bytes).replace('\u{a0}', " ");
            assert_eq!(shown, chat_client::size_text::bytes(bytes));
        }
    }

    #[test]
    fn empty_file_is_complete_at_the_end() {
        let (transfer, now) = (transfer(), Instant::now());
        transfer.started(now, 0);
        assert_eq!(transfer.fraction(), Some(0.0));
        transfer.finished(Path::new("/x/a.bin"), 0, Transport::Udp, 0);
        assert_eq!(transfer.fraction(), Some(1.0));
        assert_eq!(status(&transfer), "Finished · 0 bytes · UDP");
    }

    #[test]
    fn time_left_is_in_one_unit() {
        let text = |seconds| time_left(Duration::from_secs(seconds));
        assert_eq!(
            [text(1), text(59), text(61), text(7200)].join(", "),
            "1 second left, 59 seconds left, 2 minutes left, 2 hours left"
        );
    }
}

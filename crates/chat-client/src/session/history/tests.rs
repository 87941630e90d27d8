//! Gaps, repeats and pages.

use super::*;

fn heard(history: &[Heard]) -> Vec<String> {
    let spell = |heard: &Heard| match heard {
        Heard::Message(conversation, message) => format!("{conversation} {}", message.seq),
        Heard::Page { messages, more, .. } => {
            let seqs: Vec<u64> = messages.iter().map(|message| message.seq).collect();
            format!("page {seqs:?} {more}")
        }
        Heard::Refused { conversation, .. } => format!("refused {conversation}"),
    };
    history.iter().map(spell).collect()
}

struct Bench {
    history: History,
    now: Instant,
}

impl Bench {
    /// Somebody who knows that the lobby is at `last`.
    fn new(last: u64) -> Self {
        let mut bench = Self { history: History::default(), now: Instant::now() };
        bench.history.logged_in();
        assert_eq!(bench.asked(), Some((0, u64::MAX)));
        bench.page(if last == 0 { &[] } else { std::slice::from_ref(&last) }, false);
        bench
    }

    /// What goes out: after and before.
    fn asked(&mut self) -> Option<(u64, u64)> {
        self.history.next_request(self.now).map(|it| (it.after_seq, it.before_seq))
    }

    fn live(&mut self, seq: u64) -> Vec<String> {
        let message = wire::Message { seq, ..wire::Message::default() };
        heard(&self.history.message(Conversation::lobby(), stored(message)))
    }

    /// Messages of number `n` have the id `n`; the one with id 9 is unanswered.
    fn page(&mut self, seqs: &[u64], more: bool) -> Vec<String> {
        let message = |seq: &u64| {
            let message_id = vec![u8::try_from(*seq).unwrap()].into();
            wire::Message { seq: *seq, message_id, ..wire::Message::default() }
        };
        let messages = seqs.iter().map(message).collect();
        let page = wire::HistoryPage { conversation: None, messages, more };
        heard(&self.history.page(page, |id| id == [9]).unwrap())
    }

    fn refused(&mut self, code: RefusalCode) -> Vec<String> {
        let refused = wire::Refused { code: code.into(), ..wire::Refused::default() };
        heard(&self.history.refused(self.now, Refusal(refused)))
    }
}

#[test]
fn messages_in_order_are_told_at_once_and_nothing_is_asked() {
    let mut bench = Bench::new(4);
    assert_eq!(bench.live(5), ["#lobby 5"]);
    assert!(bench.history.accepted(&Conversation::lobby(), 6).is_empty());
    assert_eq!(bench.live(7), ["#lobby 7"]);
    assert_eq!(bench.asked(), None);
}

#[test]
fn a_message_that_comes_twice_is_told_once() {
    let mut bench = Bench::new(0);
    assert_eq!(bench.live(1), ["#lobby 1"]);
    assert!(bench.live(1).is_empty());
}

#[test]
fn a_gap_is_read_before_what_follows_it_is_told() {
    let mut bench = Bench::new(0);
    assert!(bench.live(4).is_empty());
    assert!(bench.live(5).is_empty());
    assert_eq!(bench.asked(), Some((0, 0)));
    assert_eq!(bench.asked(), None, "one question at a time");
    assert_eq!(bench.page(&[1, 2], true), ["#lobby 1", "#lobby 2"]);
    assert_eq!(bench.asked(), Some((2, 0)));
    assert_eq!(bench.page(&[3, 4], false), ["#lobby 3", "#lobby 4", "#lobby 5"]);
    assert_eq!(bench.asked(), None);
}

#[test]
fn what_was_missed_while_away_comes_after_the_next_login_once() {
    let mut bench = Bench::new(0);
    assert_eq!(bench.live(1), ["#lobby 1"]);
    bench.history.connection_lost();
    bench.history.logged_in();
    assert_eq!(bench.asked(), Some((1, 0)));
    // Live, and in the page as well.
    assert!(bench.live(3).is_empty());
    assert_eq!(bench.page(&[2, 3], false), ["#lobby 2", "#lobby 3"]);
    assert_eq!(bench.live(4), ["#lobby 4"]);
    assert_eq!(bench.asked(), None);
}

#[test]
fn own_messages_are_not_told_as_missed() {
    let mut bench = Bench::new(0);
    bench.history.connection_lost();
    bench.history.logged_in();
    bench.asked();
    // Sent again and accepted under its first number; the one with id 9 is not answered yet.
    assert!(bench.history.accepted(&Conversation::lobby(), 2).is_empty());
    assert_eq!(bench.page(&[1, 2, 9], false), ["#lobby 1"]);
    assert!(bench.history.accepted(&Conversation::lobby(), 9).is_empty());
    assert_eq!(bench.live(10), ["#lobby 10"]);
}

#[test]
fn what_cannot_be_had_keeps_nothing_back() {
    for (answer, code) in [(true, None), (false, Some(RefusalCode::Unsupported))] {
        let mut bench = Bench::new(0);
        bench.live(5);
        bench.asked();
        let told = if answer { bench.page(&[], false) } else { bench.refused(code.unwrap()) };
        assert_eq!(told, ["#lobby 5"]);
        assert_eq!(bench.asked(), None);
    }
}

#[test]
fn numbers_that_are_not_for_us_are_passed_over() {
    let mut bench = Bench::new(0);
    bench.live(9);
    bench.asked();
    assert_eq!(bench.page(&[3, 8], false), ["#lobby 3", "#lobby 8", "#lobby 9"]);
}

#[test]
fn a_busy_server_is_asked_again_later() {
    let mut bench = Bench::new(0);
    bench.live(2);
    bench.asked();
    bench.refused(RefusalCode::SlowDown);
    assert_eq!(bench.asked(), None);
    bench.now = bench.history.poll_timeout().unwrap();
    assert_eq!(bench.asked(), Some((0, 0)));
}

#[test]
fn what_a_person_wants_outlives_a_lost_connection() {
    let mut bench = Bench::new(3);
    let conversation = Conversation::User("bob".into());
    bench.history.ask(HistoryWish { conversation, after: 0, before: 7, limit: 2 });
    assert_eq!(bench.asked(), Some((0, 7)));
    bench.history.connection_lost();
    bench.history.logged_in();
    assert_eq!(bench.asked(), Some((0, 7)));
    assert_eq!(bench.page(&[5, 6], true), ["page [5, 6] true"]);
    assert_eq!(bench.asked(), Some((3, 0)));
}

#[test]
fn a_person_is_the_same_however_the_name_is_spelt() {
    let mut bench = Bench::new(0);
    let message = |seq| StoredMessage { seq, from: "bob".into(), text: "hi".into(), at_ms: 1 };
    let to = |name: &str| Conversation::User(name.into());
    assert_eq!(heard(&bench.history.message(to("bob"), message(4))), ["@bob 4"]);
    assert_eq!(heard(&bench.history.message(to("BOB"), message(5))), ["@BOB 5"]);
    assert!(bench.history.message(to("bob"), message(5)).is_empty());
    assert_eq!(bench.asked(), None);
}

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

fn reader(name: &str, server: u8) -> Reader {
    Reader { server: Some(SpkiPin([server; 32])), name: NameKey::of(name) }
}

struct Bench {
    history: History,
    now: Instant,
}

impl Bench {
    /// Somebody who knows that the lobby is at `last`.
    fn new(last: u64) -> Self {
        let mut bench = Self { history: History::default(), now: Instant::now() };
        bench.log_in("ann", 1);
        assert_eq!(bench.asked(), Some((0, u64::MAX)));
        bench.page(if last == 0 { &[] } else { std::slice::from_ref(&last) }, false);
        bench
    }

    fn log_in(&mut self, name: &str, server: u8) {
        self.history.logged_in(reader(name, server));
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
            let message_id = seq.to_be_bytes().to_vec().into();
            wire::Message { seq: *seq, message_id, ..wire::Message::default() }
        };
        let messages = seqs.iter().map(message).collect();
        let page = wire::HistoryPage { conversation: None, messages, more };
        heard(&self.history.page(page, |id| id == 9_u64.to_be_bytes()).unwrap())
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
    bench.log_in("ann", 1);
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
    bench.log_in("ann", 1);
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
    bench.log_in("ann", 1);
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

#[test]
fn a_server_that_cannot_read_for_a_while_is_asked_again_ever_more_slowly_and_nothing_is_given_up() {
    let mut bench = Bench::new(0);
    assert!(bench.live(3).is_empty());
    for seconds in [1, 2, 4, 8, 16, 32, 32] {
        assert_eq!(bench.asked(), Some((0, 0)));
        assert!(bench.refused(RefusalCode::StorageFailed).is_empty());
        assert_eq!(bench.asked(), None);
        let until = bench.history.poll_timeout().unwrap();
        assert_eq!(until - bench.now, Duration::from_secs(seconds));
        bench.now = until;
    }
    assert_eq!(bench.asked(), Some((0, 0)));
    assert_eq!(bench.page(&[1, 2], true), ["#lobby 1", "#lobby 2"]);
    bench.asked();
    bench.refused(RefusalCode::StorageFailed);
    let until = bench.history.poll_timeout().unwrap();
    assert_eq!(until - bench.now, PAUSE, "an answer ends the row of failures");
}

#[test]
fn what_a_person_asks_is_refused_at_once_and_does_not_wait_for_what_was_missed() {
    let mut bench = Bench::new(0);
    bench.live(3);
    bench.asked();
    bench.refused(RefusalCode::StorageFailed);
    let conversation = Conversation::User("bob".into());
    assert!(bench.history.ask(HistoryWish { conversation, after: 0, before: 7, limit: 2 }));
    assert_eq!(bench.asked(), Some((0, 7)));
    assert_eq!(bench.refused(RefusalCode::StorageFailed), ["refused @bob"]);
    assert_eq!(bench.asked(), None, "the lobby's pause goes on");
}

#[test]
fn what_a_person_asks_goes_before_any_number_of_conversations() {
    let mut bench = Bench::new(0);
    let message = StoredMessage { seq: 1, from: "x".into(), text: "hi".into(), at_ms: 1 };
    for number in 0..100 {
        let conversation = Conversation::User(format!("guest{number}"));
        bench.history.message(conversation, message.clone());
    }
    bench.history.connection_lost();
    bench.log_in("ann", 1);
    let wish =
        |limit| HistoryWish { conversation: Conversation::lobby(), after: 5, before: 7, limit };
    for limit in 0..64 {
        assert!(bench.history.ask(wish(limit)), "{limit}");
    }
    assert!(!bench.history.ask(wish(64)), "they are bounded by themselves");
    assert_eq!(bench.asked(), Some((5, 7)));
}

#[test]
fn messages_beyond_those_that_are_held_are_read_later() {
    let mut bench = Bench::new(0);
    let newest = u64::try_from(HELD_MAX).unwrap() + 100;
    bench.live(2);
    assert_eq!(bench.asked(), Some((0, 0)));
    (3..=newest).for_each(|seq| assert!(bench.live(seq).is_empty()));
    let last_held = newest - 99;
    assert_eq!(bench.page(&[1], false).len(), HELD_MAX + 1);
    assert_eq!(bench.asked(), Some((last_held, 0)));
    let rest: Vec<u64> = (last_held + 1..=newest).collect();
    assert_eq!(bench.page(&rest, false).len(), rest.len());
    assert_eq!(bench.asked(), None);
    assert_eq!(bench.live(newest + 1), [format!("#lobby {}", newest + 1)]);
}

#[test]
fn numbers_mean_nothing_to_another_name_or_at_another_server() {
    for (name, server, told) in [("anna", 1, true), ("ann", 2, true), ("ANN", 1, false)] {
        let mut bench = Bench::new(0);
        let bob = || Conversation::User("bob".into());
        let message = |seq| StoredMessage { seq, from: "bob".into(), text: "hi".into(), at_ms: 1 };
        bench.history.message(bob(), message(1));
        bench.history.connection_lost();
        bench.log_in(name, server);
        assert_eq!(!bench.history.message(bob(), message(1)).is_empty(), told, "{name} {server}");
    }
}

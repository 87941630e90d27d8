//! Gaps, repeats and pages.

use super::*;
use crate::session::history::watched::HELD_MAX;

fn heard(history: &[Heard]) -> Vec<String> {
    let spell = |heard: &Heard| match heard {
        Heard::Message(conversation, message) => format!("{conversation} {}", message.seq),
        Heard::Page { messages, more, .. } => {
            let seqs: Vec<u64> = messages.iter().map(|message| message.seq).collect();
            format!("page {seqs:?} {more}")
        }
        Heard::Found { messages, .. } => format!("{} found", messages.len()),
        Heard::SearchRefused(refusal) => format!("search {:?}", refusal.0.code()),
        Heard::Refused { conversation, .. } => format!("refused {conversation}"),
        Heard::Stalled(is_stalled) => format!("stalled {is_stalled}"),
    };
    history.iter().map(spell).collect()
}

fn reader(name: &str, server: u8, log: u8) -> Reader {
    let log = vec![log; 16].into();
    Reader { server: Some(SpkiPin([server; 32])), name: NameKey::of(name), log }
}

/// A page of the list. Who is named later was heard of later.
fn list(entries: &[(&str, u64)], next: u64) -> wire::ConversationPage {
    let entry = |(at_ms, (name, last_seq)): (i64, &(&str, u64))| wire::ConversationEntry {
        conversation: Some(Conversation::from_text(name).to_wire()),
        last_seq: *last_seq,
        at_ms,
    };
    wire::ConversationPage { conversations: (0..).zip(entries).map(entry).collect(), next }
}

struct Bench {
    history: History,
    now: Instant,
}

impl Bench {
    /// Somebody who knows that the lobby is at `last`.
    fn new(last: u64) -> Self {
        let mut bench = Self { history: History::new(true), now: Instant::now() };
        bench.log_in("ann", 1);
        assert!(bench.list(&[("#lobby", last)]).is_empty());
        bench
    }

    fn log_in(&mut self, name: &str, server: u8) {
        self.history.logged_in(reader(name, server, 1));
    }

    /// The connection breaks and comes back; then the list says this.
    fn reconnect(&mut self, entries: &[(&str, u64)]) -> Vec<String> {
        self.history.connection_lost();
        self.log_in("ann", 1);
        self.list(entries)
    }

    /// The next question is for the list, which is this.
    #[track_caller]
    fn list(&mut self, entries: &[(&str, u64)]) -> Vec<String> {
        self.list_page(0, entries, 0)
    }

    #[track_caller]
    fn list_page(&mut self, after: u64, entries: &[(&str, u64)], next: u64) -> Vec<String> {
        assert_eq!(self.question(), Some(format!("list {after}")));
        heard(&self.history.listed(list(entries, next)).unwrap())
    }

    /// What goes out next.
    fn question(&mut self) -> Option<String> {
        self.history.next_request(self.now).map(|body| match body {
            Body::ListConversations(it) => format!("list {}", it.after),
            Body::ReadHistory(it) => {
                let conversation = Conversation::from_wire(it.conversation.unwrap()).unwrap();
                let before = if it.before_seq == u64::MAX { " latest" } else { "" };
                format!("{conversation} {}{before}", it.after_seq)
            }
            other => panic!("{other:?}"),
        })
    }

    /// What goes out, which is about messages: after and before.
    #[track_caller]
    fn asked(&mut self) -> Option<(u64, u64)> {
        self.history.next_request(self.now).map(|body| match body {
            Body::ReadHistory(it) => (it.after_seq, it.before_seq),
            other => panic!("{other:?}"),
        })
    }

    /// When the server is asked again.
    fn pause_ends(&self) -> Option<Instant> {
        self.history.pause.map(|pause| pause.until)
    }

    fn private(&mut self, from: &str, seq: u64) -> Vec<String> {
        let message = StoredMessage { seq, from: from.into(), text: "hi".into(), at_ms: 1 };
        heard(&self.history.message(Conversation::User(from.into()), message))
    }

    fn live(&mut self, seq: u64) -> Vec<String> {
        let message = wire::Message { seq, ..wire::Message::default() };
        heard(&self.history.message(Conversation::lobby(), stored(message)))
    }

    /// Messages of number `n` have the id `n`; the one with id 9 is unanswered.
    fn page(&mut self, seqs: &[u64], more: bool) -> Vec<String> {
        self.page_that_begins(0, seqs, more)
    }

    /// The same of a conversation of which nothing below `first_kept_seq` is kept.
    fn page_that_begins(&mut self, first_kept_seq: u64, seqs: &[u64], more: bool) -> Vec<String> {
        let message = |seq: &u64| {
            let message_id = seq.to_be_bytes().to_vec().into();
            wire::Message { seq: *seq, message_id, ..wire::Message::default() }
        };
        let messages = seqs.iter().map(message).collect();
        let page = wire::HistoryPage { conversation: None, messages, more, first_kept_seq };
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
    assert!(bench.reconnect(&[("#lobby", 2)]).is_empty());
    assert_eq!(bench.asked(), Some((1, 0)));
    // Live, and in the page as well.
    assert!(bench.live(3).is_empty());
    assert_eq!(bench.page(&[2, 3], false), ["#lobby 2", "#lobby 3"]);
    assert_eq!(bench.live(4), ["#lobby 4"]);
    assert_eq!(bench.asked(), None);
}

#[test]
fn what_the_server_left_out_is_read_also_where_nothing_follows_it() {
    let mut bench = Bench::new(5);
    bench.history.fell_behind();
    bench.history.fell_behind();
    // Live again already while the list is read.
    assert!(bench.live(9).is_empty());
    assert!(bench.list(&[("#lobby", 8), ("bob", 2)]).is_empty());
    assert_eq!(bench.question().unwrap(), "#lobby 5");
    assert_eq!(bench.page(&[6, 7, 8], false), ["#lobby 6", "#lobby 7", "#lobby 8", "#lobby 9"]);
    assert_eq!(bench.question().unwrap(), "@bob 0");
}

#[test]
fn own_messages_are_not_told_as_missed() {
    let mut bench = Bench::new(0);
    bench.reconnect(&[("#lobby", 9)]);
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
fn what_is_not_kept_any_more_is_not_waited_for() {
    let mut bench = Bench::new(3);
    bench.reconnect(&[("#lobby", 60)]);
    assert_eq!(bench.asked(), Some((3, 0)));
    assert_eq!(bench.page_that_begins(50, &[50, 51], true), ["#lobby 50", "#lobby 51"]);
    assert_eq!(bench.asked(), Some((51, 0)));
    // All that was known of went meanwhile; what came since is there.
    assert!(bench.live(62).is_empty());
    assert!(bench.page_that_begins(61, &[], false).is_empty());
    assert_eq!(bench.asked(), Some((60, 0)));
    assert_eq!(bench.page_that_begins(61, &[61], false), ["#lobby 61", "#lobby 62"]);
    assert_eq!(bench.asked(), None);
}

#[test]
fn what_was_heard_is_told_even_where_it_is_not_kept() {
    let mut bench = Bench::new(0);
    bench.live(5);
    bench.asked();
    assert_eq!(bench.page_that_begins(9, &[], false), ["#lobby 5"]);
    assert_eq!(bench.asked(), None);
}

#[test]
fn a_busy_server_is_asked_again_later() {
    let mut bench = Bench::new(0);
    bench.live(2);
    bench.asked();
    bench.refused(RefusalCode::SlowDown);
    assert_eq!(bench.asked(), None);
    bench.now = bench.pause_ends().unwrap();
    assert_eq!(bench.asked(), Some((0, 0)));
}

#[test]
fn what_a_person_wants_outlives_a_lost_connection() {
    let mut bench = Bench::new(3);
    let conversation = Conversation::User("bob".into());
    bench.history.ask(Wish::Read(HistoryWish { conversation, after: 0, before: 7, limit: 2 }));
    assert_eq!(bench.asked(), Some((0, 7)));
    bench.history.connection_lost();
    bench.log_in("ann", 1);
    assert_eq!(bench.asked(), Some((0, 7)));
    assert_eq!(bench.page(&[5, 6], true), ["page [5, 6] true"]);
    bench.list(&[("#lobby", 4)]);
    assert_eq!(bench.asked(), Some((3, 0)));
}

#[test]
fn a_person_is_the_same_however_the_name_is_spelt() {
    let mut bench = Bench::new(0);
    let message = |seq| StoredMessage { seq, from: "bob".into(), text: "hi".into(), at_ms: 1 };
    let to = |name: &str| Conversation::User(name.into());
    assert_eq!(heard(&bench.history.message(to("bob"), message(1))), ["@bob 1"]);
    assert_eq!(heard(&bench.history.message(to("BOB"), message(2))), ["@BOB 2"]);
    assert!(bench.history.message(to("bob"), message(2)).is_empty());
    assert_eq!(bench.asked(), None);
}

#[test]
fn a_server_that_cannot_read_for_a_while_is_asked_again_ever_more_slowly_and_nothing_is_given_up() {
    let mut bench = Bench::new(0);
    assert!(bench.live(3).is_empty());
    for seconds in [1, 2, 4, 8, 16, 32, 32] {
        assert_eq!(bench.asked(), Some((0, 0)));
        // Told once.
        let told: &[&str] = if seconds == 1 { &["stalled true"] } else { &[] };
        assert_eq!(bench.refused(RefusalCode::StorageFailed), told);
        assert_eq!(bench.asked(), None);
        let until = bench.pause_ends().unwrap();
        assert_eq!(until - bench.now, Duration::from_secs(seconds));
        bench.now = until;
    }
    assert_eq!(bench.asked(), Some((0, 0)));
    assert_eq!(bench.page(&[1, 2], true), ["#lobby 1", "#lobby 2"]);
    bench.asked();
    bench.refused(RefusalCode::StorageFailed);
    let until = bench.pause_ends().unwrap();
    assert_eq!(until - bench.now, PAUSE, "an answer ends the row of failures");
}

#[test]
fn what_a_person_asks_is_refused_at_once_and_does_not_wait_for_what_was_missed() {
    let mut bench = Bench::new(0);
    bench.live(3);
    bench.asked();
    bench.refused(RefusalCode::StorageFailed);
    let conversation = Conversation::User("bob".into());
    assert!(bench.history.ask(Wish::Read(HistoryWish {
        conversation,
        after: 0,
        before: 7,
        limit: 2
    })));
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
        assert!(bench.history.ask(Wish::Read(wish(limit))), "{limit}");
    }
    assert!(!bench.history.ask(Wish::Read(wish(64))), "they are bounded by themselves");
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
        bench.private("bob", 1);
        bench.history.connection_lost();
        bench.log_in(name, server);
        bench.list(&[("@bob", 1)]);
        // Another reader gets it as the latest of a conversation of theirs.
        assert_eq!(bench.question().is_some(), told, "{name} {server}");
    }
}

#[test]
fn numbers_of_another_log_are_no_repeats_of_ours() {
    let mut bench = Bench::new(0);
    (1..=9).for_each(|seq| drop(bench.live(seq)));
    bench.private("bob", 1);
    bench.history.connection_lost();
    bench.history.logged_in(reader("ann", 1, 2));
    // It has grown past what we had of the other one.
    assert!(bench.list(&[("#lobby", 10), ("@bob", 3)]).is_empty());
    assert_eq!(bench.question(), Some("@bob 0 latest".into()));
    assert_eq!(bench.page(&[1, 2, 3], false), ["@bob 1", "@bob 2", "@bob 3"]);
    assert_eq!(bench.live(11), ["#lobby 11"]);
    assert_eq!(bench.question(), None);
}

#[test]
fn a_conversation_that_began_while_one_was_away_is_read_from_its_beginning() {
    let mut bench = Bench::new(4);
    assert!(bench.reconnect(&[("#lobby", 4), ("@bob", 2)]).is_empty());
    assert_eq!(bench.question(), Some("@bob 0".into()), "and nothing else is asked");
    assert_eq!(bench.page(&[1, 2], false), ["@bob 1", "@bob 2"]);
    assert_eq!(bench.question(), None);
    assert_eq!(bench.private("bob", 3), ["@bob 3"]);
}

#[test]
fn what_comes_while_the_list_is_read_is_told_once_and_after_what_is_before_it() {
    let mut bench = Bench::new(4);
    bench.history.connection_lost();
    bench.log_in("ann", 1);
    assert!(bench.private("bob", 2).is_empty());
    assert_eq!(bench.live(5), ["#lobby 5"]);
    assert!(bench.live(7).is_empty());
    assert_eq!(bench.private("cy", 1), ["@cy 1"]);
    // Read before the last of them were stored.
    assert!(bench.list(&[("#lobby", 6), ("@bob", 1)]).is_empty());
    let questions = [bench.question().unwrap(), {
        let told = bench.page(&[], false);
        assert!(told.len() == 1, "{told:?}");
        bench.question().unwrap()
    }];
    let mut sorted = questions;
    sorted.sort();
    assert_eq!(sorted, ["#lobby 5", "@bob 0"]);
}

#[test]
fn a_gap_in_the_first_messages_of_a_conversation_is_noticed() {
    let mut bench = Bench::new(0);
    assert!(bench.private("bob", 2).is_empty());
    assert_eq!(bench.question(), Some("@bob 0".into()));
    assert_eq!(bench.page(&[1, 2], false), ["@bob 1", "@bob 2"]);
}

#[test]
fn a_program_that_was_just_started_reads_the_end_of_what_was_used_last() {
    let mut bench = Bench { history: History::new(true), now: Instant::now() };
    bench.log_in("ann", 1);
    let names: Vec<String> = (0..30).map(|number| format!("@guest{number}")).collect();
    let mut entries: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), 500)).collect();
    entries.push(("#lobby", 1000));
    assert_eq!(bench.live(1001), ["#lobby 1001"], "the lobby begins where it is");
    assert!(bench.list(&entries).is_empty());
    for number in 10..30 {
        assert_eq!(bench.question(), Some(format!("@guest{number} 0 latest")));
        let told = bench.page(&[499, 500], true);
        assert_eq!(told, [format!("@guest{number} 499"), format!("@guest{number} 500")]);
    }
    assert_eq!(bench.question(), None);
    assert_eq!(bench.private("guest3", 501), ["@guest3 501"], "not even what was before it");
}

#[test]
fn a_start_that_was_broken_off_asks_for_no_more_than_it_would_have() {
    let mut bench = Bench { history: History::new(true), now: Instant::now() };
    bench.log_in("ann", 1);
    bench.list(&[("@bob", 5000)]);
    assert_eq!(bench.question(), Some("@bob 0 latest".into()));
    bench.reconnect(&[("@bob", 5001)]);
    assert_eq!(bench.question(), Some("@bob 0 latest".into()));
    assert_eq!(bench.page(&[5001], true), ["@bob 5001"]);
    bench.reconnect(&[("@bob", 5002)]);
    assert_eq!(bench.question(), Some("@bob 5001".into()));
}

#[test]
fn a_list_is_read_to_its_end_and_one_without_end_is_not() {
    let mut bench = Bench::new(0);
    bench.history.connection_lost();
    bench.log_in("ann", 1);
    assert!(bench.list_page(0, &[("@bob", 1)], 7).is_empty());
    assert!(bench.list_page(7, &[("@cy", 1)], 9).is_empty());
    assert_eq!(bench.question(), Some("list 9".into()));
    assert!(bench.history.listed(list(&[("@bob", 1)], 9)).is_err());
    let mut bench = Bench::new(0);
    assert!(bench.history.listed(list(&[], 0)).is_err(), "nobody asked");
}

#[test]
fn a_server_without_a_list_is_asked_about_what_is_known() {
    let mut bench = Bench::new(3);
    bench.history.connection_lost();
    bench.log_in("ann", 1);
    assert_eq!(bench.question(), Some("list 0".into()));
    assert!(bench.private("bob", 6).is_empty());
    assert_eq!(bench.refused(RefusalCode::Unsupported), ["@bob 6"]);
    assert_eq!(bench.question(), Some("#lobby 3".into()));
    assert_eq!(bench.page(&[], false), Vec::<String>::new());
    assert_eq!(bench.private("cy", 9), ["@cy 9"]);
    assert_eq!(bench.question(), None);
}

#[test]
fn a_conversation_that_ends_before_what_we_have_is_of_another_log_and_begins_anew() {
    let mut bench = Bench::new(0);
    (1..=5).for_each(|seq| drop(bench.live(seq)));
    (1..=5).for_each(|seq| drop(bench.private("bob", seq)));
    bench.history.connection_lost();
    bench.log_in("ann", 1);
    // Of the log that was put back.
    assert!(bench.live(4).is_empty());
    assert_eq!(bench.list(&[("#lobby", 4), ("@bob", 2)]), ["#lobby 4"]);
    assert_eq!(bench.question(), Some("@bob 0 latest".into()));
    assert_eq!(bench.page(&[1, 2], false), ["@bob 1", "@bob 2"]);
    assert_eq!(bench.private("bob", 3), ["@bob 3"]);
    assert_eq!(bench.live(5), ["#lobby 5"]);
}

#[test]
fn who_does_not_want_what_was_missed_asks_for_nothing_and_hears_what_comes() {
    let mut bench = Bench { history: History::new(false), now: Instant::now() };
    bench.log_in("ann", 1);
    assert_eq!(bench.question(), None);
    assert_eq!(bench.live(5), ["#lobby 5"]);
    assert_eq!(bench.private("bob", 9), ["@bob 9"]);
    assert_eq!(bench.question(), None);
}

#[test]
fn a_conversation_that_cannot_be_read_keeps_no_other_from_being_read() {
    let mut bench = Bench::new(0);
    bench.reconnect(&[("@bob", 1), ("@cy", 1), ("@dora", 1)]);
    let first = bench.question().unwrap();
    assert_eq!(bench.refused(RefusalCode::StorageFailed), ["stalled true"]);
    let mut told = Vec::new();
    for _ in 0..2 {
        bench.now = bench.pause_ends().unwrap_or(bench.now);
        assert_ne!(bench.question().unwrap(), first);
        told.extend(bench.page(&[1], false));
    }
    assert_eq!(told.len(), 2, "one each, and not that all is well: {told:?}");
    assert_eq!(bench.question(), Some(first));
    assert!(bench.refused(RefusalCode::StorageFailed).is_empty(), "it is known already");
    bench.now = bench.pause_ends().unwrap();
    bench.question().unwrap();
    assert_eq!(bench.page(&[1], false).last().map(String::as_str), Some("stalled false"));
}

#[test]
fn what_was_asked_under_another_name_or_at_another_server_is_not_asked_under_this_one() {
    let wish = || HistoryWish {
        conversation: Conversation::User("bob".into()),
        after: 0,
        before: 7,
        limit: 2,
    };
    let mut bench = Bench::new(0);
    bench.history.ask(Wish::Read(wish()));
    bench.question().unwrap();
    bench.history.ask(Wish::Read(wish()));
    bench.history.connection_lost();
    assert!(bench.history.name_chosen(&NameKey::of("ANN")).is_empty(), "the same person");
    let refused = ["refused @bob", "refused @bob"];
    assert_eq!(heard(&bench.history.name_chosen(&NameKey::of("anna"))), refused);
    // Asked under the new name before it was let in.
    bench.history.ask(Wish::Read(wish()));
    bench.log_in("anna", 1);
    assert_eq!(bench.asked(), Some((0, 7)));
    bench.history.connection_lost();
    assert_eq!(heard(&bench.history.server_chosen()), ["refused @bob"]);
    assert_eq!(bench.question(), None);
}

#[test]
fn what_an_earlier_program_told_is_not_told_again() {
    let mut bench = Bench::new(0);
    bench.private("bob", 1);
    bench.private("cy", 1);
    assert_eq!(bench.question(), None);
    assert!(
        bench.history.positions_to_keep(Some(bench.now)).is_none(),
        "together with what follows"
    );
    bench.private("cy", 2);
    let due = bench.history.poll_timeout().unwrap();
    let (ann, mut kept) = bench.history.positions_to_keep(Some(due)).unwrap();
    kept.sort_by_key(|(_, seq)| *seq);
    let with = |name: &str| Conversation::User(name.into());
    assert_eq!(kept, [(with("bob"), 1), (with("cy"), 2)], "and not the lobby");
    assert!(bench.history.positions_to_keep(None).is_none(), "nothing is new");

    let mut bench = Bench { history: History::new(true), now: Instant::now() };
    bench.history.logged_in(ann.clone());
    assert_eq!(bench.history.wants_positions(), Some(&ann));
    bench.history.begin_at(kept);
    assert!(bench.list(&[("#lobby", 9), ("@bob", 1), ("@cy", 500)]).is_empty());
    assert_eq!(bench.question(), Some("@cy 2 latest".into()));
    assert_eq!(bench.page(&[499, 500], true), ["@cy 499", "@cy 500"]);
    assert_eq!(bench.question(), None);
    // From here on everything is wanted.
    bench.reconnect(&[("#lobby", 9), ("@bob", 300), ("@cy", 500)]);
    assert_eq!(bench.question(), Some("@bob 1".into()));
    assert!(bench.history.wants_positions().is_none());
}

#[test]
fn what_is_not_kept_yet_is_kept_when_the_connection_goes() {
    let mut bench = Bench::new(0);
    bench.private("bob", 1);
    bench.question();
    assert_eq!(bench.history.positions_to_keep(None).unwrap().1.len(), 1);
}

#[test]
fn what_is_looked_for_is_asked_again_after_a_loss_and_told_page_by_page() {
    let mut bench = Bench::new(0);
    let wish = SearchWish { text: "tea".into(), before: 0, limit: 2 };
    assert!(bench.history.ask(Wish::Search(wish.clone())));
    let asked = |bench: &mut Bench| match bench.history.next_request(bench.now) {
        Some(Body::SearchMessages(it)) => (it.text, it.before, it.limit),
        other => panic!("{other:?}"),
    };
    assert_eq!(asked(&mut bench), ("tea".to_owned(), 0, 2));
    bench.history.connection_lost();
    assert_eq!(asked(&mut bench), ("tea".to_owned(), 0, 2));
    let conversation = Some(Conversation::lobby().to_wire());
    let message = wire::Message { conversation, seq: 5, ..wire::Message::default() };
    let page = wire::SearchPage { messages: vec![message.clone()], next: 9 };
    let heard = bench.history.found(page).unwrap();
    let [Heard::Found { messages, next: Some(9) }] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!((messages[0].0.clone(), messages[0].1.seq), (Conversation::lobby(), 5));

    for (before, next, messages) in [(9, 9, vec![message.clone()]), (0, 4, vec![])] {
        assert!(bench.history.ask(Wish::Search(SearchWish { before, ..wish.clone() })));
        asked(&mut bench);
        let page = wire::SearchPage { messages, next };
        assert!(bench.history.found(page).is_err(), "it does not end");
    }
    assert!(bench.history.found(wire::SearchPage::default()).is_err(), "nobody asked");
}

/// A page that was asked for long ago holds nothing new, and the next one does.
#[test]
fn what_led_beyond_the_page_meanwhile_does_not_make_it_the_last() {
    let mut bench = Bench::new(0);
    bench.history.connection_lost();
    bench.log_in("ann", 1);
    assert_eq!(bench.question(), Some("list 0".to_owned()));
    // More than are held come while the list is under way, and those in front of them were missed.
    let beyond = 3 + HELD_MAX as u64;
    (4..=beyond + 1).for_each(|seq| assert!(bench.live(seq).is_empty()));
    bench.history.listed(list(&[("#lobby", beyond + 1)], 0)).unwrap();
    assert_eq!(bench.asked(), Some((0, 0)));
    assert_eq!(bench.page(&[1, 2, 3], true).len(), 3);
    assert_eq!(bench.asked(), Some((3, 0)));
    // What is held is told, and there is a gap behind it.
    assert_eq!(bench.live(beyond + 3).len(), HELD_MAX);
    assert!(bench.page(&[4, 5], true).is_empty());
    assert_eq!(bench.asked(), Some((beyond, 0)));
    let told = [1, 2, 3].map(|more| format!("#lobby {}", beyond + more));
    assert_eq!(bench.page(&[beyond + 1, beyond + 2, beyond + 3], false), told);
}

#[test]
fn what_one_wrote_while_nothing_can_be_read_is_told_to_nobody_but_the_others() {
    let mut bench = Bench::new(0);
    bench.history.connection_lost();
    bench.log_in("ann", 1);
    let own = 2..=2 * HELD_MAX as u64;
    for seq in own.clone() {
        assert!(bench.history.accepted(&Conversation::lobby(), seq).is_empty());
    }
    assert!(bench.list(&[("#lobby", *own.end())]).is_empty());
    assert_eq!(bench.asked(), Some((0, 0)));
    assert_eq!(bench.page(&[1], false), ["#lobby 1"]);
    assert_eq!(bench.asked(), None);
}

//! Places taken, refused and given back; the end of logins and of the node.

use super::*;
use crate::ticket::TICKET_BYTES;

fn sessions() -> Arc<Sessions> {
    Sessions::new(SessionLimits { sessions_max: 3, sessions_per_user_max: 2 })
}

/// A ticket that differs from others by its number.
fn ticket(number: u8) -> TicketId {
    TicketId::of(&[number; TICKET_BYTES]).unwrap()
}

/// What is transferred where it makes no difference.
fn file() -> FilePath {
    FilePath::parse("file").unwrap()
}

/// A download.
fn admit(
    sessions: &Arc<Sessions>,
    now: Instant,
    ticket: TicketId,
    user: &str,
    login: u64,
    file: &FilePath,
) -> Result<Place, Refusal> {
    let direction = Direction::Download;
    sessions.admit(now, Applicant { direction, transfer: ticket, ticket, user, login, file })
}

/// An upload to the part that is named by a number.
fn admit_upload(
    sessions: &Arc<Sessions>,
    now: Instant,
    part: u8,
    ticket: TicketId,
) -> Result<Place, Refusal> {
    let (direction, transfer) = (Direction::Upload, self::ticket(part));
    let file = file();
    sessions
        .admit(now, Applicant { direction, transfer, ticket, user: "ann", login: 1, file: &file })
}

#[test]
fn a_user_gets_as_many_places_as_allowed() {
    let sessions = sessions();
    let other = FilePath::parse("other").unwrap();
    let _first = admit(&sessions, Instant::now(), ticket(1), "ann", 1, &file()).unwrap();
    let second = admit(&sessions, Instant::now(), ticket(2), "ann", 1, &file()).unwrap();
    assert_eq!(
        admit(&sessions, Instant::now(), ticket(3), "ann", 2, &other).unwrap_err(),
        Refusal::Full
    );
    drop(second);
    assert!(admit(&sessions, Instant::now(), ticket(3), "ann", 2, &other).is_ok());
}

#[test]
fn what_a_ticket_allows_is_counted_over_all_its_starts() {
    let (sessions, now) = (sessions(), Instant::now());
    let start = |at, number| admit(&sessions, at, ticket(number), "ann", 1, &file()).unwrap();
    let first = start(now, 1);
    assert_eq!(first.next_batch(now, 100), None);
    assert_eq!(first.next_batch(now, 20), None);
    let second = start(now + Duration::from_secs(50), 1);
    assert_eq!(second.bytes_left(200), 80);
    // The first has not noticed yet that it is over.
    first.next_batch(now, 30);
    drop((first, second));
    assert_eq!(start(now + Duration::from_secs(59), 1).bytes_left(200), 50);
    assert_eq!(start(now + Duration::from_secs(59), 1).bytes_left(100), 0);
    assert_eq!(start(now, 2).bytes_left(200), 200);
    // By then it has long expired.
    start(now + Duration::from_secs(59) + SPENT_MEMORY, 3);
    assert_eq!(sessions.lock().spent.len(), 1);
}

#[test]
fn uploads_and_downloads_take_no_places_from_each_other() {
    let (sessions, now) = (sessions(), Instant::now());
    let download = |number| admit(&sessions, now, ticket(number), "ann", 1, &file());
    let _downloads = [download(1), download(2)].map(Result::unwrap);
    let _uploads = [3, 4].map(|part| admit_upload(&sessions, now, part, ticket(part)).unwrap());
    assert_eq!(download(5).unwrap_err(), Refusal::Full);
    assert_eq!(admit_upload(&sessions, now, 5, ticket(5)).unwrap_err(), Refusal::Full);
    let _bobs = admit(&sessions, now, ticket(6), "bob", 2, &file()).unwrap();
    assert_eq!(admit(&sessions, now, ticket(7), "cyd", 3, &file()).unwrap_err(), Refusal::Full);
}

#[test]
fn what_a_ticket_of_an_upload_allows_is_counted_over_all_its_starts_and_no_other_ones() {
    let (sessions, now) = (sessions(), Instant::now());
    let first = admit_upload(&sessions, now, 1, ticket(1)).unwrap();
    first.took(150);
    let again = admit_upload(&sessions, now, 1, ticket(1)).unwrap();
    assert_eq!(again.bytes_left(200), 50);
    assert_eq!(first.control().end(), Some(EndReason::Superseded));
    let resumed = admit_upload(&sessions, now, 1, ticket(2)).unwrap();
    assert_eq!(resumed.bytes_left(200), 200, "another ticket of the same upload");
    assert_eq!(again.control().end(), Some(EndReason::Superseded));
}

#[test]
fn sessions_of_one_user_share_their_rate() {
    let limits = SessionLimits { sessions_max: 3, sessions_per_user_max: 2 };
    let rates = RateLimits { total: None, per_user: Some(1000) };
    let sessions = Sessions::with_rates(limits, rates);
    let now = Instant::now() + Duration::from_secs(1);
    let start = |number, user| admit(&sessions, now, ticket(number), user, 1, &file()).unwrap();
    let (first, second, other) = (start(1, "ann"), start(2, "ann"), start(3, "bob"));
    let at = first.next_batch(now, 500).unwrap();
    assert!(at > now && at <= now + Duration::from_millis(500));
    assert_eq!(second.next_batch(now, 0), Some(at));
    assert_eq!(second.next_batch(at, 0), None);
    assert_eq!(other.next_batch(now, 0), None);
}

#[test]
fn who_comes_back_after_a_crash_takes_the_place_over() {
    let (sessions, now) = (sessions(), Instant::now());
    let later = now + CRASHED_AFTER;
    let crashed = admit(&sessions, now, ticket(1), "ann", 1, &file()).unwrap();
    let living = admit(&sessions, now, ticket(2), "ann", 1, &file()).unwrap();
    let start = |at| admit(&sessions, at, ticket(3), "ann", 2, &file());
    assert_eq!(start(later).unwrap_err(), Refusal::Full, "who never tells is never silent");
    crashed.control().heard(now);
    living.control().heard(later);
    assert_eq!(start(later - Duration::from_millis(1)).unwrap_err(), Refusal::Full);
    let other = FilePath::parse("other").unwrap();
    let unrelated = admit(&sessions, later, ticket(3), "ann", 2, &other);
    assert_eq!(unrelated.unwrap_err(), Refusal::Full);
    let again = start(later).unwrap();
    assert_eq!(crashed.control().end(), Some(EndReason::Superseded));
    assert_eq!((living.control().end(), again.control().end()), (None, None));
    assert_eq!(sessions.count(), 2);
}

#[test]
fn a_full_node_refuses_the_newcomer_and_keeps_the_others() {
    let sessions = sessions();
    let places = ["ann", "bob", "cleo"]
        .iter()
        .zip(1..)
        .map(|(user, number)| {
            admit(&sessions, Instant::now(), ticket(number), user, 0, &file()).unwrap()
        })
        .collect::<Vec<_>>();
    assert_eq!(
        admit(&sessions, Instant::now(), ticket(9), "dora", 0, &file()).unwrap_err(),
        Refusal::Full
    );
    assert!(places.iter().all(|place| place.control().end().is_none()));
}

#[test]
fn the_same_ticket_again_ends_the_older_session_even_when_full() {
    let sessions = sessions();
    let older = admit(&sessions, Instant::now(), ticket(1), "ann", 1, &file()).unwrap();
    let _other = admit(&sessions, Instant::now(), ticket(2), "ann", 1, &file()).unwrap();
    let newer = admit(&sessions, Instant::now(), ticket(1), "ann", 1, &file()).unwrap();
    assert_eq!(older.control().end(), Some(EndReason::Superseded));
    assert_eq!(newer.control().end(), None);
}

#[test]
fn an_ended_login_loses_its_sessions_and_starts_no_more() {
    let sessions = sessions();
    let ended = admit(&sessions, Instant::now(), ticket(1), "ann", 1, &file()).unwrap();
    let other = admit(&sessions, Instant::now(), ticket(2), "ann", 2, &file()).unwrap();
    sessions.end_login(Instant::now(), 1);
    assert_eq!(ended.control().end(), Some(EndReason::LoginEnded));
    assert_eq!(other.control().end(), None);
    assert!(sessions.has_ended(1) && !sessions.has_ended(2));
    assert_eq!(
        admit(&sessions, Instant::now(), ticket(3), "ann", 1, &file()).unwrap_err(),
        Refusal::Ended
    );
}

#[test]
fn ended_logins_are_forgotten_after_their_tickets_have_expired() {
    let (sessions, now) = (sessions(), Instant::now());
    sessions.end_login(now, 1);
    sessions.end_login(now + ENDED_LOGIN_MEMORY, 2);
    assert!(!sessions.has_ended(1) && sessions.has_ended(2));
}

#[test]
fn shutdown_waits_for_every_session_and_starts_none() {
    let sessions = sessions();
    let place = admit(&sessions, Instant::now(), ticket(1), "ann", 1, &file()).unwrap();
    let key = place.key();
    let waiting = std::thread::spawn(move || {
        let unused = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        while place.control().end().is_none() {
            let socket = std::os::fd::AsFd::as_fd(&unused);
            crate::udp::wakeup::wait_readable(socket, place.control().wakeup(), None).unwrap();
        }
    });
    sessions.attach(key, waiting);
    sessions.shut_down();
    assert_eq!(sessions.count(), 0);
    assert_eq!(
        admit(&sessions, Instant::now(), ticket(2), "bob", 2, &file()).unwrap_err(),
        Refusal::Ended
    );
}

#[test]
fn a_session_that_says_goodbye_takes_no_place() {
    let sessions = sessions();
    let _running = admit(&sessions, Instant::now(), ticket(1), "ann", 1, &file()).unwrap();
    let ending = admit(&sessions, Instant::now(), ticket(2), "ann", 1, &file()).unwrap();
    ending.vacate();
    assert_eq!(sessions.count(), 1);
    assert!(admit(&sessions, Instant::now(), ticket(3), "ann", 1, &file()).is_ok());
}

#[test]
fn sessions_that_say_goodbye_are_bounded_too() {
    let sessions = sessions();
    let start = || admit(&sessions, Instant::now(), ticket(1), "ann", 1, &file());
    let mut places: Vec<Place> = (0..6).map(|_| start().unwrap()).collect();
    assert_eq!(start().unwrap_err(), Refusal::Full);
    let newest = places.last().unwrap();
    assert_eq!(newest.control().end(), None, "who is refused ends nobody");
    places.remove(0);
    assert!(start().is_ok());
}

#[test]
fn a_farewell_counts_although_it_takes_no_place() {
    let sessions = sessions();
    let leaving: Vec<Place> = (0..6)
        .map(|number| {
            let place =
                admit(&sessions, Instant::now(), ticket(number), "ann", 1, &file()).unwrap();
            place.vacate();
            place
        })
        .collect();
    assert_eq!(sessions.count(), 0);
    assert_eq!(
        admit(&sessions, Instant::now(), ticket(9), "bob", 2, &file()).unwrap_err(),
        Refusal::Full
    );
    drop(leaving);
    assert!(admit(&sessions, Instant::now(), ticket(9), "bob", 2, &file()).is_ok());
}

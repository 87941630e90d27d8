//! Places and the line for them, as scripts; and the hashes of pieces.
//!
//! The policy of the scripts: two at once for each user, three in all; three of each user wait, four in
//! all.

use crate::state::script::{check, check_with, policy};

/// ann and bob are there, and the files a and b; ann has two downloads under way and bob has one.
const ALL_PLACES_TAKEN: &str = "file a 5
    file b 6
    1> open
    1> login ann
        1< logged in ann t1
    2> open
    2> login bob
        2< logged in bob t2
        1< joined bob
    1> get a
        * ticket 1 for ann on 1: a of 5 bytes
        * hash a for 1
    1> get a
        * ticket 2 for ann on 1: a of 5 bytes
        * hash a for 2
    2> get a
        * ticket 3 for bob on 2: a of 5 bytes
        * hash a for 3
    ";

#[track_caller]
fn check_when_all_places_are_taken(script: &str) {
    check(&format!("{ALL_PLACES_TAKEN}{script}"));
}

#[test]
fn who_has_no_place_waits_and_gets_the_ticket_by_itself() {
    check_when_all_places_are_taken(
        "2> get b
             2< queued 4 b as 1
         2> get a
             2< queued 5 a as 2
         1> done 1
             * no hash for 1
             1< recorded 1
             * ticket 4 for bob on 2: b of 6 bytes, at last
             * hash b for 4
         wait 1s
             2< queued 5 a as 1
         hashed 4
             2< hashes 4 b 32
         2> done 4
             2< recorded 4
             * ticket 5 for bob on 2: a of 5 bytes, at last
             * hash a for 5",
    );
}

#[test]
fn users_take_turns_whoever_came_first() {
    check_when_all_places_are_taken(
        "2> get a
             2< queued 4 a as 1
         2> get a
             2< queued 5 a as 2
         3> open
         3> login eve
             3< logged in eve t3
             1< joined eve
             2< joined eve
         3> get b
             3< queued 6 b as 2
         wait 1s
             2< queued 5 a as 3
         1> done 1
             * no hash for 1
             1< recorded 1
             * ticket 4 for bob on 2: a of 5 bytes, at last
             * hash a for 4
         1> done 2
             * no hash for 2
             1< recorded 2
             * ticket 6 for eve on 3: b of 6 bytes, at last
             * hash b for 6
         wait 1s
             2< queued 5 a as 1",
    );
}

#[test]
fn a_user_with_all_places_of_their_own_keeps_nobody_out() {
    check(
        "file a 5
         1> open
         1> login ann
             1< logged in ann t1
         1> get a
             * ticket 1 for ann on 1: a of 5 bytes
             * hash a for 1
         1> get a
             * ticket 2 for ann on 1: a of 5 bytes
             * hash a for 2
         1> get a
             1< queued 3 a as 1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         2> get a
             * ticket 4 for bob on 2: a of 5 bytes
             * hash a for 4",
    );
}

#[test]
fn the_line_has_an_end_for_each_user_and_for_all() {
    check_when_all_places_are_taken(
        "1> get a
             1< queued 4 a as 1
         1> get a
             1< queued 5 a as 2
         1> get a
             1< queued 6 a as 3
         1> get a
             1< refused too_many_downloads 3
         2> get a
             2< queued 7 a as 2
         2> get a
             2< refused too_many_downloads 4
         1> done 5
             1< recorded 5
         2> get a
             2< queued 8 a as 4",
    );
}

#[test]
fn where_downloads_are_not_allowed_none_waits() {
    let mut policy = policy();
    policy.downloads_per_user_max = 0;
    check_with(
        policy,
        "file a 5
         1> open
         1> login ann
             1< logged in ann t1
         1> get a
             1< refused too_many_downloads",
    );
}

#[test]
fn somebody_elses_downloads_are_nobodys_business() {
    check_when_all_places_are_taken(
        "1> done 3
             1< recorded 3
         1> pause 3
             1< recorded 3
         1> pieces 3 0
             1< refused unknown_download
         1> get a 3
             1< queued 4 a as 1",
    );
}

#[test]
fn who_leaves_makes_room() {
    check_when_all_places_are_taken(
        "2> get b
             2< queued 4 b as 1
         1> get b
             1< queued 5 b as 2
         1> logout
             1< logged out
             * close 1
             * forget 1
             * end login 1
             * no hash for 1
             * no hash for 2
             * ticket 4 for bob on 2: b of 6 bytes, at last
             * hash b for 4
             2< left ann logged_out",
    );
}

#[test]
fn where_no_node_can_be_asked_tickets_keep_a_place() {
    check_when_all_places_are_taken(
        "hashed 1
             1< hashes 1 a 32
         2> get b
             2< queued 4 b as 1
         wait 29s
         1> pong
         2> pong
         1> get a 1
             * ticket 1 for ann on 1: a of 5 bytes
             1< hashes 1 a 32
         2> get a 3
             * ticket 3 for bob on 2: a of 5 bytes
             * hash a for 3
         wait 29s
         1> pong
         2> pong
         wait 2s
         served
             * ticket 4 for bob on 2: b of 6 bytes, at last
             * hash b for 4
         2> get b
             2< queued 5 b as 1
         wait 27s
         1> pong
         2> pong
         served
         wait 2s
         served
             * ticket 5 for bob on 2: b of 6 bytes, at last
             * hash b for 5",
    );
}

#[test]
fn a_file_that_changed_while_it_waited_is_sent_as_it_is_now() {
    check_when_all_places_are_taken(
        "2> get b
             2< queued 4 b as 1
         file b 60
             1< file b 60
             2< file b 60
         1> done 1
             * no hash for 1
             1< recorded 1
             * ticket 4 for bob on 2: b of 60 bytes, at last
             * hash b for 4",
    );
}

#[test]
fn the_line_is_told_again_to_who_comes_back() {
    check_when_all_places_are_taken(
        "2> get b
             2< queued 4 b as 1
         hashed 3
             2< hashes 3 a 32
         2> close
         3> open
         3> login bob t2
             3< logged in bob t3 again
             * move 2 to 3
             3< hashes 3 a 32
             3< queued 4 b as 1
         3> get b 4
             3< queued 4 b as 1
         3> done 3
             3< recorded 3
             * ticket 4 for bob on 3: b of 6 bytes, at last
             * hash b for 4
         3> get b 4
             * ticket 4 for bob on 3: b of 6 bytes
             * hash b for 4",
    );
}

#[test]
fn another_ticket_takes_no_other_place() {
    check_when_all_places_are_taken(
        "hashed 1
             1< hashes 1 a 32
         1> get a 1
             * ticket 1 for ann on 1: a of 5 bytes
             1< hashes 1 a 32
         1> get b 1
             1< queued 4 b as 1",
    );
}

#[test]
fn another_ticket_for_a_file_that_changed_has_another_hash() {
    check(
        "file a 5
         1> open
         1> login ann
             1< logged in ann t1
         1> get a
             * ticket 1 for ann on 1: a of 5 bytes
             * hash a for 1
         hashed 1
             1< hashes 1 a 32
         file a 6
             1< file a 6
         1> get a 1
             * ticket 1 for ann on 1: a of 6 bytes
             * hash a for 1",
    );
}

#[test]
fn a_paused_download_makes_room_and_comes_back_first_of_its_own() {
    check_when_all_places_are_taken(
        "1> get b
             1< queued 4 b as 1
         1> pause 1
             1< recorded 1
             * ticket 4 for ann on 1: b of 6 bytes, at last
             * hash b for 4
         hashed 1
             1< hashes 1 a 32
         1> get b
             1< queued 5 b as 1
         1> get a 1
             1< queued 1 a as 1
         wait 1s
             1< queued 5 b as 2
         1> done 2
             * no hash for 2
             1< recorded 2
             * ticket 1 for ann on 1: a of 5 bytes, at last
             1< hashes 1 a 32",
    );
}

#[test]
fn a_paused_one_that_waited_leaves_the_line() {
    check_when_all_places_are_taken(
        "2> get b
             2< queued 4 b as 1
         2> pause 4
             2< recorded 4
         1> done 1
             * no hash for 1
             1< recorded 1
         2> get b 4
             * ticket 4 for bob on 2: b of 6 bytes
             * hash b for 4",
    );
}

#[test]
fn a_place_that_was_never_used_is_taken_back() {
    check_when_all_places_are_taken(
        "2> get b
             2< queued 4 b as 1
         wait 29s
         1> pong
         2> pong
         wait 29s
         1> pong
         2> pong
         wait 1s
         served 1 2
         wait 1s
         served 1 2
             * ticket 4 for bob on 2: b of 6 bytes, at last
             * hash b for 4
         hashed 3
             2< hashes 3 a 32",
    );
}

#[test]
fn a_place_whose_transfer_ended_is_kept_for_a_moment() {
    check_when_all_places_are_taken(
        "2> get b
             2< queued 4 b as 1
         served 1 2 3
         wait 14s
         served 1 2
         wait 1s
         served 1 2
             * ticket 4 for bob on 2: b of 6 bytes, at last
             * hash b for 4
         2> get a 3
             2< queued 3 a as 1
         2> done 3
             * no hash for 3
             2< recorded 3",
    );
}

#[test]
fn resting_downloads_are_forgotten_in_the_end() {
    let mut script = "file a 5
        1> open
        1> login ann
            1< logged in ann t1
        "
    .to_owned();
    for id in 1..=65 {
        script += &format!(
            "1> get a
                 * ticket {id} for ann on 1: a of 5 bytes
                 * hash a for {id}
             1> pause {id}
             "
        );
        script += if id == 65 { "* no hash for 1\n" } else { "" };
        script += &format!("1< recorded {id}\n");
    }
    check(&script);
}

#[test]
fn piece_hashes_are_told_one_question_at_a_time() {
    check(
        "file a 3000000
         1> open
         1> login ann
             1< logged in ann t1
         1> get a
             * ticket 1 for ann on 1: a of 3000000 bytes
             * hash a for 1
         1> pieces 1 3
             1< refused malformed
         1> pieces 7 0
             1< refused unknown_download
         1> pieces 1 1
             * pieces of a from 1 for 1
         1> pieces 1 2
             1< refused slow_down at 1000ms
         pieces 1 0 2
         pieces 1 1 2
             1< pieces 1 from 1: 2 of 3
         pieces 1 1 2
         1> pieces 1 0
             * pieces of a from 0 for 1
         1> done 1
             * no hash for 1
             1< refused unknown_download
             1< recorded 1",
    );
}

#[test]
fn a_question_for_piece_hashes_does_not_outlive_its_connection() {
    check(
        "file a 3000000
         1> open
         1> login ann
             1< logged in ann t1
         1> get a
             * ticket 1 for ann on 1: a of 3000000 bytes
             * hash a for 1
         1> pieces 1 0
             * pieces of a from 0 for 1
         1> close
         2> open
         2> login ann t1
             2< logged in ann t2 again
             * move 1 to 2
         2> pieces 1 0
             * pieces of a from 0 for 1
         pieces 1 0 3
             2< pieces 1 from 0: 3 of 3",
    );
}

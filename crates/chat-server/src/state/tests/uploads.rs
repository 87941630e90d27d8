//! Uploads, as scripts: who may begin, who is answered, what is let go of.

use crate::state::policy::Policy;
use crate::state::script::{check, check_with, policy};

mod leaving;

#[test]
fn an_upload_goes_from_leave_to_file() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 music/song.ogg 5
             * upload 1: begin music/song.ogg of 5 bytes by ann
         upload 1 ready
             1< upload ticket
         1> sent 1
             * upload 1: settle
         upload 1 misses 3
             1< upload 1 misses 3
         1> put 1 music/song.ogg 5
             * upload 1: begin music/song.ogg of 5 bytes by ann
         upload 1 ready
             1< upload ticket
         1> sent 1
             * upload 1: settle
         upload 1 stored music/song.ogg
             * upload 1: release
             1< upload 1 stored as music/song.ogg
         1> sent 1
             1< refused unknown_upload",
    );
}

#[test]
fn a_server_that_takes_none_says_so() {
    check_with(
        Policy { takes_uploads: false, ..policy() },
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             1< refused uploads_off",
    );
}

#[test]
fn strangers_upload_nothing() {
    check(
        "1> open
         1> put 1 a 5
             1< refused not_logged_in",
    );
}

#[test]
fn a_name_that_is_none_is_refused_with_it() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 ../etc/passwd 5
             1< refused upload_name ../etc/passwd
         1> put 1 /etc/passwd 5
             1< refused upload_name /etc/passwd",
    );
}

#[test]
fn one_too_many_waits_for_its_turn() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         1> put 2 b 5
             * upload 2: begin b of 5 bytes by ann
         1> put 3 c 5
             1< upload 3 (attempt 3) queued as 1
         1> put 4 d 5
             1< upload 4 (attempt 4) queued as 2
         upload 2 full
             * upload 2: release
             1< refused server_disk_full
             * upload 3: begin c of 5 bytes by ann
         wait 250ms
             1< upload 4 (attempt 4) queued as 1
         upload 3 ready
             1< upload ticket
         upload 1 ready
             1< upload ticket
         1> sent 1
             * upload 1: settle
         upload 1 stored a
             * upload 1: release
             1< upload 1 stored as a
             * upload 4: begin d of 5 bytes by ann",
    );
}

#[test]
fn a_line_that_is_full_takes_no_more() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         1> put 2 b 5
             * upload 2: begin b of 5 bytes by ann
         1> put 3 c 5
             1< upload 3 (attempt 3) queued as 1
         1> put 4 d 5
             1< upload 4 (attempt 4) queued as 2
         1> put 5 e 5
             1< upload 5 (attempt 5) queued as 3
         1> put 6 f 5
             1< refused too_many_uploads 3",
    );
}

#[test]
fn a_server_without_places_has_no_line() {
    check_with(
        Policy { downloads_max: 0, ..policy() },
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             1< refused too_many_uploads",
    );
}

#[test]
fn logins_that_wait_take_turns() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         1> put 2 b 5
             * upload 2: begin b of 5 bytes by ann
         2> put 3 c 5
             * upload 3: begin c of 5 bytes by bob
         1> put 4 d 5
             1< upload 4 (attempt 4) queued as 1
         1> put 5 e 5
             1< upload 5 (attempt 5) queued as 2
         2> put 6 f 5
             2< upload 6 (attempt 6) queued as 2
         wait 250ms
             1< upload 5 (attempt 5) queued as 3
         upload 1 ready
             1< upload ticket
         upload 2 ready
             1< upload ticket
         1> release 1
             * upload 1: release
             1< upload 1 abandoned
             * upload 4: begin d of 5 bytes by ann
         1> release 2
             * upload 2: release
             1< upload 2 abandoned
             * upload 6: begin f of 5 bytes by bob",
    );
}

#[test]
fn who_gives_the_waiting_up_is_told_and_lets_the_next_pass() {
    for word in ["abandon", "release"] {
        check(&format!(
            "1> open
             1> login ann
                 1< logged in ann t1
             1> put 1 a 5
                 * upload 1: begin a of 5 bytes by ann
             1> put 2 b 5
                 * upload 2: begin b of 5 bytes by ann
             1> put 3 c 5
                 1< upload 3 (attempt 3) queued as 1
             1> put 4 d 5
                 1< upload 4 (attempt 4) queued as 2
             1> {word} 3
                 1< refused unknown_upload
                 1< upload 3 abandoned
             wait 250ms
                 1< upload 4 (attempt 4) queued as 1"
        ));
    }
}

#[test]
fn who_asks_again_keeps_the_place_in_line() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         1> put 2 b 5
             * upload 2: begin b of 5 bytes by ann
         1> put 3 c 5
             1< upload 3 (attempt 3) queued as 1
         1> put 4 d 5
             1< upload 4 (attempt 4) queued as 2
         1> close
         2> open
         2> login ann t1
             2< logged in ann t2 again
             * move 1 to 2
         2> put 3 c 5
             1< refused too_many_uploads 1
             2< upload 3 (attempt 3) queued as 1
         2> put 9 d 5
             1< refused too_many_uploads 1
             2< upload 4 (attempt 9) queued as 2
         upload 1 ready
             1< upload ticket
         2> release 1
             * upload 1: release
             2< upload 1 abandoned
             * upload 3: begin c of 5 bytes by ann
         upload 3 ready
             2< upload ticket",
    );
}

#[test]
fn what_still_waits_can_be_asked_nothing_else() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         1> put 2 b 5
             * upload 2: begin b of 5 bytes by ann
         1> put 3 c 5
             1< upload 3 (attempt 3) queued as 1
         1> sent 3
             1< refused unknown_upload",
    );
}

#[test]
fn a_login_that_ends_frees_its_places_and_leaves_the_line() {
    check_with(
        Policy { downloads_max: 1, ..policy() },
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         1> put 2 b 5
             1< upload 2 (attempt 2) queued as 1
         2> put 3 c 5
             2< upload 3 (attempt 3) queued as 2
         1> logout
             1< logged out
             * close 1
             * forget 1
             * end login 1
             1< refused unknown_upload
             1< refused unknown_upload
             2< left ann logged_out
         wait 250ms
             2< upload 3 (attempt 3) queued as 1
         upload 1 ready
             * upload 1: release
             * upload 3: begin c of 5 bytes by bob",
    );
}

#[test]
fn the_line_moves_when_a_place_is_taken_back() {
    check_with(
        Policy { downloads_max: 1, ..policy() },
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         upload 1 ready
             1< upload ticket
         1> put 2 b 5
             1< upload 2 (attempt 2) queued as 1
         wait 29s
         1> pong
         wait 29s
         1> pong
         transferring
         wait 2s
         transferring
             * upload 1: release
             * upload 2: begin b of 5 bytes by ann
         upload 2 ready
             1< upload ticket
         transferring
         1> sent 2
             * upload 2: settle",
    );
}

#[test]
fn a_client_that_was_killed_goes_on_in_the_same_place() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         upload 1 ready
             1< upload ticket
         1> put 2 a 5
             * upload 1: begin a of 5 bytes by ann
         upload 1 ready
             1< upload ticket
         1> put 2 a 6
             * upload 1: begin a of 6 bytes by ann",
    );
}

#[test]
fn nobody_touches_the_upload_of_another() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         upload 1 ready
             1< upload ticket
         2> sent 1
             2< refused unknown_upload
         2> abandon 1
             2< upload 1 abandoned
         1> abandon 1
             * upload 1: remove
             1< upload 1 abandoned",
    );
}

#[test]
fn who_asks_again_is_answered_in_place_of_the_one_before() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         upload 1 ready
             1< upload ticket
         1> sent 1
             * upload 1: settle
         1> close
         2> open
         2> login ann t1
             2< logged in ann t2 again
             * move 1 to 2
         2> sent 1
             1< refused too_many_uploads 1
         2> close
         3> open
         3> login ann t2
             3< logged in ann t3 again
             * move 2 to 3
         3> sent 1
             2< refused too_many_uploads 1
         upload 1 stored a
             * upload 1: release
             3< upload 1 stored as a",
    );
}

#[test]
fn one_question_waits_behind_the_one_that_the_disk_works_on() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         1> put 2 a 5
         1> sent 1
             1< refused too_many_uploads 1
         1> put 3 a 5
             1< refused too_many_uploads 1
         upload 1 ready
             * upload 1: begin a of 5 bytes by ann
             1< upload ticket
         upload 1 ready
             1< upload ticket",
    );
}

#[test]
fn a_client_that_was_killed_while_its_file_got_its_name_does_not_store_it_twice() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         upload 1 ready
             1< upload ticket
         1> sent 1
             * upload 1: settle
         1> put 2 a 5
         upload 1 stored a
             * upload 1: release
             1< upload 1 stored as a
             1< upload 1 stored as a",
    );
}

#[test]
fn what_waits_behind_a_failure_begins_anew_or_hears_that_there_is_none() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         upload 1 ready
             1< upload ticket
         1> sent 1
             * upload 1: settle
         1> put 2 a 5
         upload 1 failed
             * upload 1: begin a of 5 bytes by ann
             1< refused server_disk_failed
         1> sent 1
         upload 1 full
             * upload 1: release
             1< refused unknown_upload
             1< refused server_disk_full",
    );
}

#[test]
fn a_place_that_nobody_uses_is_free_after_the_life_of_a_ticket() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         1> put 2 b 5
             * upload 2: begin b of 5 bytes by ann
         upload 1 ready
             1< upload ticket
         wait 29s
         1> pong
         wait 29s
         1> pong
         transferring 1
         wait 29s
         1> pong
         wait 29s
         1> pong
         transferring
         wait 1s
         transferring
         wait 1s
         transferring
             * upload 1: release
         1> put 3 c 5
             * upload 3: begin c of 5 bytes by ann
         upload 2 ready
             1< upload ticket
         1> sent 1
             1< refused unknown_upload",
    );
}

#[test]
fn beginning_again_and_again_is_slowed_down() {
    let begin = "
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         upload 1 full
             * upload 1: release
             1< refused server_disk_full";
    let numbered = |number: usize| begin.replace("upload 1", &format!("upload {number}"));
    let burst: String = (1..=32).map(numbered).collect();
    check(&format!(
        "1> open
         1> login ann
             1< logged in ann t1{burst}
         1> put 1 a 5
             1< refused slow_down at 250ms
         wait 250ms
         1> put 1 a 5
             * upload 33: begin a of 5 bytes by ann"
    ));
}

#[test]
fn who_asks_about_an_upload_keeps_its_place_for_as_long_again() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         upload 1 ready
             1< upload ticket
         wait 29s
         1> pong
         wait 29s
         1> pong
         1> put 1 a 5
             * upload 1: begin a of 5 bytes by ann
         upload 1 ready
             1< upload ticket
         wait 29s
         1> pong
         wait 29s
         1> pong
         transferring
         wait 2s
         transferring
             * upload 1: release",
    );
}

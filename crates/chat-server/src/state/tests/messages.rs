//! Messages, as scripts: to whom they go, and which number they get.

use crate::state::policy::Policy;
use crate::state::rate_limit::Rate;
use crate::state::script::{check, check_with, policy};

#[test]
fn messages_are_numbered_within_their_conversation() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         1> say #lobby m1 hello
             1< accepted #lobby 1
             2< #lobby 1 ann: hello
         1> say bob m2 psst
             1< accepted @bob 1
             2< @ann 1 ann: psst
         2> say ANN m3 what?
             2< accepted @ann 2
             1< @bob 2 bob: what?
         2> say #lobby m4 hi
             2< accepted #lobby 2
             1< #lobby 2 bob: hi",
    );
}

#[test]
fn a_note_to_oneself_goes_to_nobody() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> say ann m1 remember
             1< accepted @ann 1",
    );
}

#[test]
fn messages_to_nowhere_are_refused() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> say bob m1 psst
             1< refused unknown_user bob
         1> say #cellar m2 psst
             1< refused unknown_room cellar
         1> blank
             1< refused text_empty",
    );
}

#[test]
fn a_message_sent_again_is_answered_and_not_repeated() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         1> say bob m1 psst
             1< accepted @bob 1
             2< @ann 1 ann: psst
         2> logout
             2< logged out
             * close 2
             * forget 2
             * end login 2
             1< left bob logged_out
         1> close
         3> open
         3> login ann t1
             3< logged in ann t3 again
             * move 1 to 3
         3> say bob m1 psst
             3< accepted @bob 1",
    );
}

#[test]
fn a_flood_is_slowed_down_with_a_time() {
    check_with(
        Policy { messages: Rate { burst: 2, per_second: 1 }, ..policy() },
        "1> open
         1> login ann
             1< logged in ann t1
         1> say #lobby m1 a
             1< accepted #lobby 1
         1> say #lobby m2 b
             1< accepted #lobby 2
         1> say #lobby m3 c
             1< refused slow_down at 1000ms
         1> say #lobby m1 a
             1< accepted #lobby 1
         wait 1s
         1> say #lobby m3 c
             1< accepted #lobby 3",
    );
}

#[test]
fn nobody_hears_of_a_message_before_it_is_stored() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         log waits
         1> say #lobby m1 hello
         2> say #lobby m2 hi
         1> say bob m3 psst
         log stores 1
             1< accepted #lobby 1
             2< #lobby 1 ann: hello
         log stores 2
             2< accepted #lobby 2
             1< #lobby 2 bob: hi
             1< accepted @bob 1
             2< @ann 1 ann: psst",
    );
}

#[test]
fn a_message_sent_again_before_it_is_stored_is_numbered_once_and_answered_twice() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         log waits
         1> say #lobby m1 hello
         1> say #lobby m1 hello
         log stores 1
             1< accepted #lobby 1
             1< accepted #lobby 1
         1> say #lobby m1 hello
             1< accepted #lobby 1",
    );
}

#[test]
fn a_message_sent_again_without_end_while_the_disk_stalls_is_slowed_down() {
    let again = "1> say #lobby m1 hello\n".repeat(8);
    let answers = "1< accepted #lobby 1\n".repeat(9);
    check(&format!(
        "1> open
         1> login ann
             1< logged in ann t1
         log waits
         1> say #lobby m1 hello
         {again}
         1> say #lobby m1 hello
             1< refused slow_down at 1000ms
         log stores 1
         {answers}
         1> say #lobby m1 hello
             1< accepted #lobby 1"
    ));
}

#[test]
fn what_cannot_be_stored_is_refused_and_leaves_no_gap() {
    check_with(
        Policy { messages: Rate { burst: 9, per_second: 1 }, ..policy() },
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         log waits
         1> say #lobby m1 stored
         1> say #lobby m2 lost
         1> say bob m3 lost
         2> say #lobby m4 lost
         log stores 1
             1< accepted #lobby 1
             2< #lobby 1 ann: stored
         log is full
             1< refused storage_full
             1< refused storage_full
             2< refused storage_full
         2> say #lobby m4 again
         1> say bob m3 again
         log stores 2
             2< accepted #lobby 2
             1< #lobby 2 bob: again
             1< accepted @bob 1
             2< @ann 1 ann: again
         1> say #lobby m5 lost
         log is broken
             1< refused storage_failed",
    );
}

#[test]
fn who_comes_back_before_a_message_is_stored_is_answered_and_reached_on_the_new_connection() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         log waits
         1> say bob m1 psst
         1> close
         2> close
         3> open
         3> login ann t1
             3< logged in ann t3 again
             * move 1 to 3
         4> open
         4> login bob t2
             4< logged in bob t4 again
             * move 2 to 4
         3> say bob m1 psst
         log stores 1
             3< accepted @bob 1
             4< @ann 1 ann: psst",
    );
}

#[test]
fn who_takes_the_name_of_a_receiver_does_not_get_the_message() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         log waits
         1> say bob m1 psst
         2> logout
             2< logged out
             * close 2
             * forget 2
             * end login 2
             1< left bob logged_out
         3> open
         3> login bob
             3< logged in bob t3
             1< joined bob
         log stores 1
             1< accepted @bob 1 away",
    );
}

#[test]
fn a_log_out_waits_for_what_was_written_before() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         log waits
         1> say #lobby m1 bye
         2> say #lobby m2 hello
         1> logout
         log stores 2
             1< accepted #lobby 1
             2< #lobby 1 ann: bye
             2< accepted #lobby 2
             1< logged out
             * close 1
             * forget 1
             * end login 1
             2< left ann logged_out",
    );
}

#[test]
fn a_log_out_whose_connection_is_gone_when_its_turn_comes_ends_the_session_all_the_same() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         log waits
         1> say #lobby m1 bye
         1> logout
         1> close
         log is full
             * forget 1
             * end login 1",
    );
}

#[test]
fn a_private_conversation_goes_on_with_its_numbers_when_both_have_left() {
    let meet = |first: u32, seq: u32| {
        let (ann, bob) = (first, first + 1);
        format!(
            "{ann}> open
             {ann}> login ann
                 {ann}< logged in ann t{ann}
             {bob}> open
             {bob}> login bob
                 {bob}< logged in bob t{bob}
                 {ann}< joined bob
             {ann}> say bob m{ann} psst
                 {ann}< accepted @bob {seq}
                 {bob}< @ann {seq} ann: psst
             {bob}> logout
                 {bob}< logged out
                 * close {bob}
                 * forget {bob}
                 * end login {bob}
                 {ann}< left bob logged_out
             {ann}> logout
                 {ann}< logged out
                 * close {ann}
                 * forget {ann}
                 * end login {ann}\n"
        )
    };
    check(&(meet(1, 1) + &meet(3, 2)));
}

#[test]
fn what_is_for_somebody_who_is_away_waits_for_the_one_who_had_the_name_last() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> say bob m1 psst
             1< refused unknown_user bob
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         2> logout
             2< logged out
             * close 2
             * forget 2
             * end login 2
             1< left bob logged_out
         1> say BOB m2 hm?
             1< accepted @bob 1 away
         1> say bob m2 hm?
             1< accepted @bob 1
         1> say ann m3 note
             1< accepted @ann 1
         3> open
         3> login bob t2
             3< logged in bob t3
             1< joined bob
         wait 1s
         1> say bob m4 hello
             1< accepted @bob 2
             3< @ann 2 ann: hello",
    );
}

#[test]
fn who_comes_back_before_the_message_is_stored_gets_it_at_once() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         2> logout
             2< logged out
             * close 2
             * forget 2
             * end login 2
             1< left bob logged_out
         log waits
         1> say bob m1 psst
         3> open
         3> login bob t2
             3< logged in bob t3
             1< joined bob
         log stores 1
             1< accepted @bob 1
             3< @ann 1 ann: psst",
    );
}

//! Presence, as scripts: connections break, come back, fall silent.

use crate::state::script::check;

#[test]
fn a_broken_connection_that_comes_back_disturbs_nobody() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         2> close
         1> say bob m1 psst
             1< accepted @bob 1
             2< @ann 1 ann: psst
         wait 14s
         3> open
         3> login bob t2
             3< logged in bob t3 again
             * move 2 to 3
         wait 10s
         1> online
             1< online ann bob
         1> say bob m2 back?
             1< accepted @bob 2
             3< @ann 2 ann: back?",
    );
}

#[test]
fn nobody_coming_back_is_told_once_the_hold_is_over() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         2> close
         wait 14s
         wait 1s
             * forget 2
             * end login 2
             1< left bob connection_lost
         3> open
         3> login bob t2
             3< logged in bob t3
             1< joined bob",
    );
}

#[test]
fn a_held_name_is_not_given_to_others() {
    check(
        "1> open
         1> login bob
             1< logged in bob t1
         1> close
         2> open
         2> login bob
             2< refused name_taken
         2> login bob t9
             2< refused name_taken
         wait 15s
             * forget 1
             * end login 1
         2> login bob
             2< logged in bob t4",
    );
}

#[test]
fn a_living_session_is_not_taken_over() {
    check(
        "1> open
         1> login bob
             1< logged in bob t1
         2> open
         2> login bob t1
             1< ping
         wait 1s
         1> pong
             2< refused name_taken
         wait 5s",
    );
}

#[test]
fn a_session_that_leaves_a_ping_unanswered_is_taken_over() {
    check(
        "1> open
         1> login bob
             1< logged in bob t1
         2> open
         2> login bob t1
             1< ping
         wait 1s
         2> login bob t1
             2< refused name_taken
         wait 1s
             2< logged in bob t2 again
             * move 1 to 2
             1< goodbye taken_over
             * close 1
         2> online
             2< online bob",
    );
}

#[test]
fn a_session_whose_connection_closes_meanwhile_is_taken_over_at_once() {
    check(
        "1> open
         1> login bob
             1< logged in bob t1
         2> open
         2> login bob t1
             1< ping
         1> close
             2< logged in bob t2 again
             * move 1 to 2",
    );
}

#[test]
fn a_session_that_speaks_even_to_log_out_is_alive() {
    check(
        "1> open
         1> login bob
             1< logged in bob t1
         2> open
         2> login bob t1
             1< ping
         1> logout
             2< refused name_taken
             1< logged out
             * close 1
             * forget 1
             * end login 1
         2> login bob t1
             2< logged in bob t3",
    );
}

#[test]
fn who_gives_up_waiting_takes_nothing_over() {
    check(
        "1> open
         1> login bob
             1< logged in bob t1
         2> open
         2> login bob t1
             1< ping
         2> close
             * forget 2
         wait 5s",
    );
}

#[test]
fn the_token_before_counts_until_the_client_has_the_new_one() {
    check(
        "1> open
         1> login bob
             1< logged in bob t1
         1> close
         2> open
         2> login bob t1
             2< logged in bob t2 again
             * move 1 to 2
         2> close
         3> open
         3> login bob t1
             3< logged in bob t3 again
             * move 2 to 3",
    );
    check(
        "1> open
         1> login bob
             1< logged in bob t1
         1> close
         2> open
         2> login bob t1
             2< logged in bob t2 again
             * move 1 to 2
         2> ping
             2< pong 3
         2> close
         3> open
         3> login bob t1
             3< refused name_taken",
    );
}

#[test]
fn a_login_whose_answer_was_lost_is_taken_over_with_the_token_that_the_client_has() {
    check(
        "1> open
         1> login bob t9
             1< logged in bob t1
         1> close
         2> open
         2> login bob t9
             2< logged in bob t2 again
             * move 1 to 2",
    );
}

#[test]
fn a_stranger_who_says_nothing_may_come_back_too() {
    check(
        "1> open
         1> idle
             1< goodbye idle, back in 1000ms
             * close 1",
    );
}

#[test]
fn who_breaks_the_protocol_is_not_asked_back() {
    check(
        "1> open
         1> nonsense
             1< goodbye protocol_error
             * close 1",
    );
}

#[test]
fn what_is_said_to_somebody_let_go_for_silence_is_kept_for_their_return() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         1> idle
             1< goodbye idle, back in 1000ms
             * hold 1
         2> say ann m1 psst
             2< accepted @ann 1
             1< @bob 1 bob: psst
         3> open
         3> login ann t1
             3< logged in ann t3 again
             * move 1 to 3",
    );
}

#[test]
fn silence_is_met_with_a_ping_and_then_with_the_end() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         wait 29s
         wait 1s
             1< ping
         wait 44s
         wait 1s
             1< goodbye idle, back in 1000ms
             * hold 1
         wait 15s
             * forget 1
             * end login 1",
    );
}

#[test]
fn an_answered_ping_starts_the_silence_anew() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         wait 30s
             1< ping
         1> pong
         wait 29s
         wait 1s
             1< ping",
    );
}

#[test]
fn a_client_that_does_not_read_is_let_go_and_may_come_back() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         1> overflow
             1< goodbye too_slow, back in 1000ms
             * hold 1
         3> open
         3> login ann t1
             3< logged in ann t3 again
             * move 1 to 3",
    );
}

#[test]
fn the_end_of_the_server_is_told_to_strangers_too() {
    check(
        "1> open
         shutdown
             1< goodbye shutdown, back in 1000ms
             * close 1",
    );
}

#[test]
fn whose_place_is_needed_keeps_a_session_that_just_began() {
    check(
        "1> open
         2> open
         2> login bob
             2< logged in bob t1
         2> displaced
         1> displaced
             1< goodbye idle, back in 1000ms
             * close 1",
    );
}

//! The chat's behaviour, as scripts: see [`super::script`].

use crate::state::policy::Policy;
use crate::state::rate_limit::Rate;
use crate::state::script::{check, check_with, password_policy, policy};

// ---- Greeting and login ----

#[test]
fn a_greeting_tells_what_login_needs() {
    check(
        "1> connect
         1> hello 1 1
             1< hello lab ACCESS_OPEN",
    );
    check_with(
        password_policy(),
        "1> connect
         1> hello 1 7
             1< hello lab ACCESS_PASSWORD",
    );
}

#[test]
fn no_version_in_common_ends_the_connection() {
    check(
        "1> connect
         1> hello 2 9
             1< refused version
             * close 1
         1> ping",
    );
}

#[test]
fn a_login_without_greeting_is_malformed() {
    check(
        "1> connect
         1> login ann
             1< refused malformed",
    );
}

#[test]
fn before_the_login_only_greeting_and_pings_are_answered() {
    check(
        "1> open
         1> ping
             1< pong 3
         1> say #lobby m1 hi
             1< refused not_logged_in
         1> blank
             1< refused not_logged_in
         1> online
             1< refused not_logged_in
         1> files
             1< refused not_logged_in
         1> get a
             1< refused not_logged_in
         1> logout
             1< refused not_logged_in
         1> unknown
             1< refused unsupported
         1> login ann
             1< logged in ann t1",
    );
}

#[test]
fn everybody_hears_of_everybody_else() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         2> online
             2< online ann bob
         2> online ann
             2< online bob
         2> logout
             2< logged out
             * close 2
             * forget 2
             * end login 2
             1< left bob logged_out",
    );
}

#[test]
fn one_connection_has_one_name() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> login bob
             1< refused already_logged_in",
    );
}

#[test]
fn a_taken_name_is_refused_in_every_spelling() {
    check(
        "1> open
         1> login bob
             1< logged in bob t1
         2> open
         2> login bob
             2< refused name_taken
         2> login BOB
             2< refused name_taken
         2> login b0b
             2< refused name_too_similar bob
         2> login ann
             2< logged in ann t5
             1< joined ann",
    );
}

#[test]
fn reserved_and_banned_names_stay_out() {
    check(
        "1> open
         1> login Admin
             1< refused name_reserved
         1> login Mallory
             1< refused banned
         1> login trudy
             1< refused banned at 60000ms
         wait 60s
         1> login trudy
             1< logged in trudy t4",
    );
}

#[test]
fn a_full_server_says_when_to_try_again() {
    check_with(
        Policy { sessions_max: 1, ..policy() },
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< refused server_full at 15000ms",
    );
}

#[test]
fn a_wrong_password_is_refused_and_then_delayed() {
    check_with(
        password_policy(),
        "1> open
         1> login ann
             1< refused wrong_password
         1> login ann password=Secret
             1< refused wrong_password
         1> login ann password=secret
             1< refused too_many_attempts at 1000ms
         wait 1s
         1> login ann password=secret
             1< logged in ann t4",
    );
}

#[test]
fn without_the_password_nobody_learns_who_is_here() {
    check_with(
        password_policy(),
        "1> open
         1> login ann password=secret
             1< logged in ann t1
         2> open
         2> login ann
             2< refused wrong_password
         2> login admin
             2< refused wrong_password
         2> login mallory
             2< refused wrong_password",
    );
}

// ---- Presence ----

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
             1< goodbye idle
             * close 1
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
             1< goodbye too_slow
             * close 1
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
             1< goodbye shutdown
             * close 1",
    );
}

// ---- Messages ----

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

// ---- Files ----

#[test]
fn an_empty_folder_is_an_empty_page_and_changes_are_told() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> files
             1< files
         file dir/a 5
             1< file dir/a 5
         file dir/a 5
         file b 6
             1< file b 6
         1> files
             1< files b=6 dir/a=5
         1> files dir/
             1< files dir/a=5
         file b 7
             1< file b 7
         unfile b
             1< file b removed
         unfile b",
    );
}

#[test]
fn a_download_starts_with_a_ticket_and_does_not_wait_for_the_hash() {
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
         1> done 1
             1< recorded 1",
    );
}

#[test]
fn a_missing_file_is_refused_with_its_path() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> get ../etc/passwd
             1< refused unknown_file ../etc/passwd",
    );
}

#[test]
fn downloads_are_counted_by_user_and_in_all() {
    check(
        "file a 5
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
         1> get a
             1< refused too_many_downloads 2
         2> get a
             * ticket 3 for bob on 2: a of 5 bytes
             * hash a for 3
         2> get a
             2< refused too_many_downloads 3
         2> done 1
             2< recorded 1
         2> get a
             2< refused too_many_downloads 3
         1> done 1
             1< recorded 1
         2> get a
             * ticket 4 for bob on 2: a of 5 bytes
             * hash a for 4",
    );
}

#[test]
fn a_download_outlives_its_connection_but_not_its_login() {
    check(
        "file a 5
         1> open
         1> login ann
             1< logged in ann t1
         1> get a
             * ticket 1 for ann on 1: a of 5 bytes
             * hash a for 1
         1> close
         hashed 1
             1< hashes 1 a 32
         2> open
         2> login ann t1
             2< logged in ann t2 again
             * move 1 to 2
             2< hashes 1 a 32
         2> logout
             2< logged out
             * close 2
             * forget 2
             * end login 1
         hashed 1",
    );
}

//! Greeting and login, as scripts: who comes in and who does not.

use crate::state::policy::Policy;
use crate::state::script::{check, check_with, password_policy, policy};

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
             1< refused password_needed
         1> login ann password=sekret
             1< refused wrong_password
         1> login ann password=Secret
             1< refused wrong_password
         1> login ann password=secret
             1< refused too_many_attempts at 1000ms
         wait 1s
         1> login ann password=secret
             1< logged in ann t5",
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
             2< refused password_needed
         2> login admin
             2< refused password_needed
         2> login mallory
             2< refused password_needed",
    );
}

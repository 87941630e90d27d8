//! Accounts: getting one, coming in with it, several devices, and what a stranger gets instead.

use crate::state::policy::{Access, Policy};
use crate::state::script::{check, check_with, password_policy, policy};

#[test]
fn a_guest_makes_an_account_of_the_name_and_nobody_else_gets_it() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> register secretive
             * hash secretive
         password $h
             1< done
         1> logout
             1< logged out
             * close 1
             * forget 1
             * end login 1
         2> open
         2> login Ann
             2< refused password_needed
         2> login ann password=guess
             * is guess $h
         password wrong
             2< refused wrong_password
         2> login ANN password=secretive
             * is secretive $h
         password right
             2< logged in ann t4 as member",
    );
}

#[test]
fn the_token_of_a_device_is_as_good_as_the_password() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> register secretive
             * hash secretive
         password $h
             1< done
         1> logout
             1< logged out
             * close 1
             * forget 1
             * end login 1
         2> open
         2> login ann t1
             2< logged in ann t1 as member
         2> devices
             2< devices 1 (this)",
    );
}

#[test]
fn a_guests_token_is_worth_nothing_once_somebody_else_has_the_account() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> logout
             1< logged out
             * close 1
             * forget 1
             * end login 1
         2> operator
         2> account ann secretive member
             * hash secretive
         password $h
             2< done
         3> open
         3> login ann t1
             3< refused password_needed",
    );
}

#[test]
fn several_devices_are_one_person() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         1> register secretive
             * hash secretive
         password $h
             1< done
         3> open
         3> login ann password=secretive
             * is secretive $h
         password right
             3< logged in ann t3 as member
         3> devices
             3< devices 1 3 (this)
         2> say @ann m1 hi
             2< accepted @ann 1
             1< @bob 1 bob: hi
             3< @bob 1 bob: hi
         3> say @bob m2 hello
             3< accepted @bob 2
             2< @ann 2 ann: hello
             1< @bob 2 ann: hello
         3> say #lobby m3 all
             3< accepted #lobby 1
             1< #lobby 1 ann: all
             2< #lobby 1 ann: all
         1> logout
             1< logged out
             * close 1
             * forget 1
             * end login 1
         2> online
             2< online ann bob
         3> logout
             3< logged out
             * close 3
             * forget 3
             * end login 3
             2< left ann logged_out",
    );
}

#[test]
fn a_new_password_ends_the_other_devices() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> register secretive
             * hash secretive
         password $h
             1< done
         2> open
         2> login ann password=secretive
             * is secretive $h
         password right
             2< logged in ann t2 as member
         wait 1s
         1> passwd wrongly newsecret
             * is wrongly $h
         password wrong
             1< refused wrong_password
         1> passwd secretive newsecret
             * is secretive $h
         password right
             * hash newsecret
         password $new
             2< goodbye account_changed
             * close 2
             * forget 2
             * end login 2
             1< done
         1> devices
             1< devices 1 (this)
         3> open
         3> login ann t2
             3< refused password_needed",
    );
}

#[test]
fn a_device_that_is_removed_is_logged_out_there() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> register secretive
             * hash secretive
         password $h
             1< done
         2> open
         2> login ann password=secretive
             * is secretive $h
         password right
             2< logged in ann t2 as member
         2> undevice 9
             2< refused unknown_device
         2> undevice 1
             1< goodbye account_changed
             * close 1
             * forget 1
             * end login 1
             2< done
         3> open
         3> login ann t1
             3< refused password_needed",
    );
}

#[test]
fn where_accounts_are_needed_a_name_without_one_is_a_wrong_password() {
    check_with(
        Policy { access: Access::Accounts, ..policy() },
        "1> open
         1> login ann
             1< refused password_needed
         1> login ann password=secretive
             * is secretive nobody's
         password wrong
             1< refused wrong_password",
    );
}

#[test]
fn an_account_needs_no_join_password() {
    check_with(
        password_policy(),
        "1> operator
         1> account ann secretive member
             * hash secretive
         password $h
             1< done
         2> open
         2> login bob
             2< refused password_needed
         2> login ann password=secretive
             * is secretive $h
         password right
             2< logged in ann t2 as member",
    );
}

#[test]
fn what_cannot_be_registered_is_told_why() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> register short
             1< refused password_too_short 8
         1> register secretive
             * hash secretive
         1> register secretive
             1< refused server_busy at 1000ms
         password busy
             1< refused server_busy at 1000ms
         1> register secretive
             * hash secretive
         password $h
             1< done
         1> register secretive
             1< refused account_exists ann",
    );
    check_with(
        Policy { takes_registrations: false, ..policy() },
        "1> open
         1> login ann
             1< logged in ann t1
         1> register secretive
             1< refused registration_off",
    );
    check_with(
        Policy { accounts_max: 0, ..policy() },
        "1> open
         1> login ann
             1< logged in ann t1
         1> register secretive
             1< refused accounts_full",
    );
}

#[test]
fn an_account_that_is_not_stored_is_none() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         log waits
         1> register secretive
             * hash secretive
         password $h
         log is full
             1< refused storage_full
         1> devices
             1< refused unknown_account ann",
    );
}

#[test]
fn whoever_goes_before_the_password_is_looked_at_hears_nothing() {
    check(
        "1> operator
         1> account ann secretive member
             * hash secretive
         password $h
             1< done
         2> open
         2> login ann password=secretive
             * is secretive $h
         3> open
         3> login ann password=guess
             3< refused server_busy at 1000ms
         2> close
             * forget 2
         password right",
    );
}

#[test]
fn guesses_at_an_account_are_slowed_down() {
    check(
        "1> operator
         1> account ann secretive member
             * hash secretive
         password $h
             1< done
         2> open
         2> login ann password=one
             * is one $h
         password wrong
             2< refused wrong_password
         2> login ann password=two
             * is two $h
         password wrong
             2< refused wrong_password
         2> login ann password=three
             2< refused too_many_attempts at 1000ms",
    );
}

#[test]
fn another_program_on_the_same_device_comes_in_beside_the_first() {
    check(
        "1> open
         1> login ann
             1< logged in ann t1
         1> register secretive
             * hash secretive
         password $h
             1< done
         2> open
         2> login ann t1
             1< ping
         1> pong
             2< logged in ann t1 as member
         1> close
         3> open
         3> login ann t1
             3< logged in ann t1 again as member
             * move 1 to 3
         3> online
             3< online ann",
    );
}

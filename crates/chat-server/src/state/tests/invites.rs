//! Invites: what one opens to guests, how often, and how long; and that one person pays once, whatever breaks.

use crate::state::policy::Policy;
use crate::state::script::{check_with, password_policy};

mod accounts;

#[test]
fn it_stands_for_the_join_password_as_often_as_it_says() {
    check_with(
        password_policy(),
        "9> operator
         9> invite 7 2 ever member tea party
             9< invite 7
         1> open
         1> login ann
             1< refused password_needed
         1> login ann inv=7
             1< logged in ann t2
         2> open
         2> login bob inv=7
             2< logged in bob t3
             1< joined bob
         3> open
         3> login cy inv=7
             3< refused invite_used_up
         3> login cy inv=7 password=wrong
             3< refused invite_used_up
         3> login cy inv=7 password=secret
             3< logged in cy t6
             1< joined cy
             2< joined cy
         9> invites
             9< invites 7: member 2/2 by \"\" \"tea party\";",
    );
}

#[test]
fn who_knows_the_join_password_spends_no_use() {
    check_with(
        password_policy(),
        "9> operator
         9> invite 7 1 ever member
             9< invite 7
         1> open
         1> login ann inv=7 password=secret
             1< logged in ann t1
         2> open
         2> login bob inv=7 password=wrong
             2< logged in bob t2
             1< joined bob
         9> invites
             9< invites 7: member 1/1 by \"\" \"\";",
    );
}

#[test]
fn who_came_by_one_comes_again_with_the_token_alone() {
    check_with(
        password_policy(),
        "9> operator
         9> invite 7 1 60s member
             9< invite 7
         1> open
         1> login ann inv=7
             1< logged in ann t1
         restart
         wait 70s
         2> open
         2> login ann t1
             2< logged in ann t2
         2> logout
             2< logged out
             * close 2
             * forget 2
             * end login 101
         3> open
         3> login ann t1 inv=7
             3< logged in ann t3
         4> open
         4> login bob t1
             4< refused password_needed
         5> operator
         5> invites
             5< invites 7: member 1/1 by \"\" \"\";",
    );
}

#[test]
fn trying_again_after_a_lost_answer_costs_nothing_more() {
    check_with(
        password_policy(),
        "9> operator
         9> invite 7 1 ever member
             9< invite 7
         log waits
         1> open
         1> login ann inv=7 shows=90
         1> close
             * forget 1
         2> open
         2> login ann inv=7 shows=90
             2< refused server_busy at 1000ms
         log stores 1
         2> login ann inv=7 shows=90
             2< logged in ann t3
         2> close
         3> open
         3> login ann inv=7 shows=90
             3< logged in ann t4 again
             * move 2 to 3
         4> open
         4> login ann inv=7 shows=91
             4< refused invite_used_up",
    );
}

#[test]
fn a_server_that_is_killed_behind_the_use_knows_who_paid() {
    check_with(
        password_policy(),
        "9> operator
         9> invite 7 1 ever member
             9< invite 7
         1> open
         1> login ann inv=7 shows=90
             1< logged in ann t1
         restart
         2> open
         2> login ann shows=90
             2< logged in ann t2
         3> open
         3> login bob inv=7 shows=90
             3< refused invite_used_up
         3> login ann shows=91 inv=7
             3< refused invite_used_up",
    );
}

#[test]
fn a_server_that_is_killed_before_the_use_took_nothing() {
    check_with(
        password_policy(),
        "9> operator
         9> invite 7 1 ever member
             9< invite 7
         log waits
         1> open
         1> login ann inv=7 shows=90
         restart
         2> open
         2> login bob inv=7 shows=91
             2< logged in bob t2",
    );
}

#[test]
fn of_two_who_race_for_the_last_use_one_wins() {
    check_with(
        password_policy(),
        "9> operator
         9> invite 7 1 ever member
             9< invite 7
         log waits
         1> open
         1> login ann inv=7
         1> login ann inv=7
             1< refused server_busy at 1000ms
         2> open
         2> login bob inv=7
             2< refused invite_used_up
         log stores 1
             1< logged in ann t1",
    );
}

#[test]
fn two_who_race_for_a_name_pay_for_it_once() {
    check_with(
        password_policy(),
        "9> operator
         9> invite 7 3 ever member
             9< invite 7
         log waits
         1> open
         1> login ann inv=7
         2> open
         2> login ann inv=7
             2< refused name_taken
         2> login ann password=secret
             2< refused name_taken
         log stores 1
             1< logged in ann t1
         2> login ANN inv=7
             2< refused name_taken
         9> invites
             9< invites 7: member 1/3 by \"\" \"\";",
    );
}

#[test]
fn what_cannot_be_had_costs_no_use() {
    check_with(
        Policy { sessions_max: 1, ..password_policy() },
        "9> operator
         9> invite 7 1 ever member
             9< invite 7
         1> open
         1> login mallory inv=7
             1< refused banned
         1> login server inv=7
             1< refused name_reserved
         2> open
         2> login cy password=secret
             2< logged in cy t3
         1> login ann inv=7
             1< refused server_full at 15000ms
         9> invites
             9< invites 7: member 0/1 by \"\" \"\";",
    );
}

#[test]
fn a_full_disk_lets_nobody_in_and_takes_no_use() {
    check_with(
        password_policy(),
        "9> operator
         log waits
         9> invite 6 1 ever member
         log is full
             9< refused storage_full
         9> invite 7 1 ever member
         log stores 1
             9< invite 7
         1> open
         1> login ann inv=7
         log is full
             1< refused storage_full
         1> login ann inv=7
         log stores 1
             1< logged in ann t2
         9> invites
             9< invites 7: member 1/1 by \"\" \"\";",
    );
}

#[test]
fn its_last_millisecond_is_the_one_before_its_end() {
    check_with(
        password_policy(),
        "9> operator
         9> invite 7 9 2s member
             9< invite 7
         wait 1999ms
         1> open
         1> login ann inv=7
             1< logged in ann t1
         wait 1ms
         2> open
         2> login bob inv=7
             2< refused invite_expired",
    );
}

#[test]
fn revoked_it_opens_nothing_and_guests_who_came_by_it_need_another() {
    check_with(
        password_policy(),
        "9> operator
         9> invite 7 9 ever member
             9< invite 7
         9> invite 8 9 ever member
             9< invite 8
         1> open
         1> login ann inv=7
             1< logged in ann t1
         9> uninvite 7
             9< done
         9> uninvite 7
             9< refused invite_unknown 0707070707070707
         1> logout
             1< logged out
             * close 1
             * forget 1
             * end login 1
         2> open
         2> login ann t1
             2< refused password_needed
         2> login bob inv=7
             2< refused invite_unknown
         2> login ann t1 inv=8
             2< logged in ann t4
         restart
         3> open
         3> login ann t1
             3< logged in ann t5
         4> operator
         4> invites
             4< invites 8: member 1/9 by \"\" \"\";",
    );
}

#[test]
fn a_use_while_it_is_being_revoked_waits() {
    check_with(
        password_policy(),
        "9> operator
         9> invite 7 9 ever member
             9< invite 7
         log waits
         9> uninvite 7
         1> open
         1> login ann inv=7
             1< refused server_busy at 1000ms
         log stores 1
             9< done
         1> login ann inv=7
             1< refused invite_unknown",
    );
}

#[test]
fn wrong_ones_count_like_wrong_passwords() {
    check_with(
        password_policy(),
        "1> open
         1> login ann inv=7
             1< refused invite_unknown
         1> login ann inv=8
             1< refused invite_unknown
         1> login ann inv=9
             1< refused too_many_attempts at 1000ms
         1> login ann password=secret
             1< refused too_many_attempts at 1000ms",
    );
}

//! Accounts that invites make, and whose word an invite is.

use crate::state::policy::{Access, Policy};
use crate::state::script::{check, check_with, password_policy, policy};

/// Only who has an account comes in, and nobody makes one alone.
fn accounts_policy() -> Policy {
    Policy { access: Access::Accounts, takes_registrations: false, ..policy() }
}

#[test]
fn where_accounts_are_needed_it_makes_one() {
    check_with(
        accounts_policy(),
        "9> operator
         9> invite 7 1 ever moderator
             9< invite 7
         1> open
         1> login ann inv=7
             1< refused password_too_short 8
         1> login ann inv=7 password=secretive
             * hash secretive
         password $h
             1< logged in ann t2 as moderator
         1> close
         restart
         2> open
         2> login ann inv=7 password=secretive
             * is secretive $h
         password right
             2< logged in ann t3 as moderator
         3> open
         3> login ann t2
             3< logged in ann t2 as moderator
         4> open
         4> login bob inv=7 password=secretive
             * is secretive nobody's
         password wrong
             4< refused invite_used_up
         9> operator
         9> accounts
             9< accounts ann moderator (online)",
    );
}

#[test]
fn of_two_who_race_for_the_last_account_one_wins() {
    check_with(
        accounts_policy(),
        "9> operator
         9> invite 7 1 ever member
             9< invite 7
         log waits
         1> open
         1> login ann inv=7 password=secretive
             * hash secretive
         2> open
         2> login bob inv=7 password=secretive
             * hash secretive
         password $a
         password $b
             2< refused invite_used_up
         log stores 3
             1< logged in ann t1 as member
         9> accounts
             9< accounts ann member (online)",
    );
}

#[test]
fn an_account_that_is_not_stored_is_none_and_costs_nothing() {
    check_with(
        accounts_policy(),
        "9> operator
         9> invite 7 1 ever member
             9< invite 7
         log waits
         1> open
         1> login ann inv=7 password=secretive
             * hash secretive
         password $a
         log is full
             1< refused storage_full
         1> login ann inv=7 password=secretive
             * hash secretive
         password $a
         restart
         2> open
         2> login bob inv=7 password=secretive
             * hash secretive
         password $b
             2< logged in bob t3 as member",
    );
}

#[test]
fn strangers_do_not_learn_which_names_are_accounts() {
    check_with(
        accounts_policy(),
        "9> operator
         9> account ann secretive member
             * hash secretive
         password $h
             9< done
         1> open
         1> login ann inv=7
             1< refused password_needed
         1> login bob inv=7
             1< refused password_needed
         1> login ann inv=7 password=guess
             * is guess $h
         password wrong
             1< refused invite_unknown
         1> login bob inv=7 password=guess
             * is guess nobody's
         password wrong
             1< refused invite_unknown
         2> open
         2> login ann inv=7 password=secretive
             * is secretive $h
         password right
             2< logged in ann t5 as member",
    );
}

#[test]
fn where_nobody_registers_alone_it_allows_that() {
    check_with(
        Policy { takes_registrations: false, ..policy() },
        "9> operator
         9> invite 7 1 ever member
             9< invite 7
         1> open
         1> login ann inv=7
             1< logged in ann t1
         1> register secretive
             1< refused registration_off
         1> register secretive inv=8
             1< refused invite_unknown
         1> register secretive inv=7
             * hash secretive
         password $h
             1< done
         1> register secretive inv=7
             1< refused account_exists ann
         9> accounts
             9< accounts ann member (online)
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         2> register secretive inv=7
             2< refused invite_used_up",
    );
}

#[test]
fn of_two_who_register_by_the_last_use_one_does() {
    check_with(
        Policy { takes_registrations: false, ..policy() },
        "9> operator
         9> invite 7 1 ever member
             9< invite 7
         1> open
         1> login ann
             1< logged in ann t1
         2> open
         2> login bob
             2< logged in bob t2
             1< joined bob
         log waits
         1> register secretive inv=7
             * hash secretive
         2> register secretive inv=7
             * hash secretive
         password $a
         password $b
             2< refused invite_used_up
         log stores 3
             1< done",
    );
}

#[test]
fn where_everybody_registers_it_is_spent_on_a_role_alone() {
    check(
        "9> operator
         9> invite 7 9 ever member
             9< invite 7
         9> invite 8 9 ever moderator
             9< invite 8
         1> open
         1> login ann inv=7
             1< logged in ann t1
         1> register secretive inv=7
             * hash secretive
         password $h
             1< done
         2> open
         2> login bob inv=8
             2< logged in bob t2
             1< joined bob
         2> register secretive inv=8
             * hash secretive
         password $h
             2< done
         3> open
         3> login cy inv=9
             3< logged in cy t3
             1< joined cy
             2< joined cy
         3> register secretive inv=9
             * hash secretive
         password $h
             3< done
         9> accounts
             9< accounts ann member (online) bob moderator (online) cy member (online)
         9> invites
             9< invites 7: member 0/9 by \"\" \"\"; 8: moderator 1/9 by \"\" \"\";",
    );
}

#[test]
fn a_guest_who_came_by_one_registers_by_it_without_showing_it_again() {
    check_with(
        Policy { takes_registrations: false, ..password_policy() },
        "9> operator
         9> invite 7 1 60s moderator
             9< invite 7
         1> open
         1> login ann inv=7
             1< logged in ann t1
         restart
         wait 60s
         2> open
         2> login ann t1
             2< logged in ann t2
         2> register secretive
             * hash secretive
         password $h
             2< done
         9> operator
         9> accounts
             9< accounts ann moderator (online)
         9> invites
             9< invites 7: moderator 1/1 by \"\" \"\";",
    );
}

#[test]
fn whose_account_is_removed_does_not_come_back_by_it() {
    check_with(
        password_policy(),
        "9> operator
         9> invite 7 2 ever member
             9< invite 7
         1> open
         1> login ann inv=7 shows=90
             1< logged in ann t1
         1> register secretive
             * hash secretive
         password $h
             1< done
         9> unaccount ann
             1< goodbye account_changed
             * close 1
             * forget 1
             * end login 1
             9< done
         2> open
         2> login ann t1
             2< refused password_needed
         2> login ann shows=90
             2< refused password_needed
         restart
         3> open
         3> login ann t1
             3< refused password_needed
         3> login ann t1 inv=7
             3< refused invite_used_up
         9> operator
         9> invites
             9< invites 7: member 1/2 by \"\" \"\";",
    );
}

/// ann is a moderator and bob an admin; both are there, and `9` runs the server.
const STAFF: &str = "9> operator
         9> account ann secretive moderator
             * hash secretive
         password $a
             9< done
         9> account bob secretive admin
             * hash secretive
         password $b
             9< done
         1> open
         1> login ann password=secretive
             * is secretive $a
         password right
             1< logged in ann t1 as moderator
         2> open
         2> login bob password=secretive
             * is secretive $b
         password right
             2< logged in bob t2 as admin
             1< joined bob
         ";

#[track_caller]
fn check_with_staff(policy: Policy, script: &str) {
    check_with(policy, &format!("{STAFF}{script}"));
}

#[test]
fn nobody_gives_a_role_like_the_own() {
    check_with_staff(
        password_policy(),
        "1> invite 1 1 ever moderator
             1< refused not_allowed
         1> invite 1 1 ever member
             1< invite 1
         2> invite 2 1 ever admin
             2< refused not_allowed
         2> invite 2 1 ever moderator
             2< invite 2
         9> invite 3 1 ever admin
             9< invite 3
         3> open
         3> login cy inv=1
             3< logged in cy t3
             1< joined cy
             2< joined cy
         3> invite 4 1 ever member
             3< refused not_allowed
         3> invites
             3< refused not_allowed",
    );
}

#[test]
fn a_moderator_sees_and_revokes_the_own_ones_and_an_admin_all() {
    check_with_staff(
        password_policy(),
        "1> invite 1 1 ever member
             1< invite 1
         2> invite 2 1 ever member
             2< invite 2
         1> invites
             1< invites 1: member 0/1 by \"ann\" \"\";
         1> uninvite 2
             1< refused invite_unknown 0202020202020202
         2> invites
             2< invites 1: member 0/1 by \"ann\" \"\"; 2: member 0/1 by \"bob\" \"\";
         2> uninvite 1
             2< done
         1> invites
             1< invites",
    );
}

#[test]
fn it_gives_what_its_maker_may_give_now() {
    check_with_staff(
        accounts_policy(),
        "2> invite 2 2 ever moderator
             2< invite 2
         9> role bob moderator
             9< done
         9> invites
             9< invites 2: member 0/2 by \"bob\" \"\";
         3> open
         3> login cy inv=2 password=secretive
             * hash secretive
         password $c
             3< logged in cy t3 as member
             1< joined cy
             2< joined cy
         9> role bob member
             9< done
         9> invites
             9< invites 2: unspecified 1/2 by \"bob\" \"\";
         4> open
         4> login dan inv=2 password=secretive
             * is secretive nobody's
         password wrong
             4< refused invite_unknown",
    );
}

//! Keeping order: who may do what to whom, and what it does to those who are there.

use crate::state::script::check;

/// ann is a moderator, bob a member, eve a guest; they are on 1, 2 and 3, who runs the server is on 9.
const PEOPLE: &str = "
    9> operator
    9> account ann secretive moderator
        * hash secretive
    password $a
        9< done
    9> account bob secretive member
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
        2< logged in bob t2 as member
        1< joined bob
    3> open
    3> login eve
        3< logged in eve t3
        1< joined eve
        2< joined eve
";

#[track_caller]
fn check_among_people(script: &str) {
    check(&format!("{PEOPLE}{script}"));
}

#[test]
fn who_has_no_role_keeps_no_order() {
    check_among_people(
        "2> kick eve
             2< refused not_allowed
         3> ban bob ever
             3< refused not_allowed
         3> sanctions
             3< refused not_allowed
         1> accounts
             1< refused not_allowed
         1> account zoe secretive member
             1< refused not_allowed
         1> audit
             1< refused not_allowed
         4> open
         4> kick eve
             4< refused not_logged_in",
    );
}

#[test]
fn a_moderator_sends_away_whoever_is_below() {
    check_among_people(
        "1> kick Eve too loud
             3< goodbye kicked: too loud
             * close 3
             * forget 3
             * end login 3
             1< left eve sent_away
             2< left eve sent_away
             1< done
         1> kick eve
             1< refused unknown_user eve
         1> kick ann
             1< refused not_allowed
         4> open
         4> login eve t3
             4< logged in eve t4
             1< joined eve
             2< joined eve",
    );
}

#[test]
fn a_ban_sends_away_keeps_out_and_ends() {
    check_among_people(
        "1> ban bob 60s spam
             2< goodbye banned: spam
             * close 2
             * forget 2
             * end login 2
             1< left bob sent_away
             3< left bob sent_away
             1< done
         4> open
         4> login bob password=secretive
             * is secretive $b
         password right
             4< refused banned spam at 60000ms
         4> login bob t2
             4< refused banned spam at 60000ms
         1> sanctions
             1< sanctions ban bob by \"ann\"
         3> close
         wait 16s
             * forget 3
             * end login 3
             1< left eve connection_lost
         wait 14s
             1< ping
         1> pong
         wait 29s
         1> pong
         wait 1s
         1> sanctions
             1< sanctions
         5> open
         5> login bob t2
             5< logged in bob t2 as member
             1< joined bob",
    );
}

#[test]
fn a_ban_can_be_lifted() {
    check_among_people(
        "1> ban zoe ever
             1< done
         4> open
         4> login zoe
             4< refused banned
         1> unban zoe
             1< done
         1> unban zoe
             1< refused not_in_force zoe
         4> login zoe
             4< logged in zoe t5
             1< joined zoe
             2< joined zoe
             3< joined zoe",
    );
}

#[test]
fn a_network_keeps_out_those_below_and_not_who_could_lift_it() {
    check_among_people(
        "4> connect from 192.168.7.7
         4> login zoe
             4< logged in zoe t4
             1< joined zoe
             2< joined zoe
             3< joined zoe
         1> ban 192.168.0.0/16 ever
             4< goodbye banned
             * close 4
             * forget 4
             * end login 4
             1< left zoe sent_away
             2< left zoe sent_away
             3< left zoe sent_away
             1< done
         5> connect from 192.168.9.9
         5> login zoe
             5< refused banned
         5> login ann password=secretive
             * is secretive $a
         password right
             5< logged in ann t6 as moderator
         1> unban 192.168.0.0/16
             1< done",
    );
}

#[test]
fn who_is_muted_reads_and_does_not_write() {
    check_among_people(
        "1> mute eve 60s
             1< done
         3> say #lobby m1 hi
             3< refused muted at 60000ms
         3> say @bob m2 hi
             3< refused muted at 60000ms
         2> say #lobby m3 hi
             2< accepted #lobby 1
             1< #lobby 1 bob: hi
             3< #lobby 1 bob: hi
         1> unmute eve
             1< done
         3> say #lobby m1 hi
             3< accepted #lobby 2
             1< #lobby 2 eve: hi
             2< #lobby 2 eve: hi",
    );
}

#[test]
fn an_announcement_reaches_everybody() {
    check_among_people(
        "1> announce tea is ready
             1< notice tea is ready
             2< notice tea is ready
             3< notice tea is ready
             1< done",
    );
}

#[test]
fn admins_decide_about_accounts_below_their_own() {
    check_among_people(
        "9> role ann admin
             9< done
         1> accounts
             1< accounts ann admin (online) bob member (online)
         1> role bob moderator
             1< done
         1> role bob admin
             1< refused not_allowed
         1> role ann member
             1< refused not_allowed
         1> account zoe secretive admin
             1< refused not_allowed
         1> role zoe member
             1< refused unknown_account zoe
         wait 1s
         1> password-of bob newsecret
             * hash newsecret
         password $new
             2< goodbye account_changed
             * close 2
             * forget 2
             * end login 2
             1< left bob sent_away
             3< left bob sent_away
             1< done
         1> unaccount bob
             1< done
         4> open
         4> login bob
             4< logged in bob t4
             1< joined bob
             3< joined bob
         1> audit
             * read what was decided for 5
         read nothing
             1< 0 decisions, next 0",
    );
}

#[test]
fn a_guest_in_the_way_of_an_account_has_to_go() {
    check_among_people(
        "9> account Eve secretive member
             * hash secretive
         password $e
             3< goodbye account_changed
             * close 3
             * forget 3
             * end login 3
             1< left eve sent_away
             2< left eve sent_away
             9< done",
    );
}

#[test]
fn a_login_that_waited_for_a_ping_meets_a_ban_too() {
    check_among_people(
        "4> open
         4> login eve t3
             3< ping
         1> ban eve ever
             3< goodbye banned
             * close 3
             * forget 3
             * end login 3
             1< left eve sent_away
             2< left eve sent_away
             4< refused banned
             1< done",
    );
}

#[test]
fn nobody_decides_twice_at_once_about_one_thing() {
    check_among_people(
        "log waits
         1> ban zoe ever
         9> ban zoe 5s
             9< refused slow_down at 1000ms
         log stores 1
             1< done",
    );
}

//! Rooms: who is in them, who gets what is said there, and who never learns that they are there.

use crate::state::script::check;

/// ann, bob and eve are on 1, 2 and 3.
const PEOPLE: &str = "
    1> open
    1> login ann
        1< logged in ann t1
    2> open
    2> login bob
        2< logged in bob t2
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
fn what_is_said_in_a_room_goes_to_who_is_in_it() {
    check_among_people(
        "1> room create Attic 7
             1< in #Attic of 1 in moderator from 0
         1> say #attic m1 dusty
             1< accepted #Attic 1
         2> say #attic m2 hi
             2< refused not_a_member Attic
         2> room join ATTIC
             1< bob in #Attic
             2< in #Attic of 2 in from 1
         2> room join attic
             2< in #Attic of 2 in from 1
         wait 2s
         2> say #attic m2 hi
             2< accepted #Attic 2
             1< #Attic 2 bob: hi
         2> room members attic
             2< members ann (moderator) bob
         wait 2s
         2> room leave attic
             2< out of #Attic
             1< bob out of #Attic
             2< done
         1> say #attic m3 alone
             1< accepted #Attic 3
         3> say #cellar m4 hi
             3< refused unknown_room cellar",
    );
}

#[test]
fn nobody_learns_of_a_private_room_who_is_not_in_it() {
    check_among_people(
        "1> room create attic 7 private
             1< in #attic of 1 private in moderator from 0
         2> room list
             2< rooms
         2> room join attic
             2< refused unknown_room attic
         2> say #attic m1 hi
             2< refused unknown_room attic
         2> history #attic
             2< refused unknown_room attic
         2> room members attic
             2< refused unknown_room attic
         1> room add attic bob
             2< in #attic of 2 private in from 0
             1< bob in #attic
             1< done
         2> room list
             2< rooms #attic of 2 private in;
         2> room add attic eve
             2< refused not_allowed
         2> history #attic
             * read room 7 for 2
         read nothing
             2< history of #attic
         1> room out attic Bob
             2< out of #attic
             1< bob out of #attic
             1< done
         2> history #attic
             2< refused unknown_room attic",
    );
}

#[test]
fn moderators_of_a_room_decide_about_it() {
    check_among_people(
        "1> room create attic 7 announce
             1< in #attic of 1 announce in moderator from 0
         2> room join attic
             1< bob in #attic
             2< in #attic of 2 announce in from 0
         2> say #attic m1 hi
             2< refused not_allowed
         2> room topic attic dust
             2< refused not_allowed
         2> room out attic ann
             2< refused not_allowed
         1> room add attic bob moderator
             2< changed #attic of 2 announce in moderator: \"\"
             1< done
         2> say #attic m1 hi
             2< accepted #attic 1
             1< #attic 1 bob: hi
         wait 2s
         2> room topic attic dust
             1< changed #attic of 2 announce in moderator: \"dust\"
             2< changed #attic of 2 announce in moderator: \"dust\"
             2< done
         3> room join attic
             1< eve in #attic
             2< eve in #attic
             3< in #attic of 3 announce in from 1
         wait 2s
         2> room remove attic
             1< out of #attic
             2< out of #attic
             3< out of #attic
             2< done
         1> say #attic m2 hi
             1< refused unknown_room attic",
    );
}

#[test]
fn a_room_ends_with_its_last_member_and_its_name_begins_anew() {
    check_among_people(
        "1> room create attic 7
             1< in #attic of 1 in moderator from 0
         1> say #attic m1 hi
             1< accepted #attic 1
         1> room leave attic
             1< out of #attic
             1< done
         2> room create attic 8
             2< in #attic of 1 in moderator from 0
         2> say #attic m2 hi
             2< accepted #attic 1
         1> room create Attic 9
             1< refused room_exists Attic
         1> room create lobby 9
             1< refused room_exists lobby
         1> room leave lobby
             1< refused not_allowed
         wait 2s
         1> room create a 10
             1< in #a of 1 in moderator from 0
         1> room create b 11
             1< refused rooms_full 2",
    );
}

#[test]
fn who_is_away_stays_in_the_room() {
    check_among_people(
        "1> room create attic 7
             1< in #attic of 1 in moderator from 0
         2> room join attic
             1< bob in #attic
             2< in #attic of 2 in from 0
         2> logout
             2< logged out
             * close 2
             * forget 2
             * end login 2
             1< left bob logged_out
             3< left bob logged_out
         1> say #attic m1 hi
             1< accepted #attic 1
         1> room members attic
             1< members ann (moderator) bob (away)
         4> open
         4> login bob t2
             4< logged in bob t4
             1< joined bob
             3< joined bob
         1> say #attic m2 hello
             1< accepted #attic 2
             4< #attic 2 ann: hello
         5> open
         2> open",
    );
}

#[test]
fn what_is_numbered_while_somebody_comes_in_reaches_them() {
    check_among_people(
        "1> room create attic 7
             1< in #attic of 1 in moderator from 0
         log waits
         1> say #attic m1 before
         2> room join attic
         1> say #attic m2 after
         log stores 3
             1< accepted #attic 1
             1< bob in #attic
             2< in #attic of 2 in from 1
             1< accepted #attic 2
             2< #attic 2 ann: after",
    );
}

#[test]
fn coming_and_going_counts_as_much_as_writing() {
    check_among_people(
        "1> room create attic 7
             1< in #attic of 1 in moderator from 0
         2> room join attic
             1< bob in #attic
             2< in #attic of 2 in from 0
         2> room leave attic
             2< out of #attic
             1< bob out of #attic
             2< done
         2> room join attic
             1< bob in #attic
             2< in #attic of 2 in from 0
         2> room leave attic
             2< refused slow_down at 500ms
         2> say #attic m1 hi
             2< refused slow_down at 500ms",
    );
}

#[test]
fn a_room_that_its_last_two_leave_at_once_ends() {
    check_among_people(
        "1> room create attic 7
             1< in #attic of 1 in moderator from 0
         2> room join attic
             1< bob in #attic
             2< in #attic of 2 in from 0
         log waits
         1> room leave attic
         2> room leave attic
         log stores 2
             1< out of #attic
             2< ann out of #attic
             1< done
             2< out of #attic
             2< done
         log stores 1
         3> room join attic
             3< refused unknown_room attic",
    );
}

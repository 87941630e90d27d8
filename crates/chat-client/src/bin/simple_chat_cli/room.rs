//! `rooms` and `room`: which rooms there are, and what is done with them.

use chat_client::question::{Answer, Question, RoomQuestion};
use common::terminal_text::line;
use common::wire::{self, RoomEntry};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::options::Room;
use crate::output::Output;
use crate::visit::Visit;

pub(crate) async fn room(
    visit: &mut Visit,
    output: &mut Output,
    command: &Room,
) -> Result<(), Failure> {
    let question = match command {
        Room::Members(it) => return members(visit, output, &it.room).await,
        Room::Create(it) => RoomQuestion::Create(wire::CreateRoom {
            name: it.room.room.clone(),
            topic: it.topic.clone(),
            is_private: it.private,
            is_announce_only: it.announce_only,
        }),
        Room::Join(it) => RoomQuestion::Join(wire::JoinRoom { name: it.room.clone() }),
        Room::Leave(it) => RoomQuestion::Leave(wire::LeaveRoom { name: it.room.clone() }),
        Room::Change(it) => RoomQuestion::Change(wire::ChangeRoom {
            name: it.room.room.clone(),
            topic: it.topic.clone(),
            is_private: it.private,
            is_announce_only: it.announce_only,
        }),
        Room::Add(it) => RoomQuestion::Add(wire::AddToRoom {
            room: it.room.room.clone(),
            name: it.name.clone(),
            is_moderator: it.moderator,
        }),
        Room::TakeOut(it) => RoomQuestion::TakeOut(wire::RemoveFromRoom {
            room: it.room.room.clone(),
            name: it.name.clone(),
        }),
        Room::Remove(it) => RoomQuestion::Remove(wire::RemoveRoom { name: it.room.clone() }),
    };
    match visit.question(Question::Room(question)).await? {
        Answer::Joined(entry) => {
            output.result(|| Some(room_line(&entry)), || room_json("room_joined", &entry))
        }
        _ => output.result(|| Some("Done.".to_owned()), || json!({ "event": "done" })),
    }
}

pub(crate) async fn rooms(visit: &mut Visit, output: &mut Output) -> Result<(), Failure> {
    let mut after = String::new();
    loop {
        let question = RoomQuestion::List(wire::ListRooms { after });
        let Answer::Rooms(page) = visit.question(Question::Room(question)).await? else {
            return Err(Failure::unexpected_answer());
        };
        for entry in &page.rooms {
            output.result(|| Some(room_line(entry)), || room_json("room", entry))?;
        }
        match page.rooms.last() {
            Some(last) if page.more => after = last.name.clone(),
            _ => return Ok(()),
        }
    }
}

async fn members(visit: &mut Visit, output: &mut Output, room: &str) -> Result<(), Failure> {
    let mut after = String::new();
    loop {
        let list = wire::ListMembers { room: room.to_owned(), after };
        let question = Question::Room(RoomQuestion::ListMembers(list));
        let Answer::Members(page) = visit.question(question).await? else {
            return Err(Failure::unexpected_answer());
        };
        for it in &page.members {
            let moderator = if it.is_moderator { "  moderator" } else { "" };
            let online = if it.is_online { "  online" } else { "" };
            output.result(
                || Some(format!("{}{moderator}{online}", line(&it.name))),
                || {
                    json!({
                        "event": "member", "name": it.name, "moderator": it.is_moderator,
                        "online": it.is_online,
                    })
                },
            )?;
        }
        match page.members.last() {
            Some(last) if page.more => after = last.name.clone(),
            _ => return Ok(()),
        }
    }
}

/// `#attic  3 people  private  joined  About dust`.
fn room_line(entry: &RoomEntry) -> String {
    let people = if entry.members == 1 { "1 person" } else { &format!("{} people", entry.members) };
    let marks = [
        (entry.is_private, "private"),
        (entry.is_announce_only, "announcements"),
        (entry.is_moderator, "moderator"),
        (entry.is_member && !entry.is_moderator, "joined"),
        (!entry.topic.is_empty(), &line(&entry.topic)),
    ];
    let marks = marks.iter().filter(|(is_so, _)| *is_so).map(|(_, mark)| format!("  {mark}"));
    format!("#{}  {people}{}", line(&entry.name), marks.collect::<String>())
}

fn room_json(event: &str, entry: &RoomEntry) -> Value {
    json!({
        "event": event, "name": format!("#{}", entry.name), "topic": entry.topic,
        "private": entry.is_private, "announce_only": entry.is_announce_only,
        "members": entry.members, "member": entry.is_member, "moderator": entry.is_moderator,
    })
}

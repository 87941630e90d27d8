//! What may be said about rooms.

use clap::{Args, Subcommand};

/// What is done with rooms.
#[derive(Debug, Subcommand)]
pub(crate) enum Room {
    /// Make a room, and be its moderator. It ends when its last member leaves
    Create(CreateRoom),
    /// Get what is written there, and write there
    Join(RoomName),
    /// Be in it no more
    Leave(RoomName),
    /// List who is in it
    Members(RoomName),
    /// Change its topic or its rules (its moderators)
    Change(ChangeRoom),
    /// Bring somebody in; into a private room, or as a moderator: its moderators
    Add(AddToRoom),
    /// Take somebody out (its moderators)
    TakeOut(TakeOut),
    /// Let it end (its moderators)
    Remove(RoomName),
}

#[derive(Args, Debug)]
pub(crate) struct RoomName {
    /// The room, with or without # in front
    #[arg(value_name = "ROOM", value_parser = parse_room)]
    pub(crate) room: String,
}

#[derive(Args, Debug)]
pub(crate) struct CreateRoom {
    #[command(flatten)]
    pub(crate) room: RoomName,

    /// What it is about
    #[arg(long, default_value = "")]
    pub(crate) topic: String,

    /// Only who is brought in knows of it
    #[arg(long)]
    pub(crate) private: bool,

    /// Only its moderators write
    #[arg(long)]
    pub(crate) announce_only: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ChangeRoom {
    #[command(flatten)]
    pub(crate) room: RoomName,

    /// What it is about
    #[arg(long)]
    pub(crate) topic: Option<String>,

    /// Whether only who is brought in knows of it
    #[arg(long, value_name = "true|false")]
    pub(crate) private: Option<bool>,

    /// Whether only its moderators write
    #[arg(long, value_name = "true|false")]
    pub(crate) announce_only: Option<bool>,
}

#[derive(Args, Debug)]
pub(crate) struct AddToRoom {
    #[command(flatten)]
    pub(crate) room: RoomName,

    /// The person
    pub(crate) name: String,

    /// As one who decides about it. Without it, a moderator becomes an ordinary member again
    #[arg(long)]
    pub(crate) moderator: bool,
}

#[derive(Args, Debug)]
pub(crate) struct TakeOut {
    #[command(flatten)]
    pub(crate) room: RoomName,

    /// The person
    pub(crate) name: String,
}

/// A room is named as it is or with what marks it.
fn parse_room(text: &str) -> Result<String, String> {
    Ok(text.strip_prefix('#').unwrap_or(text).to_owned())
}

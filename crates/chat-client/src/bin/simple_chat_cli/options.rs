//! The command line, as it is typed and as it is explained.

use std::path::PathBuf;
use std::time::Duration;

use chat_client::command::{ServerAddress, TransportChoice};
use clap::{Args, Parser, Subcommand, ValueEnum};
use common::wire::Role;
use common::{date_text, orders};

const AFTER_HELP: &str = "\
Examples:
  simple-chat-cli --server LINK --name ann listen
  simple-chat-cli --server LINK --name bob send \"Hello everybody\"
  simple-chat-cli --server LINK --name bob send --to ann \"Just for you\"
  simple-chat-cli --server LINK --name ann history '#lobby' --limit 20
  simple-chat-cli --server LINK --name bob get report.pdf -o ~/Downloads/
  simple-chat-cli --server LINK --name bob put notes.txt --to minutes

LINK is the invite link that the server prints when it starts; put it in quotes.

Exit codes:
  0    done
  1    anything not listed here
  2    the command line makes no sense
  3    refused: name taken, wrong password, forbidden, server not trusted or its key changed
  4    not found: no such file or person
  5    what arrived is not the file that was sent
  6    network: no server, no connection, connection lost
  7    the local disk: full, no permission, no such folder
  130  interrupted";

/// Talk on a Simple Chat server and download its files.
#[derive(Debug, Parser)]
#[command(name = "simple-chat-cli", version, after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// The server: its invite link, or HOST[:PORT] (port 5050 if none is given)
    #[arg(long, value_name = "LINK|HOST[:PORT]", value_parser = parse_server)]
    pub(crate) server: ServerAddress,

    /// The name to log in with; nobody else online may have it
    #[arg(long)]
    pub(crate) name: String,

    /// Read the password from the first line of this file
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// Trust a server that is not known yet, and remember its key. Not needed with an invite link
    #[arg(long, global = true)]
    pub(crate) accept_new: bool,

    /// Print one JSON object a line instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,

    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send a message, to everybody or to one person
    Send(Send),
    /// Print messages, and who comes and goes, until interrupted
    Listen,
    /// Print stored messages of a conversation, oldest first
    History(History),
    /// Print stored messages that hold every word of a text, oldest first
    Search(Search),
    /// List who is online
    Online,
    /// List the files that the server offers
    Files(Files),
    /// Download a file of the server
    Get(Get),
    /// Upload a file to a server that takes uploads
    Put(Put),
    /// List the rooms: those that everybody can see, and the private ones that you are in
    Rooms,
    /// Make, join, leave and change rooms
    Room {
        #[command(subcommand)]
        command: Room,
    },
    /// Make an account of the name: from then on it needs its password, and nobody else gets it
    Register(NewPassword),
    /// Give the account another password; every other device has to log in again
    Passwd(NewPassword),
    /// List the devices that the account is known on, which need no password
    Devices,
    /// Forget a device of the account, and log it out
    RemoveDevice(Device),
    #[command(flatten)]
    Order(Order),
}

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

/// For those who keep order on the server.
#[derive(Debug, Subcommand)]
pub(crate) enum Order {
    /// Send somebody away (moderators)
    Kick(Kick),
    /// Let somebody, or everybody from some addresses, not come in (moderators)
    Ban(Ban),
    /// Lift a ban (moderators)
    Unban(Subject),
    /// Let somebody read, and not write (moderators)
    Mute(Mute),
    /// Let somebody write again (moderators)
    Unmute(Who),
    /// Tell everybody who is there something (moderators)
    Announce(Announce),
    /// List the bans and mutes that are in force (moderators)
    Sanctions,
    /// List the accounts (admins)
    Accounts,
    /// Make an account for somebody (admins)
    AddAccount(AddAccount),
    /// Give somebody's account another password (admins)
    SetPassword(SetPassword),
    /// Give somebody's account another role (admins)
    SetRole(SetRole),
    /// Make somebody's account a name that anybody may take (admins)
    RemoveAccount(Who),
    /// List what was decided, the oldest first (admins)
    Audit(Audit),
}

#[derive(Args, Debug)]
pub(crate) struct NewPassword {
    /// Read the new password, of 8 characters or more, from the first line of this file
    #[arg(long, value_name = "FILE")]
    pub(crate) new_password_file: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct Device {
    /// Its number, as `devices` lists it
    #[arg(value_name = "NUMBER", value_parser = parse_device)]
    pub(crate) device: DeviceId,
}

/// Bytes that name a device.
#[derive(Clone, Debug)]
pub(crate) struct DeviceId(pub(crate) Vec<u8>);

#[derive(Args, Debug)]
pub(crate) struct Who {
    /// The person
    pub(crate) name: String,
}

#[derive(Args, Debug)]
pub(crate) struct Subject {
    /// A person, an address (10.1.2.3), or a network (10.1.0.0/16)
    #[arg(value_name = "NAME|ADDRESS|NETWORK")]
    pub(crate) subject: String,
}

#[derive(Args, Debug)]
pub(crate) struct Kick {
    /// The person
    pub(crate) name: String,

    /// Why; the person is told
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
}

#[derive(Args, Debug)]
pub(crate) struct Ban {
    /// A person, an address (10.1.2.3), or a network (10.1.0.0/16)
    #[arg(value_name = "NAME|ADDRESS|NETWORK")]
    pub(crate) subject: String,

    /// How long: 90s, 30m, 12h, 7d, 2w [default: for ever]
    #[arg(long = "for", value_name = "SPAN", value_parser = date_text::parse_span)]
    pub(crate) span: Option<Duration>,

    /// Why; the person is told
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
}

#[derive(Args, Debug)]
pub(crate) struct Mute {
    /// The person
    pub(crate) name: String,

    /// How long: 90s, 30m, 12h, 7d, 2w [default: for ever]
    #[arg(long = "for", value_name = "SPAN", value_parser = date_text::parse_span)]
    pub(crate) span: Option<Duration>,

    /// Why; the person is told
    #[arg(long, default_value = "")]
    pub(crate) reason: String,
}

#[derive(Args, Debug)]
pub(crate) struct Announce {
    /// What to tell
    pub(crate) text: String,
}

#[derive(Args, Debug)]
pub(crate) struct AddAccount {
    /// The name
    pub(crate) name: String,

    /// What the person may do
    #[arg(long, value_enum, default_value_t = RoleName::Member)]
    pub(crate) role: RoleName,

    /// Its password, for the person to change
    #[command(flatten)]
    pub(crate) password: NewPassword,
}

#[derive(Args, Debug)]
pub(crate) struct SetPassword {
    /// The person
    pub(crate) name: String,

    /// Its password, for the person to change
    #[command(flatten)]
    pub(crate) password: NewPassword,
}

#[derive(Args, Debug)]
pub(crate) struct SetRole {
    /// The person
    pub(crate) name: String,

    /// What the person may do
    #[arg(value_enum)]
    pub(crate) role: RoleName,
}

#[derive(Args, Debug)]
pub(crate) struct Audit {
    /// How many, the last ones
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,

    /// All there are
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RoleName {
    Member,
    Moderator,
    Admin,
}

impl From<RoleName> for Role {
    fn from(role: RoleName) -> Self {
        match role {
            RoleName::Member => Self::Member,
            RoleName::Moderator => Self::Moderator,
            RoleName::Admin => Self::Admin,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct Send {
    /// A person, or a room with # in front [default: #lobby, which is everybody]
    #[arg(long, value_name = "NAME|#ROOM")]
    pub(crate) to: Option<String>,

    /// What to say; - sends each line of the standard input as one message
    #[arg(value_name = "TEXT")]
    pub(crate) text: String,
}

#[derive(Args, Debug)]
pub(crate) struct History {
    /// #lobby, or a person with whom there are private messages. Those of the same name and of this
    /// computer's user are shown, not those of others who had one of the names
    #[arg(value_name = "CONVERSATION")]
    pub(crate) conversation: String,

    /// How many, the last ones
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,

    /// All there are
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Search {
    /// Words, in any order, or their beginnings; capitals and accents do not matter. Looked for in #lobby
    /// and in the private messages of the same name and of this computer's user
    #[arg(value_name = "TEXT")]
    pub(crate) text: String,

    /// How many, the last ones
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: usize,

    /// All there are
    #[arg(long, conflicts_with = "limit")]
    pub(crate) all: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Files {
    /// Only files whose path starts like this
    #[arg(default_value = "")]
    pub(crate) prefix: String,
}

#[derive(Args, Debug)]
pub(crate) struct Get {
    /// The file, as `files` lists it
    pub(crate) file: String,

    /// Where to save it: a file or an existing folder. What exists is never overwritten; `name (1).ext`
    /// is taken instead [default: the file's own name, here]
    #[arg(short = 'o', long = "output", value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,

    /// How the bytes travel; auto is UDP, and TCP where UDP is blocked
    #[arg(long, value_enum, default_value_t = Transport::Auto)]
    pub(crate) transport: Transport,
}

#[derive(Args, Debug)]
pub(crate) struct Put {
    /// The file here. An upload that was interrupted goes on where it was when it is started again
    pub(crate) file: PathBuf,

    /// The folder on the server to put it in, made if missing [default: the uppermost one that takes
    /// uploads]
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: Option<String>,

    /// How the bytes travel; auto is UDP, and TCP where UDP is blocked
    #[arg(long, value_enum, default_value_t = Transport::Auto)]
    pub(crate) transport: Transport,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Transport {
    Auto,
    Udp,
    Tcp,
}

impl From<Transport> for TransportChoice {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Auto => Self::Auto,
            Transport::Udp => Self::Udp,
            Transport::Tcp => Self::Tcp,
        }
    }
}

/// A room is named as it is or with what marks it.
fn parse_room(text: &str) -> Result<String, String> {
    Ok(text.strip_prefix('#').unwrap_or(text).to_owned())
}

fn parse_device(text: &str) -> Result<DeviceId, String> {
    let id = orders::parse_device_id(text).map(DeviceId);
    id.ok_or_else(|| "a number as `devices` lists it".to_owned())
}

fn parse_server(text: &str) -> Result<ServerAddress, String> {
    text.parse().map_err(|error| chat_client::error_text::address_error(&error))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn options_that_scripts_put_last_are_understood() {
        let words = ["x", "--server", "h:1", "--name", "bob", "get", "f", "-o", "p", "--json"];
        let options = Options::try_parse_from(words).unwrap();
        assert!(options.json);
        let Command::Get(get) = options.command else { panic!("{options:?}") };
        assert_eq!(get.output, Some(PathBuf::from("p")));
    }
}

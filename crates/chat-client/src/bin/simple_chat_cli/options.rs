//! The command line, as it is typed and as it is explained.

mod invites;
mod orders;
mod rooms;

use std::path::{Path, PathBuf};

use chat_client::command::{ServerAddress, TransportChoice};
use clap::{Args, Parser, Subcommand, ValueEnum};
use common::orders::parse_id;

pub(crate) use invites::{CreateInvite, Invite};
pub(crate) use orders::Order;
pub(crate) use rooms::Room;

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
  3    refused: name taken, wrong password or invite, forbidden, server not trusted or its key changed
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

impl Options {
    /// The password to log in with.
    pub(crate) fn log_in_password(&self) -> Option<&Path> {
        match &self.command {
            Command::Register(wanted) if self.password_is_new() => Some(&wanted.new_password_file),
            _ => self.password_file.as_deref(),
        }
    }

    /// Whether it is the one that the account is to have: with an invite, coming in may be what makes it.
    pub(crate) fn password_is_new(&self) -> bool {
        let is_invited =
            matches!(&self.server, ServerAddress::Invite(link) if link.token.is_some());
        let registers = matches!(self.command, Command::Register(_));
        is_invited && registers && self.password_file.is_none()
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Send a message, to everybody or to one person
    Send(Send),
    /// Print messages, and who comes and goes, until interrupted
    Listen(Listen),
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
    /// Make an account of the name: from then on it needs its password, and nobody else gets it. An invite in the
    /// link gives it its role, and lets in where accounts are needed
    Register(NewPassword),
    /// Give the account another password; every other device has to log in again
    Passwd(NewPassword),
    /// List the devices that the account is known on, which need no password
    Devices,
    /// Forget a device of the account, and log it out
    RemoveDevice(Device),
    /// Let people in: make links for them, list and revoke these (moderators)
    Invite {
        #[command(subcommand)]
        command: Invite,
    },
    #[command(flatten)]
    Order(Order),
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
    #[arg(value_name = "NUMBER", value_parser = parse_number)]
    pub(crate) device: Number,
}

/// Bytes that name a device or an invite.
#[derive(Clone, Debug)]
pub(crate) struct Number(pub(crate) Vec<u8>);

#[derive(Args, Debug)]
pub(crate) struct Send {
    /// A person, or a room with # in front [default: #lobby, which is everybody]
    #[arg(long, value_name = "NAME|#ROOM")]
    pub(crate) to: Option<String>,

    /// What to say; - sends each line of the standard input as one message
    #[arg(value_name = "TEXT")]
    pub(crate) text: String,
}

/// `listen`.
#[derive(Args, Debug)]
pub(crate) struct Listen {
    /// Be shown to others as away
    #[arg(long)]
    pub(crate) away: bool,
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

fn parse_number(text: &str) -> Result<Number, String> {
    parse_id(text).map(Number).ok_or_else(|| "a number as it is listed".to_owned())
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

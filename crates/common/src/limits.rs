//! Limits that both ends of the chat know. Limits of one end alone live there.

use std::time::Duration;

/// TCP port of the chat, and UDP port of the transfer, where none is given.
pub const PORT_DEFAULT: u16 = 5050;

/// Version of the chat protocol that this release speaks.
pub const PROTOCOL_VERSION: u32 = 1;

/// Bytes of the length in front of each frame.
pub const FRAME_HEADER_BYTES: usize = 4;

/// Largest body of a frame. Holds every page and message below with room to spare.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;

/// Largest text of one message.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
const _: () = assert!(TEXT_BYTES_MAX + 1024 < FRAME_BYTES_MAX);

/// Longest user name, in characters (Unicode scalar values).
pub const NAME_CHARS_MAX: usize = 32;

/// Longest user name in bytes: every character may take four.
pub const NAME_BYTES_MAX: usize = 4 * NAME_CHARS_MAX;

/// Longest path of a server file.
pub const FILE_PATH_BYTES_MAX: usize = 512;

/// Names in one page of `ListOnline`.
pub const ONLINE_PAGE_NAMES_MAX: usize = 1000;
const _: () = assert!(ONLINE_PAGE_NAMES_MAX * (NAME_BYTES_MAX + 8) < FRAME_BYTES_MAX);

/// Files in one page of `ListFiles`: a page of longest paths still fits a frame.
pub const FILE_PAGE_ENTRIES_MAX: usize = 450;
const _: () = assert!(FILE_PAGE_ENTRIES_MAX * (FILE_PATH_BYTES_MAX + 40) < FRAME_BYTES_MAX);

/// Piece hashes in one `PieceHashes` at most: the largest that a client takes.
pub const PIECE_HASHES_MAX: usize = 4096;
/// Bytes of one of them.
pub const PIECE_HASH_BYTES: usize = 32;
const _: () = assert!(PIECE_HASHES_MAX * (PIECE_HASH_BYTES + 2) + 64 < FRAME_BYTES_MAX);

/// Bytes of a message id, chosen at random by the client.
pub const MESSAGE_ID_BYTES: usize = 16;

/// Bytes of a resume token.
pub const RESUME_TOKEN_BYTES: usize = 32;

/// Bytes that name an invite.
pub const INVITE_ID_BYTES: usize = 8;
/// Bytes of an invite's secret: as many bits as nobody can try.
pub const INVITE_SECRET_BYTES: usize = 16;
/// Bytes of an invite token: the one behind the other.
pub const INVITE_TOKEN_BYTES: usize = INVITE_ID_BYTES + INVITE_SECRET_BYTES;

/// Messages in one `HistoryPage`.
pub const HISTORY_PAGE_MESSAGES_MAX: usize = 200;

/// Bytes of the messages in one `HistoryPage`: a page is at most 128 KiB long with all that is around
/// them, and holds the longest message there is.
pub const HISTORY_PAGE_BYTES_MAX: usize = 120 * 1024;
const _: () = assert!(HISTORY_PAGE_BYTES_MAX + 20 * HISTORY_PAGE_MESSAGES_MAX < 128 * 1024);
const _: () = assert!(TEXT_BYTES_MAX + NAME_BYTES_MAX + 64 < HISTORY_PAGE_BYTES_MAX);

/// Conversations in one `ConversationPage`.
pub const CONVERSATION_PAGE_ENTRIES_MAX: usize = 500;
const _: () = assert!(CONVERSATION_PAGE_ENTRIES_MAX * (NAME_BYTES_MAX + 40) < 128 * 1024);

/// Shortest password of an account, in characters (Unicode scalar values).
pub const PASSWORD_CHARS_MIN: usize = 8;

/// Longest password that is looked at.
pub const PASSWORD_BYTES_MAX: usize = 1024;

/// Longest reason of a kick, ban or mute, and longest note of an invite.
pub const REASON_BYTES_MAX: usize = 256;

/// Longest topic of a room.
pub const TOPIC_BYTES_MAX: usize = 256;

/// Rooms that one person may be in.
pub const ROOMS_PER_PERSON_MAX: usize = 64;

/// Rooms in one `RoomPage`.
pub const ROOM_PAGE_ENTRIES_MAX: usize = 200;

/// People in one `MemberPage`.
pub const MEMBER_PAGE_ENTRIES_MAX: usize = 500;

/// Accounts in one `AccountPage`.
pub const ACCOUNT_PAGE_ENTRIES_MAX: usize = 200;

/// Bans and mutes in one `SanctionPage`.
pub const SANCTION_PAGE_ENTRIES_MAX: usize = 200;

/// Invites in one `InvitePage`.
pub const INVITE_PAGE_ENTRIES_MAX: usize = 200;
const _: () = assert!(
    INVITE_PAGE_ENTRIES_MAX * (REASON_BYTES_MAX + NAME_BYTES_MAX + 64) < FRAME_BYTES_MAX / 2
);

/// Decisions in one `AuditPage`.
pub const AUDIT_PAGE_ENTRIES_MAX: usize = 200;

/// Longest text that is searched for.
pub const SEARCH_TEXT_BYTES_MAX: usize = 256;

/// How long a name is kept after its connection broke.
pub const NAME_HOLD: Duration = Duration::from_secs(15);

/// How long a session may leave a ping unanswered before its resume token takes it over.
pub const TAKE_OVER_PING: Duration = Duration::from_secs(2);

/// Silence after which either end asks with a ping.
pub const PING_INTERVAL: Duration = Duration::from_secs(30);

/// Silence after which a connection counts as dead.
pub const DEAD_AFTER: Duration = Duration::from_secs(75);
const _: () = assert!(DEAD_AFTER.as_secs() > 2 * PING_INTERVAL.as_secs());

/// Downloads that one user may have under way at once.
pub const DOWNLOADS_PER_USER_MAX: usize = 4;

/// Downloads that one user may have waiting for a place at the server.
pub const DOWNLOADS_WAITING_PER_USER_MAX: usize = 32;

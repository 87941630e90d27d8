//! Why a request was not carried out: one variant for each sentence that a person needs.

use common::limits::PASSWORD_CHARS_MIN;
use common::wire::{self, NameProblem, RefusalCode};

use crate::log::writer::StorageProblem;

/// A request that is answered with `Refused`. Carries what its sentence speaks of, and nothing else.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// There is an account of that name.
    AccountExists {
        /// As it is spelt.
        name: String,
    },
    /// No room for another account.
    AccountsFull,
    /// This connection has a name.
    AlreadyLoggedIn,
    /// Nobody of that name may come in.
    Banned {
        /// Milliseconds since 1970-01-01 UTC; 0 for ever.
        until_ms: i64,
        /// In the words of who did it; may be empty.
        reason: String,
    },
    /// The disk does not give the file, or too many are open.
    FileUnreadable {
        /// What was asked for.
        path: String,
    },
    /// Past its time.
    InviteExpired,
    /// No such invite, or not any more.
    InviteUnknown {
        /// What was asked for, where somebody asked by id.
        id: String,
    },
    /// As many used the invite as may.
    InviteUsedUp,
    /// No room for another invite, or for who comes by one.
    InvitesFull {
        /// How many may be.
        allowed: usize,
    },
    /// A field is missing or has the wrong length, or the frame is no message at all.
    Malformed,
    /// This name may not write.
    Muted {
        /// Milliseconds since 1970-01-01 UTC; 0 for ever.
        until_ms: i64,
        /// In the words of who did it; may be empty.
        reason: String,
    },
    /// No name.
    NameMalformed(NameProblem),
    /// Kept for the server.
    NameReserved,
    /// Somebody has it.
    NameTaken,
    /// Somebody has a name that looks the same.
    NameTooSimilar {
        /// That name.
        to: String,
    },
    /// Not with this role.
    NotAllowed,
    /// Not in that room.
    NotAMember {
        /// Which.
        room: String,
    },
    /// No such ban or mute.
    NotInForce {
        /// Of what or whom.
        subject: String,
    },
    /// Only for those logged in.
    NotLoggedIn,
    /// The name is an account.
    PasswordNeeded,
    /// Too easily guessed.
    PasswordTooShort,
    /// Nobody makes an own account here.
    RegistrationOff,
    /// Too many passwords are to be checked.
    ServerBusy {
        /// When to try again, milliseconds since 1970-01-01 UTC.
        retry_at_ms: i64,
    },
    /// The name is that of another room.
    RoomExists {
        /// Which.
        room: String,
    },
    /// No more rooms, or people in one.
    RoomsFull {
        /// How many may be.
        allowed: usize,
    },
    /// No place left.
    ServerFull {
        /// When to try again, milliseconds since 1970-01-01 UTC.
        retry_at_ms: i64,
    },
    /// Messages come faster than they may.
    SlowDown {
        /// When to try again, milliseconds since 1970-01-01 UTC.
        retry_at_ms: i64,
    },
    /// The server can store nothing at the moment.
    Storage(StorageProblem),
    /// Nothing to read in it.
    TextEmpty,
    /// Longer than a message, or what is looked for, may be.
    TextTooLong {
        /// Bytes that it may have.
        allowed: usize,
    },
    /// What is looked for is in too many messages.
    TooBroad,
    /// Too many wrong passwords.
    TooManyAttempts {
        /// When to try again, milliseconds since 1970-01-01 UTC.
        retry_at_ms: i64,
    },
    /// Too many downloads wait already.
    TooManyDownloads {
        /// How many may; 0 where none may start at all.
        allowed: usize,
    },
    /// No account of that name.
    UnknownAccount {
        /// Whose.
        name: String,
    },
    /// No such device of this account.
    UnknownDevice,
    /// No such download of this login.
    UnknownDownload,
    /// No such file.
    UnknownFile {
        /// What was asked for.
        path: String,
    },
    /// No such room.
    UnknownRoom {
        /// What was asked for.
        room: String,
    },
    /// Nobody of that name is there.
    UnknownUser {
        /// Who was asked for.
        name: String,
    },
    /// A kind of request from a later version.
    Unsupported,
    /// An upload.
    Upload(UploadRefusal),
    /// No protocol version in common.
    Version,
    /// The password.
    WrongPassword,
}

/// Why an upload is not taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum UploadRefusal {
    /// The disk does not do it.
    DiskFailed,
    /// No room on the disk.
    DiskFull,
    /// Its folder is none.
    Folder {
        /// The path that was asked for.
        path: String,
    },
    /// No name that a file may have.
    Name {
        /// The path that was asked for.
        path: String,
    },
    /// This server takes none.
    Off,
    /// The user has had enough.
    Quota {
        /// Bytes that are left.
        left: u64,
    },
    /// Larger than any file may be.
    TooLarge {
        /// Bytes that may be.
        allowed: u64,
    },
    /// Too many under way, or stored.
    TooMany {
        /// How many may be.
        allowed: usize,
    },
    /// None of that number.
    Unknown,
}

impl From<UploadRefusal> for Refusal {
    fn from(refusal: UploadRefusal) -> Self {
        Self::Upload(refusal)
    }
}

impl UploadRefusal {
    fn code(&self) -> RefusalCode {
        match self {
            Self::DiskFailed => RefusalCode::ServerDiskFailed,
            Self::DiskFull => RefusalCode::ServerDiskFull,
            Self::Folder { .. } => RefusalCode::UploadFolder,
            Self::Name { .. } => RefusalCode::UploadName,
            Self::Off => RefusalCode::UploadsOff,
            Self::Quota { .. } => RefusalCode::QuotaExceeded,
            Self::TooLarge { .. } => RefusalCode::UploadTooLarge,
            Self::TooMany { .. } => RefusalCode::TooManyUploads,
            Self::Unknown => RefusalCode::UnknownUpload,
        }
    }

    fn describe(self, refused: &mut wire::Refused) {
        match self {
            Self::Folder { path } | Self::Name { path } => refused.subject = echo(path),
            Self::Quota { left: allowed } | Self::TooLarge { allowed } => refused.allowed = allowed,
            Self::TooMany { allowed } => refused.allowed = allowed as u64,
            Self::DiskFailed | Self::DiskFull | Self::Off | Self::Unknown => {}
        }
    }
}

impl Refusal {
    /// Its code on the wire.
    #[must_use]
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::AccountExists { .. } => RefusalCode::AccountExists,
            Self::AccountsFull => RefusalCode::AccountsFull,
            Self::AlreadyLoggedIn => RefusalCode::AlreadyLoggedIn,
            Self::Banned { .. } => RefusalCode::Banned,
            Self::FileUnreadable { .. } => RefusalCode::FileUnreadable,
            Self::InviteExpired => RefusalCode::InviteExpired,
            Self::InviteUnknown { .. } => RefusalCode::InviteUnknown,
            Self::InviteUsedUp => RefusalCode::InviteUsedUp,
            Self::InvitesFull { .. } => RefusalCode::InvitesFull,
            Self::Malformed => RefusalCode::Malformed,
            Self::Muted { .. } => RefusalCode::Muted,
            Self::NameMalformed(_) => RefusalCode::NameMalformed,
            Self::NameReserved => RefusalCode::NameReserved,
            Self::NameTaken => RefusalCode::NameTaken,
            Self::NameTooSimilar { .. } => RefusalCode::NameTooSimilar,
            Self::NotAllowed => RefusalCode::NotAllowed,
            Self::NotAMember { .. } => RefusalCode::NotAMember,
            Self::NotInForce { .. } => RefusalCode::NotInForce,
            Self::NotLoggedIn => RefusalCode::NotLoggedIn,
            Self::PasswordNeeded => RefusalCode::PasswordNeeded,
            Self::PasswordTooShort => RefusalCode::PasswordTooShort,
            Self::RegistrationOff => RefusalCode::RegistrationOff,
            Self::ServerBusy { .. } => RefusalCode::ServerBusy,
            Self::RoomExists { .. } => RefusalCode::RoomExists,
            Self::RoomsFull { .. } => RefusalCode::RoomsFull,
            Self::ServerFull { .. } => RefusalCode::ServerFull,
            Self::SlowDown { .. } => RefusalCode::SlowDown,
            Self::Storage(StorageProblem::Full) => RefusalCode::StorageFull,
            Self::Storage(StorageProblem::Failed) => RefusalCode::StorageFailed,
            Self::TextEmpty => RefusalCode::TextEmpty,
            Self::TextTooLong { .. } => RefusalCode::TextTooLong,
            Self::TooBroad => RefusalCode::TooBroad,
            Self::TooManyAttempts { .. } => RefusalCode::TooManyAttempts,
            Self::TooManyDownloads { .. } => RefusalCode::TooManyDownloads,
            Self::UnknownAccount { .. } => RefusalCode::UnknownAccount,
            Self::UnknownDevice => RefusalCode::UnknownDevice,
            Self::UnknownDownload => RefusalCode::UnknownDownload,
            Self::UnknownFile { .. } => RefusalCode::UnknownFile,
            Self::UnknownRoom { .. } => RefusalCode::UnknownRoom,
            Self::UnknownUser { .. } => RefusalCode::UnknownUser,
            Self::Unsupported => RefusalCode::Unsupported,
            Self::Upload(refusal) => refusal.code(),
            Self::Version => RefusalCode::Version,
            Self::WrongPassword => RefusalCode::WrongPassword,
        }
    }

    /// The frame's body.
    #[must_use]
    pub fn into_wire(self) -> wire::Refused {
        let mut refused = wire::Refused { code: self.code().into(), ..Default::default() };
        match self {
            Self::Banned { until_ms, reason } | Self::Muted { until_ms, reason } => {
                (refused.time_ms, refused.subject) = (until_ms, reason);
            }
            Self::NameMalformed(problem) => refused.name_problem = problem.into(),
            Self::NameTooSimilar { to } => refused.subject = to,
            Self::ServerFull { retry_at_ms }
            | Self::ServerBusy { retry_at_ms }
            | Self::SlowDown { retry_at_ms }
            | Self::TooManyAttempts { retry_at_ms } => refused.time_ms = retry_at_ms,
            Self::TextTooLong { allowed }
            | Self::TooManyDownloads { allowed }
            | Self::InvitesFull { allowed }
            | Self::RoomsFull { allowed } => {
                refused.allowed = allowed as u64;
            }
            Self::UnknownFile { path } | Self::FileUnreadable { path } => {
                refused.subject = echo(path);
            }
            Self::UnknownRoom { room } | Self::NotAMember { room } | Self::RoomExists { room } => {
                refused.subject = echo(room)
            }
            Self::UnknownUser { name }
            | Self::UnknownAccount { name }
            | Self::AccountExists { name }
            | Self::InviteUnknown { id: name }
            | Self::NotInForce { subject: name } => refused.subject = echo(name),
            Self::PasswordTooShort => refused.allowed = PASSWORD_CHARS_MIN as u64,
            Self::Upload(refusal) => refusal.describe(&mut refused),
            Self::AccountsFull
            | Self::AlreadyLoggedIn
            | Self::InviteExpired
            | Self::InviteUsedUp
            | Self::Malformed
            | Self::NameReserved
            | Self::NameTaken
            | Self::NotAllowed
            | Self::NotLoggedIn
            | Self::PasswordNeeded
            | Self::RegistrationOff
            | Self::Storage(_)
            | Self::TextEmpty
            | Self::TooBroad
            | Self::UnknownDevice
            | Self::UnknownDownload
            | Self::Unsupported
            | Self::Version
            | Self::WrongPassword => {}
        }
        refused
    }
}

/// What a client asked for is told back to it only as far as anything of that kind may be long.
fn echo(mut subject: String) -> String {
    subject.truncate(subject.floor_char_boundary(common::limits::FILE_PATH_BYTES_MAX));
    subject
}

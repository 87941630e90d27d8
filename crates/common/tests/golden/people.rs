//! Frames about accounts, keeping order and rooms.

use super::*;

pub(super) fn accounts() -> Vec<(&'static str, Bytes)> {
    let refused = |code: RefusalCode| Refused { code: code.into(), ..Refused::default() };
    let register = Register { password: "correct horse".to_owned(), ..Register::default() };
    let log_in = LogIn {
        name: "alice".to_owned(),
        password: "correct horse".to_owned(),
        ..LogIn::default()
    };
    let logged_in = LoggedIn {
        name: "alice".to_owned(),
        resume_token: vec![0xa6; 32].into(),
        resumed: false,
        log_id: vec![0x5c; 16].into(),
        role: Role::Member.into(),
    };
    let device = |id: u8, label: &str, is_this| DeviceEntry {
        device_id: vec![id; 8].into(),
        label: label.to_owned(),
        since_ms: AT_MS,
        is_this,
    };
    let devices =
        vec![device(0xa5, "simple-chat/0.1.0", false), device(0xa6, "simple-chat-cli 0.1.0", true)];
    let change = ChangePassword {
        old_password: "correct horse".to_owned(),
        new_password: "battery staple".to_owned(),
    };
    vec![
        ("register", client(50, Ask::Register(register))),
        ("done", server(50, Tell::Done(Done {}))),
        ("refused_password_needed", server(2, Tell::Refused(refused(RefusalCode::PasswordNeeded)))),
        ("log_in_with_password", client(3, Ask::LogIn(log_in))),
        ("logged_in_as_member", server(3, Tell::LoggedIn(logged_in))),
        ("list_devices", client(51, Ask::ListDevices(ListDevices {}))),
        ("device_page", server(51, Tell::DevicePage(DevicePage { devices }))),
        (
            "remove_device",
            client(52, Ask::RemoveDevice(RemoveDevice { device_id: vec![0xa5; 8].into() })),
        ),
        ("change_password", client(53, Ask::ChangePassword(change))),
    ]
}

pub(super) fn order() -> Vec<(&'static str, Bytes)> {
    use administer::Command;
    let order = |id, command| client(id, Ask::Administer(Administer { command: Some(command) }));
    let named =
        |name: &str| BanSubject { subject: Some(ban_subject::Subject::Name(name.to_owned())) };
    let network =
        BanSubject { subject: Some(ban_subject::Subject::Network("10.1.0.0/16".to_owned())) };
    let (name, reason) = ("eve".to_owned(), "spam".to_owned());
    let goodbye = Goodbye {
        reason: GoodbyeReason::Banned.into(),
        retry_after_ms: 0,
        text: reason.clone(),
        until_ms: AT_MS + 3_600_000,
    };
    let sanction = Sanction {
        action: AuditAction::Ban.into(),
        subject: name.clone(),
        until_ms: AT_MS + 3_600_000,
        reason: reason.clone(),
        by: "alice".to_owned(),
        at_ms: AT_MS,
    };
    let account = AccountEntry {
        name: "alice".to_owned(),
        role: Role::Moderator.into(),
        is_online: true,
        password_at_ms: AT_MS,
    };
    let entry = AuditEntry {
        action: AuditAction::SetAccount.into(),
        subject: "alice".to_owned(),
        role: Role::Moderator.into(),
        at_ms: AT_MS,
        ..AuditEntry::default()
    };
    let not_allowed = Refused { code: RefusalCode::NotAllowed.into(), ..Refused::default() };
    let muted = Refused {
        code: RefusalCode::Muted.into(),
        subject: reason.clone(),
        time_ms: AT_MS,
        ..Refused::default()
    };
    let add = AddAccount {
        name: "alice".to_owned(),
        password: "correct horse".to_owned(),
        role: Role::Moderator.into(),
    };
    let set = SetPassword { name: "bob".to_owned(), password: "battery staple".to_owned() };
    let ban = Ban { subject: Some(named("eve")), for_seconds: 3600, reason: reason.clone() };
    let (sanctions, accounts) = (vec![sanction], vec![account]);
    vec![
        ("kick", order(54, Command::Kick(Kick { name: name.clone(), reason: reason.clone() }))),
        ("ban", order(55, Command::Ban(ban))),
        ("goodbye_banned", event(Tell::Goodbye(goodbye))),
        ("unban", order(56, Command::Unban(Unban { subject: Some(network) }))),
        ("mute", order(57, Command::Mute(Mute { name: name.clone(), for_seconds: 0, reason }))),
        ("refused_muted", server(6, Tell::Refused(muted))),
        ("unmute", order(58, Command::Unmute(Unmute { name }))),
        ("announce", order(59, Command::Announce(Announce { text: "Tea is ready".to_owned() }))),
        ("list_sanctions", order(60, Command::ListSanctions(ListSanctions { from: 0 }))),
        ("sanction_page", server(60, Tell::SanctionPage(SanctionPage { sanctions, next: 0 }))),
        ("add_account", order(61, Command::AddAccount(add))),
        ("refused_not_allowed", server(61, Tell::Refused(not_allowed))),
        ("set_password", order(62, Command::SetPassword(set))),
        (
            "set_role",
            order(
                63,
                Command::SetRole(SetRole { name: "bob".to_owned(), role: Role::Admin.into() }),
            ),
        ),
        (
            "remove_account",
            order(64, Command::RemoveAccount(RemoveAccount { name: "bob".to_owned() })),
        ),
        ("list_accounts", order(65, Command::ListAccounts(ListAccounts::default()))),
        ("account_page", server(65, Tell::AccountPage(AccountPage { accounts, more: false }))),
        ("read_audit", order(66, Command::ReadAudit(ReadAudit { before: 0, limit: 1 }))),
        ("audit_page", server(66, Tell::AuditPage(AuditPage { entries: vec![entry], next: 1001 }))),
    ]
}

/// The first eight bytes name the invite.
const TOKEN: [u8; 24] = [0x1f; 24];

pub(super) fn invites() -> Vec<(&'static str, Bytes)> {
    use administer::Command;
    let order = |id, command| client(id, Ask::Administer(Administer { command: Some(command) }));
    let (token, invite_id) = (Bytes::from_static(&TOKEN), Bytes::from_static(&TOKEN[..8]));
    let create = CreateInvite {
        uses: 5,
        for_seconds: 604_800,
        role: Role::Moderator.into(),
        note: "choir".to_owned(),
    };
    let link = "simplechat://[::1]:5050/?fp=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU&name=lab";
    let created = InviteCreated {
        invite_id: invite_id.clone(),
        link: format!("{link}&inv=Hx8fHx8fHx8fHx8fHx8fHx8fHx8fHx8f"),
    };
    let log_in = LogIn {
        name: "bob".to_owned(),
        resume_token: vec![0xb0; 32].into(),
        invite: token.clone(),
        ..LogIn::default()
    };
    let register = Register { password: "correct horse".to_owned(), invite: token };
    let used_up = Refused { code: RefusalCode::InviteUsedUp.into(), ..Refused::default() };
    let entry = InviteEntry {
        invite_id: invite_id.clone(),
        role: Role::Moderator.into(),
        used: 5,
        uses: 5,
        until_ms: AT_MS + 604_800_000,
        note: "choir".to_owned(),
        by: String::new(),
        at_ms: AT_MS,
    };
    let page = InvitePage { invites: vec![entry], next: 0, link: link.to_owned() };
    vec![
        ("create_invite", order(80, Command::CreateInvite(create))),
        ("invite_created", server(80, Tell::InviteCreated(created))),
        ("log_in_with_invite", client(2, Ask::LogIn(log_in))),
        ("register_with_invite", client(81, Ask::Register(register))),
        ("refused_invite_used_up", server(2, Tell::Refused(used_up))),
        ("list_invites", order(82, Command::ListInvites(ListInvites { from: 0 }))),
        ("invite_page", server(82, Tell::InvitePage(page))),
        ("revoke_invite", order(83, Command::RevokeInvite(RevokeInvite { invite_id }))),
    ]
}

pub(super) fn rooms() -> Vec<(&'static str, Bytes)> {
    let (room, name) = ("attic".to_owned(), "bob".to_owned());
    let entry = |members, is_moderator| RoomEntry {
        name: room.clone(),
        topic: "Dust".to_owned(),
        is_private: true,
        is_announce_only: false,
        members,
        is_member: true,
        is_moderator,
    };
    let create = CreateRoom {
        name: room.clone(),
        topic: "Dust".to_owned(),
        is_private: true,
        is_announce_only: false,
    };
    let add = AddToRoom { room: room.clone(), name: name.clone(), is_moderator: false };
    let change = ChangeRoom {
        name: room.clone(),
        topic: Some("Spiders".to_owned()),
        is_private: None,
        is_announce_only: Some(true),
    };
    let out = RemoveFromRoom { room: room.clone(), name: name.clone() };
    let members = vec![
        MemberEntry { name: "alice".to_owned(), is_moderator: true, is_online: true },
        MemberEntry { name: name.clone(), is_moderator: false, is_online: false },
    ];
    let of_room = || (room.clone(), name.clone());
    let joined = |members, is_moderator, last_seq| RoomJoined {
        room: Some(entry(members, is_moderator)),
        last_seq,
    };
    let (in_it, left) = (of_room(), of_room());
    vec![
        ("create_room", client(70, Ask::CreateRoom(create))),
        ("room_joined", server(70, Tell::RoomJoined(joined(1, true, 0)))),
        ("add_to_room", client(71, Ask::AddToRoom(add))),
        ("room_joined_event", event(Tell::RoomJoined(joined(2, false, 3)))),
        ("member_joined", event(Tell::MemberJoined(MemberJoined { room: in_it.0, name: in_it.1 }))),
        ("list_rooms", client(72, Ask::ListRooms(ListRooms::default()))),
        (
            "room_page",
            server(72, Tell::RoomPage(RoomPage { rooms: vec![entry(2, false)], more: false })),
        ),
        ("join_room", client(73, Ask::JoinRoom(JoinRoom { name: room.clone() }))),
        (
            "list_members",
            client(74, Ask::ListMembers(ListMembers { room: room.clone(), ..Default::default() })),
        ),
        ("member_page", server(74, Tell::MemberPage(MemberPage { members, more: false }))),
        ("change_room", client(75, Ask::ChangeRoom(change))),
        ("room_changed", event(Tell::RoomChanged(RoomChanged { room: Some(entry(2, false)) }))),
        ("remove_from_room", client(76, Ask::RemoveFromRoom(out))),
        ("room_left", event(Tell::RoomLeft(RoomLeft { room: room.clone() }))),
        ("member_left", event(Tell::MemberLeft(MemberLeft { room: left.0, name: left.1 }))),
        ("leave_room", client(77, Ask::LeaveRoom(LeaveRoom { name: room.clone() }))),
        ("remove_room", client(78, Ask::RemoveRoom(RemoveRoom { name: room }))),
    ]
}

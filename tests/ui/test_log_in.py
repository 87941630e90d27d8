"""Logging in: which names are taken, and which server is trusted."""

from driver.case import WindowTest
from driver.programs import Server


class LogIn(WindowTest):
    def test_log_in_with_a_user_name(self):
        server = self.start_server()
        self.enter(server, "alice")
        asked = self.cli(server, "bob", "online")
        self.assertEqual(asked.wait_until_ended(), 0)
        self.assertEqual({event["name"] for event in asked.events("user")}, {"alice", "bob"})

    def test_a_taken_name_is_refused_and_another_asked_for(self):
        server = self.start_server()
        self.listener(server, "alice")
        window = self.open_window(server.link)
        window.ask_for("alice")
        window.reads("taken")
        window.log_in("carol")

    def test_a_name_that_looks_like_another_is_refused(self):
        server = self.start_server()
        self.listener(server, "alice")
        window = self.open_window(server.link)
        window.ask_for("\N{CYRILLIC SMALL LETTER A}lice")
        window.reads("looks too much like “alice”")
        window.at_log_in()

    def test_a_reserved_name_is_refused(self):
        window = self.open_window(self.start_server().link)
        window.ask_for("Server")
        window.reads("reserved")
        window.at_log_in()

    def test_an_invite_lets_one_person_in_and_back(self):
        server = self.start_server(config='access = "password"')
        invited = server.order("invite", "create")
        window = self.open_window(invited)
        window.log_in("alice")
        window.log_out()
        # Without the invite, which the window does not keep: this computer is known.
        window.log_in("alice")
        elsewhere = self.open_window(invited, label="elsewhere")
        elsewhere.ask_for("bob")
        elsewhere.reads("been used already")
        elsewhere.at_log_in()

    def test_an_invite_makes_an_account_where_one_is_needed(self):
        server = self.start_server(config='access = "accounts"')
        window = self.open_window(server.order("invite", "create"))
        window.ask_for("alice")
        window.reads("at least 8 characters")
        window.type_into("Password", "correct horse")
        window.press("Log In")
        window.in_conversation()
        self.assertIn("alice  member  online", server.order("user", "list"))

    def test_an_address_without_a_key_is_asked_about(self):
        server = self.start_server()
        window = self.open_window()
        window.type_into("Server address", f"127.0.0.1:{server.port}")
        window.ask_for("alice")
        window.reads(server.fingerprint)
        window.trust()
        window.in_conversation()

    def test_a_changed_key_is_a_hard_stop(self):
        first = self.start_server()
        window = self.open_window(first.link)
        window.log_in("alice").log_out()
        first.stop()
        # Another server on the same port: the same address with another key.
        self._started(Server(self.folder / "impostor", address=f"127.0.0.1:{first.port}"))
        window.ask_for("alice")
        window.reads("key")
        self.assertFalse(window.is_in_conversation())

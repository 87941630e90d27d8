"""Who comes and who goes."""

from driver.case import WindowTest


class Presence(WindowTest):
    def test_connect_and_disconnect_notices(self):
        server = self.start_server()
        window = self.enter(server, "alice")
        guest = self.listener(server, "bob")
        window.is_told("bob joined")
        guest.interrupt()
        window.is_told("bob left")

    def test_many_clients_at_once(self):
        server = self.start_server()
        window = self.enter(server, "alice")
        guests = [self.listener(server, f"guest {number}") for number in range(1, 21)]
        window.say("hello to all of you")
        for guest in guests:
            guest.wait_for("message", **{"from": "alice", "text": "hello to all of you"})
        online = self.cli(server, "counter", "online")
        self.assertEqual(online.wait_until_ended(), 0)
        self.assertEqual(len(online.events("user")), 22)

    def test_who_is_away_is_shown_as_away_until_back(self):
        server = self.start_server()
        bob, alice = self.enter(server, "bob"), self.enter(server, "alice")
        alice.check_in_menu("Away")
        bob.reads("Away")
        alice.reads("You, away")
        alice.check_in_menu("Away")
        bob.reads_no_more("Away")
        alice.reads_no_more("You, away")

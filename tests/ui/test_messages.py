"""Writing to everyone and to one person."""

from driver.case import WindowTest


class Messages(WindowTest):
    def test_a_public_message_when_to_is_everyone(self):
        server = self.start_server()
        alice, bob = self.enter(server, "alice"), self.enter(server, "bob")
        carol = self.listener(server, "carol")
        alice.say("good morning")
        alice.sees("alice", "good morning")
        bob.sees("alice", "good morning")
        carol.wait_for("message", conversation="#lobby", text="good morning")

    def test_a_private_message_reaches_one_person(self):
        server = self.start_server()
        alice, bob = self.enter(server, "alice"), self.enter(server, "bob")
        carol = self.listener(server, "carol")
        alice.say("only for you", to="bob")
        bob.sees("alice", "only for you")
        bob.reads("Private")
        # What comes later has arrived, so what was sent before has not been for carol.
        alice.say("for everybody")
        carol.wait_for("message", text="for everybody")
        self.assertEqual([event["text"] for event in carol.events("message")], ["for everybody"])

    def test_a_private_message_to_nobody_is_told(self):
        server = self.start_server()
        alice = self.enter(server, "alice")
        alice.say("are you there?", to="nobody")
        alice.reads("no user “nobody” online")

    def test_a_private_message_to_somebody_who_left_waits_for_them(self):
        server = self.start_server()
        alice = self.enter(server, "alice")
        guest = self.listener(server, "bob")
        alice.is_told("bob joined")
        alice.choose_recipient("bob")
        guest.interrupt()
        alice.is_told("bob left")
        alice.write("still there?")
        alice.reads("“bob” is away")

    def test_texts_are_shown_as_they_were_written(self):
        server = self.start_server()
        alice, bob = self.enter(server, "alice"), self.enter(server, "bob")
        for text in ("<b>bold</b> & <span", "a % b \\n c", "Grüße 🙂 שלום"):
            alice.say(text)
            bob.sees("alice", text)

    def test_a_message_is_written_with_the_keyboard_alone(self):
        server = self.start_server()
        alice, bob = self.enter(server, "alice"), self.enter(server, "bob")
        alice.write_by_keys("no mouse needed")
        bob.sees("alice", "no mouse needed")

    def test_who_writes_is_seen_until_the_message_is_there(self):
        server = self.start_server()
        alice, bob = self.enter(server, "alice"), self.enter(server, "bob")
        bob.type_into("Message", "I am just")
        alice.reads("bob is typing…")
        bob.say("I am just writing this")
        alice.sees("bob", "I am just writing this")
        alice.reads_no_more("is typing…")

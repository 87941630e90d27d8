"""Clearing the chat: here, not elsewhere, and not for good."""

from driver.case import WindowTest


class ClearChat(WindowTest):
    def test_clear_chat_here_and_undo(self):
        server = self.start_server()
        alice, bob = self.enter(server, "alice"), self.enter(server, "bob")
        alice.say("to be cleared")
        bob.sees("alice", "to be cleared")
        alice.choose_in_menu("Clear Chat")
        alice.gone(containing="to be cleared")
        alice.press("Undo")
        alice.sees("alice", "to be cleared")
        alice.choose_in_menu("Clear Chat")
        alice.gone(containing="to be cleared")
        bob.sees("alice", "to be cleared")

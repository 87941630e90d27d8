"""A name becomes an account, and needs its password where nobody knows it."""

from driver import accessible
from driver.accessible import BUTTON
from driver.case import WindowTest

PASSWORD = "correct horse"


class Account(WindowTest):
    def test_register_and_come_back_from_elsewhere(self):
        server = self.start_server()
        here = self.enter(server, "alice")
        here.choose_in_menu("Register Name…")
        here.type_into("Password, at least 8 characters", PASSWORD)
        here.type_into("Password again", PASSWORD)
        # The buttons of such a dialog are called twice what they say.
        accessible.press(here.find(BUTTON, containing="_Register"))
        here.sees("Server", "Your name is an account now, and nobody else gets it.")
        here.log_out()
        # This computer is known.
        here.log_in("alice")
        here.log_out()

        elsewhere = self.open_window(server.link, label="elsewhere")
        elsewhere.ask_for("alice")
        elsewhere.find(containing="A password is needed")
        elsewhere.type_into("Password", PASSWORD)
        elsewhere.press("Log In")
        elsewhere.in_conversation()

"""Uses Simple Chat as a person would: real programs, real windows, driven through accessibility.

    accessible.py  what is on the screen: find, press, type, read, wait
    programs.py    the programs: chat-server, simple-chat-cli, simple-chat, each with folders of its own
    window.py      one window of simple-chat: log in, write, open a dialog, download
    keyboard.py    real key presses
    evidence.py    what is kept of a failure: a picture of the screen and the tree of widgets
    case.py        the base of every test
"""

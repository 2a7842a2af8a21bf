"""State and verbs of one viewer: everything between the engine and the widgets. No Qt, and no widget is known here."""

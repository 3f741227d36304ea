"""Programs that try to break out, to break the server or to leave something behind."""

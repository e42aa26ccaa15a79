"""The host's side of the mailbox, over whatever wire carries it."""
